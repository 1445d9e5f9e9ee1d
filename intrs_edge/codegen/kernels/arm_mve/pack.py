# SPDX-License-Identifier: Apache-2.0
"""Weight streams of the MVE kernels (firmware/kernels/arm_mve), and the ranges that their arithmetic needs. Arrays
in, arrays out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters, Ints
from intrs_edge.codegen.kernels.common.layout import wrap32
from intrs_edge.codegen.kernels.common.sums import affine_sum, all_sums
from intrs_edge.graph.quantize import AddParams


def mve_reason(filters: Filters) -> str | None:
    """Why the kernels would not be exact, or None: accumulators, scaled up where their channel is, must fit in 32
    bits.
    """
    low, high = filters.bounds
    limit = np.int64(1) << (31 - filters.up)
    if bool((np.maximum(-low, high) >= limit).any()):
        return f"accumulators reach {int(np.maximum(-low, high).max())}, more than 31 bits"
    if filters.out_c > 65532:
        return f"{filters.out_c} channels of output, more than 65532"
    if int(filters.right.max()) > 31:
        return "a channel's multiplier is below 2^-31"
    return None


def _padded(values: Ints, multiple: int) -> Ints:
    extra = -len(values) % multiple
    return np.concatenate([values, np.repeat(values[-1:], extra, axis=0)])


def _words(values: Ints) -> npt.NDArray[np.int8]:
    return wrap32(values).reshape(-1).view(np.int8)


def conv_stream(filters: Filters) -> npt.NDArray[np.int8]:
    """The stream of intrs_conv2d_arm_mve; see intrs_arm_mve.h."""
    weights = filters.weights.astype(np.int64)
    taps = weights.transpose(0, 2, 1, 3).reshape(filters.out_c, -1)  # column, row, channel
    taps = np.pad(_padded(taps, 4), ((0, 0), (0, -taps.shape[1] % 16)))
    parts = []
    rows = [
        _padded(x, 4)
        for x in (filters.folded_bias, filters.multiplier, -filters.right * (filters.right > 0), filters.up)
    ]
    for f in range(0, len(taps), 4):
        body = taps[f : f + 4].reshape(4, -1, 16).transpose(1, 0, 2)
        parts += [body.reshape(-1).astype(np.int8), *(_words(r[f : f + 4]) for r in rows)]
    return np.concatenate(parts)


def kind(filters: Filters) -> int:
    """The field ``kind`` of intrs_arm_mve.h: how much of requantisation a layer needs."""
    if filters.up.any():
        return 2
    if not filters.linear:
        return 0
    return 1 if int(filters.right.min()) >= 1 else 2


def sum_formula(p: AddParams, first: int) -> dict[str, int | tuple[int, ...]]:
    """The last fields of ``intrs_add_arm_mve``, operand ``first`` as its a; zeros where no formula gives all sums."""
    found = affine_sum(p)
    if found is None:
        return {"factor": (0, 0), "offset": 0, "down": 0, "up": int(halves_up(p))}
    return {"factor": (found[first], found[1 - first]), "offset": found[2], "down": found[3], "up": 0}


def halves_up(p: AddParams) -> bool:
    """Whether TFLite's steps with halves rounded up instead of away from zero give the same sums of all pairs."""

    def scaled(x: Ints, multiplier: int, shift: int) -> Ints:
        high = (x * multiplier + (1 << 30)) >> 31
        return (high + (1 << -shift >> 1)) >> -shift

    x = np.arange(-128, 128, dtype=np.int64)
    if max(*p.shift, int(p.q.shift[0])) > 0:
        return False
    a, b = (scaled((x - z) << p.left_shift, m, s) for z, m, s in zip(p.zero_point, p.multiplier, p.shift, strict=True))
    out = scaled(a[:, None] + b[None, :], int(p.q.multiplier[0]), int(p.q.shift[0])) + p.q.zero_point
    return np.array_equal(np.clip(out, p.q.min, p.q.max), all_sums(p))
