# SPDX-License-Identifier: Apache-2.0
"""From integer pixels to the network's int8 input, wide enough for the noise.

A network of ours has a scale of a power of two times 1/255. One whose checkpoint was trained on (pixel / 255 - mean) /
std has the scale that holds those values; its map is the device's own, channel by channel, so that nothing is folded
into a convolution and the border keeps its meaning.

The pixel v (a lattice integer, noise included) becomes ``clamp(((v + half) >> k) + zero_point, -128, 127)``: an add,
a shift and a saturation on the device. Real values are pixel / 255, so the scale is 2^k / 255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import InputMap, map_to_codes
from intrs_edge.graph.preprocessing import Preprocessing
from intrs_edge.smoothing.noise import DiscreteGaussian, exact


@dataclass(frozen=True)
class InputQuant:
    """The input's quantisation: ``real = pixel / 255 = 2^shift / 255 * (q - zero_point)``."""

    shift: int

    @property
    def reads(self) -> Preprocessing:
        """What a pixel means: pixel / 255."""
        return Preprocessing("0..1")

    @property
    def scale(self) -> np.float32:
        """2^shift / 255, in float32 as files store it."""
        return np.float32(2.0**self.shift / 255.0)

    @property
    def zero_point(self) -> int:
        """Centres the pixel range 0..255 in -128..127."""
        return -(128 >> self.shift)

    def quantise(self, pixels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int8]:
        """Lattice integers of any shape (at least 16 bits when noise was added) -> int8; halves go up."""
        half = (1 << self.shift) >> 1
        q = ((pixels.astype(np.int32) + half) >> self.shift) + self.zero_point
        return np.clip(q, -128, 127).astype(np.int8)


@dataclass(frozen=True)
class NormalisedInput:
    """The quantisation of ``real = (pixel / 255 - mean) / std``, mean and std one per channel; ``map`` is the device's
    (`graph.input_map`)."""

    reads: Preprocessing
    scale: np.float32
    zero_point: int
    map: InputMap = field(repr=False)

    def quantise(self, pixels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int8]:
        """Lattice integers [..., C] -> int8 of the same shape, as the device maps them."""
        return self.map.apply(pixels.astype(np.int64))


def normalised_input(sigma: float, mean: Sequence[float], std: Sequence[float], channels: int) -> NormalisedInput:
    """For images of ``channels``, mean and std as the checkpoint has them (one number, or one per channel, of pixel /
    255): the scale that holds every pixel and two sigma of noise on either side. sigma in [0,1] pixels.

    Raises IntrsError for another number of values, or a std that is not positive.
    """
    choose_input_quant(sigma)  # the same limits
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels) or not all(math.isfinite(v) and abs(v) <= 1e6 for v in values):
            raise IntrsError(f"--{name} has {len(values)} values for {channels} channels; give one, or one a channel")
    if min(std) < 1e-6:
        raise IntrsError(f"--std is {min(std):g}; give the deviations of pixel / 255, above 0")
    reads = Preprocessing("0..1", tuple(exact(m, "mean") for m in mean), tuple(exact(s, "std") for s in std))
    lines = reads.affine(channels)
    pixels = (Fraction(-2 * sigma) * 255, Fraction(2 * sigma) * 255 + 255)
    ends = [slope * pixel + offset for slope, offset in lines for pixel in pixels]
    low, high = min(*ends, Fraction(0)), max(*ends, Fraction(0))
    scale = np.float32(float(high - low) / 255)
    zero_point = round(-128 - float(low) / float(scale))
    reach = DiscreteGaussian(exact(sigma, "sigma") * 255).last if sigma > 0 else 0
    found = map_to_codes(lines, Fraction(float(scale)), zero_point, reach)
    return NormalisedInput(reads, scale, zero_point, found)


def choose_input_quant(sigma: float) -> InputQuant:
    """The smallest shift k with 2^k * 256 >= 255 + 4 s, where s = 255 sigma: two sigma of room on each side of the
    pixels.

    sigma is in [0,1] pixels. The table in docs/train.md: 0 -> 0, up to .2519 -> 1, .7539 -> 2, 1.757 -> 3.
    """
    if not 0.0 <= sigma <= 512.0 / 255.0 + 1e-9:
        raise IntrsError(
            f"sigma {sigma} is out of range; give it in [0,1] pixels, 0 to {512 / 255:.4f} (512 lattice steps)"
        )
    shift = 0
    while (256 << shift) < 255.0 + 4.0 * 255.0 * sigma:
        shift += 1
    return InputQuant(shift)
