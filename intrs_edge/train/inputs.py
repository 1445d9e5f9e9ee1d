"""From integer pixels to the network's int8 input: a scale of a power of two times 1/255, wide enough for the noise.

The pixel v (a lattice integer, noise included) becomes ``clamp(((v + half) >> k) + zero_point, -128, 127)``: an add,
a shift and a saturation on the device. Real values are pixel / 255, so the scale is 2^k / 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError


@dataclass(frozen=True)
class InputQuant:
    """The input's quantisation: ``real = pixel / 255 = 2^shift / 255 * (q - zero_point)``."""

    shift: int

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
