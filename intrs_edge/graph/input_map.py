# SPDX-License-Identifier: Apache-2.0
"""From a noisy pixel to the model's quantised input, in integers.

The map is part of the base classifier: the certificate speaks of the function that the device computes, whatever
rounding it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.preprocessing import input_codes, read_preprocessing

PIXEL_MAX = 255
LOW, HIGH = -128, 127
_POWERS = [Fraction(1 << k) for k in range(16)]  # pixels a code, where an addition and a shift are the map


@dataclass(frozen=True)
class InputMap:
    """``q = clamp((v * mul[c] + add[c]) >> shift, -128, 127)`` for the noisy pixel v (lattice steps) of channel c: C
    struct ``intrs_input_map``.

    ``exact``: equal to rounding the real map to nearest (ties upwards) for every v from ``-reach`` to ``255 + reach``.
    """

    mul: tuple[int, ...]
    add: tuple[int, ...]
    shift: int
    reach: int
    exact: bool

    def apply(self, noisy: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.int8]:
        """Noisy pixels, integers ``[..., H, W, C]`` in lattice steps, to the model's input, int8 of the same shape."""
        v = np.asarray(noisy, np.int64)
        q = (v * np.array(self.mul, np.int64) + np.array(self.add, np.int64)) >> self.shift
        return np.clip(q, LOW, HIGH).astype(np.int8)


def no_map(channels: int) -> InputMap:
    """Where it is not known what a pixel means: all zeros, which nothing runs."""
    return InputMap((0,) * channels, (0,) * channels, 0, 0, True)


def image_shape(graph: Graph) -> tuple[int, int, int]:
    """(H, W, C) of the image a model takes: its input ``[1, H, W, C]``, ``[1, H, W]`` (C = 1) or ``[1, N]`` (1, N,
    1); IntrsError for any other."""
    shape = graph.tensors[graph.inputs[0]].shape
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2], 1
    if len(shape) == 2 and shape[0] == 1:
        return 1, shape[1], 1
    raise IntrsError(f"the model's input {list(shape)} is not one image [1, H, W, C]: export it with batch 1")


def derive_input_map(graph: Graph, reach: int) -> InputMap:
    """The map of a model with one int8 input (see `image_shape`), for noise of magnitude at most ``reach`` steps.

    One that is 2^k pixels a code from 0 on needs an addition and a rounding shift only. Any other is searched: the
    smallest shift whose fixed-point map equals round-to-nearest of the real map wherever noise can lead. IntrsError
    when it is not known what a pixel means to the model (`preprocessing`).
    """
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.quant is None or tensor.quant.scale.size != 1 or tensor.dtype != "int8":
        raise IntrsError("the model's input is not int8 with one scale: convert it with integer input and output")
    lines = read_preprocessing(graph)[0].affine(image_shape(graph)[2])
    scale, zero_point = input_codes(tensor.quant, tensor.dtype)
    return map_to_codes(lines, scale, zero_point, reach)


def map_to_codes(lines: Sequence[tuple[Fraction, Fraction]], scale: Fraction, zero_point: int, reach: int) -> InputMap:
    """The map to codes of this scale and zero point; ``lines``: (slope, offset) of each channel, real = slope * pixel +
    offset (`Preprocessing.affine`)."""
    channels = len(lines)
    slopes = [slope / scale for slope, _ in lines]
    starts = [zero_point + offset / scale + Fraction(1, 2) for _, offset in lines]
    if all(o == 0 for _, o in lines) and len(set(slopes)) == 1 and 1 / slopes[0] in _POWERS:
        k = _POWERS.index(1 / slopes[0])
        half = 1 << (k - 1) if k else 0
        return InputMap((1,) * channels, ((zero_point << k) + half,) * channels, k, reach, True)
    pixels = np.arange(-reach, PIXEL_MAX + reach + 1)
    targets = [_rounded(slope, start, pixels) for slope, start in zip(slopes, starts, strict=True)]
    best: InputMap | None = None
    for shift in range(31):
        found = [_search(float(slope), target, pixels, shift) for slope, target in zip(slopes, targets, strict=True)]
        if any(f is None for f in found):
            continue
        pairs = [f for f in found if f is not None]
        return InputMap(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), shift, reach, True)
    for shift in range(30, -1, -1):  # no shift is exact everywhere: the finest that does not overflow
        mul = tuple(round(slope * 2**shift) for slope in slopes)
        add = tuple(round(start * 2**shift) for start in starts)
        if all(_fits(m, a, reach) for m, a in zip(mul, add, strict=True)):
            best = InputMap(mul, add, shift, reach, False)
            break
    if best is None:
        raise IntrsError(
            f"the input scale {float(scale):g} has no 32-bit fixed-point map from pixels: "
            "quantise the input with a larger scale"
        )
    return best


def _fits(mul: int, add: int, reach: int) -> bool:
    return abs(mul) * (PIXEL_MAX + reach) + abs(add) < 2**31


def _rounded(slope: Fraction, start: Fraction, pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """clamp(floor(v * slope + start)) exactly."""
    denominator = slope.denominator * start.denominator
    a, b = int(slope * denominator), int(start * denominator)
    return np.array([min(max((int(v) * a + b) // denominator, LOW), HIGH) for v in pixels], np.int64)


def _search(
    slope: float, target: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64], shift: int
) -> tuple[int, int] | None:
    """(mul, add) with ``(v * mul + add) >> shift`` equal to the target after clamping, for every pixel."""
    below, above = target > LOW, target < HIGH
    for mul in sorted(
        {int(np.floor(slope * 2**shift)) + d for d in (-1, 0, 1, 2)}, key=lambda m: abs(m - slope * 2**shift)
    ):
        line = pixels * mul
        least = int(np.max((target << shift)[below] - line[below], initial=-(2**40)))
        most = int(np.min(((target + 1) << shift)[above] - line[above] - 1, initial=2**40))
        add = (
            (least + most) // 2 if abs(least) < 2**39 and abs(most) < 2**39 else (least if abs(least) < 2**39 else most)
        )
        if least <= most and _fits(mul, add, -int(pixels[0])):
            return mul, add
    return None
