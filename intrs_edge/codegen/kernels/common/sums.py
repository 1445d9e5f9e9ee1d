# SPDX-License-Identifier: Apache-2.0
"""Sums of two int8 activations: TFLite's own of all pairs, and the shorter formulas that equal it."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.layout import wrap32
from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier
from intrs_edge.graph.quantize import AddParams, Requant

Ints = npt.NDArray[np.int64]


def all_sums(p: AddParams) -> Ints:
    """TFLite's ADD of all pairs, ``[x + 128, y + 128]``."""
    values = np.arange(-128, 128, dtype=np.int64)
    scaled = [
        multiply_by_quantized_multiplier((values - z) << p.left_shift, m, s)
        for z, m, s in zip(p.zero_point, p.multiplier, p.shift, strict=True)
    ]
    total = scaled[0][:, None] + scaled[1][None, :]
    result: Ints = multiply_by_quantized_multiplier(total, int(p.q.multiplier[0]), int(p.q.shift[0])) + p.q.zero_point
    return np.clip(result, p.q.min, p.q.max)


def affine_sum(p: AddParams) -> tuple[int, int, int, int] | None:
    """``(a, b, offset, shift)`` with clamp((a x + b y + offset) >> shift) equal to TFLite's ADD of all pairs, or None.

    For given a, b and shift every pair bounds the offset from below, above or both: one pass over the pairs settles
    it. Where the reference's own roundings are out of order at 2^-20 of a step (about one ADD in four) there is none.
    """
    numbers = (int(p.q.multiplier[0]), int(p.q.shift[0]), p.q.zero_point, p.q.min, p.q.max)
    return _affine_sum(p.zero_point, p.multiplier, p.shift, p.left_shift, numbers)


@functools.lru_cache(4096)  # kernels of several levels ask for the same sums
def _affine_sum(
    zero_point: tuple[int, int],
    multiplier: tuple[int, int],
    shifts: tuple[int, int],
    left: int,
    numbers: tuple[int, ...],
) -> tuple[int, int, int, int] | None:
    q = Requant(np.array(numbers[:1], np.int32), np.array(numbers[1:2], np.int8), *numbers[2:])
    p = AddParams(zero_point, multiplier, shifts, left, q)
    expected = all_sums(p)
    x = np.arange(-128, 128, dtype=np.int64)
    back = float(p.q.multiplier[0]) * 2.0 ** (int(p.q.shift[0]) - 31 + p.left_shift)
    slopes = [m * 2.0 ** (s - 31) * back for m, s in zip(p.multiplier, p.shift, strict=True)]
    # only pairs at the edge of a run of equal outputs in y bind; the sign of b tells which edge
    rising = slopes[1] >= 0
    first = np.ones_like(expected, dtype=bool)
    first[:, 1:] = expected[:, 1:] != expected[:, :-1]
    last = np.roll(first, -1, axis=1)
    last[:, -1] = True
    least, most = (first, last) if rising else (last, first)
    lower = np.nonzero(least & (expected > p.q.min))
    upper = np.nonzero(most & (expected < p.q.max))
    for shift in range(24, 18, -1):
        centre = [round(s * 2.0**shift) for s in slopes]
        if max(abs(c) for c in centre) > (1 << 22):
            continue
        low = (expected[lower] << shift, x[lower[0]], x[lower[1]])
        high = ((expected[upper] + 1 << shift) - 1, x[upper[0]], x[upper[1]])
        few = [tuple(v[::_SAMPLE] for v in side) for side in (low, high)]
        for da, db in _NEAR:
            a, b = centre[0] + da, centre[1] + db
            least_offset, most_offset = _offsets(a, b, *few)
            if least_offset > most_offset:  # a few pairs show that most factors do not do
                continue
            least_offset, most_offset = _offsets(a, b, low, high)
            if least_offset <= most_offset:
                return a, b, (least_offset + most_offset) // 2, shift
        break
    return None


def _offsets(a: int, b: int, low: tuple[Ints, ...], high: tuple[Ints, ...]) -> tuple[int, int]:
    """The least and the most offset that ``(bound, x, y)`` of the pairs on each side allow."""
    least = (low[0] - a * low[1] - b * low[2]).max(initial=-(1 << 28))
    most = (high[0] - a * high[1] - b * high[2]).min(initial=1 << 28)
    return int(least), int(most)


_SAMPLE = 32
_SPREAD = 4
_NEAR = sorted(
    ((a, b) for a in range(-_SPREAD, _SPREAD + 1) for b in range(-_SPREAD, _SPREAD + 1)),
    key=lambda d: d[0] ** 2 + d[1] ** 2,
)


### a table of 256 words for one operand ###


def exact_operand(p: AddParams) -> int:
    """The operand that TFLite scales by exactly 1/2 (the one with the larger scale), or -1."""
    return next((i for i in (1, 0) if p.multiplier[i] == 1 << 30 and p.shift[i] == 0), -1)


def table_reason(p: AddParams) -> str | None:
    """Why `sum_table` would not be exact, or None. Twice the sum stays below 2^30: two operands of at most 2^28 each,
    halved and doubled.
    """
    if exact_operand(p) < 0:
        return "no operand is scaled by exactly 1/2"
    if p.left_shift != 20:
        return f"operands are shifted by {p.left_shift} bits, not 20"
    if max(p.shift) > 0:
        return "an operand is scaled up"
    shift, multiplier = int(p.q.shift[0]), int(p.q.multiplier[0])
    if shift > -1 or -shift > 22 or multiplier < 0:
        return f"the output's multiplier is outside 2^-23 .. 2^-1 (shift {shift})"
    return None


def sum_table(p: AddParams) -> tuple[npt.NDArray[np.int32], tuple[int, int, int]]:
    """The table by the other operand's byte, and (multiplier, addend, shift) of the output."""
    exact = exact_operand(p)
    other = 1 - exact
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64)
    scaled = multiply_by_quantized_multiplier(
        (values - p.zero_point[other]) << p.left_shift, p.multiplier[other], p.shift[other]
    )
    right = -int(p.q.shift[0])
    addend = (1 << (right - 1)) + (p.q.zero_point << right)
    table = 2 * scaled - (p.zero_point[exact] << p.left_shift)
    return wrap32(table), (int(p.q.multiplier[0]), addend, right)
