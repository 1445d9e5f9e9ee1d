# SPDX-License-Identifier: Apache-2.0
"""Requantisation in three instructions: the high word of one product, with every rounding in the addend."""

from __future__ import annotations

import numpy as np

from intrs_edge.codegen.kernels.common.filters import Filters, Ints


def requant_reason(filters: Filters, scale_bits: int) -> str | None:
    """Why three-instruction requantisation of ``2^scale_bits * accumulator`` would not be exact, or None (proof: see
    `requant_words`).
    """
    live = ~filters.constant[0]
    right, up = filters.right[live], filters.up[live]
    low, high = (bound[live] for bound in filters.bounds)
    if int(filters.multiplier.min()) < 0:
        return "a channel's multiplier is negative"
    if not live.any():
        return None
    if filters.linear and int(right.min()) < 1:
        return "a channel is scaled up (multiplier 0.5 or more) and not clamped at its zero point"
    if int(right.max()) + scale_bits - 1 > 22:
        return f"a channel's multiplier is below 2^-{23 - scale_bits}"
    if int(up.max()) > (7 if scale_bits == 1 else scale_bits - 2):
        return f"a channel is scaled up by {int(up.max())} bits"
    limit = np.int64(1) << (31 - scale_bits - (up if scale_bits == 1 else 0))
    if bool((np.maximum(-low, high) >= limit).any()):
        return f"accumulators reach {int(np.maximum(-low, high).max())}, {31 - scale_bits} bits are available"
    return None


def requant_words(filters: Filters, scale_bits: int) -> Ints:
    """``[out_c, 3]``: multiplier, addend, shift.

    With acc = 2^t y the high word of acc * m is floor(y m / 2^(32 - t)). The inner rounding floor((y m + 2^30) / 2^31)
    is then a constant 2^(t-2) below a shift of t - 1 (t = 1: the rounding form of the instruction), the outer one
    2^(e-1) above it and the zero point 2^e above that; nested floors of halvings are one. |acc m / 2^32| < 2^30 and the
    addend is below 2^29 + 2^22 + 16, so nothing overflows. Scaled up by s bits there is no outer rounding: t = 1 takes
    acc = 2^(s+1) y, larger t has s bits less below the point. A constant channel gets the multiplier 0 and shift 1.
    """
    constant, value = filters.constant
    right = np.where(constant, 1, filters.right)
    total = np.maximum(right, 0) if scale_bits == 1 else right + scale_bits - 1
    addend = np.where(constant, value, filters.out_zero_point) << total
    addend = addend + np.where(right >= 1, np.int64(1) << np.maximum(total - 1, 0), 0)
    if scale_bits >= 2:
        addend = addend + (np.int64(1) << (scale_bits - 2 + np.minimum(right, 0)))
    return np.stack([np.where(constant, 0, filters.multiplier), addend, total], axis=1)
