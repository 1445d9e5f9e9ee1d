# SPDX-License-Identifier: Apache-2.0
"""Winograd's F(4x4, 3x3) in integers: 4x4 outputs from 6x6 inputs by 36 products where 144 stood.

With an input tile d and a filter g the outputs are ``A^T ((G g G^T) * (B^T d B)) A``. The textbook's G has fractions;
here each of its rows is scaled to integers, and what that scales the outputs by is taken off at the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Site
from intrs_edge.codegen.kernels.common.checks import accumulator_reason, int8_reason, square_reason
from intrs_edge.codegen.kernels.common.filters import Filters, Ints
from intrs_edge.codegen.kernels.common.requant import requant_words
from intrs_edge.graph.geometry import Window, window
from intrs_edge.integers import ceil_div

# The textbook's G times 24, less a factor of 8 in the last row that A^T has instead: every output comes out 24 * 24 =
# 576 times too large, so that all positions are requantised alike. Rows sum to at most 12 in magnitude: |G g G^T| is
# at most 18 432 and fits int16. (x86, neon)
G_ONE_GAIN = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 3]], np.int64)
ONE_GAIN = 576

# The same without the factors of 4 in three rows, which leaves sums of half-words that take thirteen instructions.
# What is missing returns as shifts in A^T, by 24, 12, 6 and 6 a dimension: outputs are 576 to 36 times too large by
# their position, and the bias, which enters at position (1, 1) of the products, 36 times. |G g G^T| is at most 6 272.
# (arm_dsp, scalar)
G_SMALL = np.array([[6, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 6]], np.int64)
SMALL_GAIN = 36


def transformed(g: npt.NDArray[np.int64], weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """``G w G^T`` of every filter: ``[out_c, 6, 6, in_c]`` from OHWI 3x3."""
    u: npt.NDArray[np.int64] = np.einsum("ia,oabc,jb->oijc", g, weights.astype(np.int64), g, optimize=True)
    return u


def small_heads(filters: Filters) -> Ints:
    """``[out_c, 8]`` where two channels share a word of the input's transform and G is `G_SMALL`: the bias at position
    (1, 1), four corrections, multiplier, addend, shift.

    The lower lanes hold channels 0 and 1 of every four; 16384 in those of d[4..5][4..5] keeps them positive, reaches
    outputs (2..3, 2..3), and is what the corrections take off.
    """
    g = filters.weights.astype(np.int64)  # out, 3, 3, in
    low = g[..., [c for c in range(g.shape[3]) if c % 4 < 2]].sum(axis=3)
    correction = np.stack([low[:, 4 - i :, 4 - j :].sum(axis=(1, 2)) for i in (2, 3) for j in (2, 3)], axis=1)
    bias = SMALL_GAIN * filters.folded_bias[:, None]
    return np.concatenate([bias, 64 * 16384 * correction, requant_words(filters, 6)], axis=1)


def tiles_of(w: Window) -> int:
    """Tiles of 4x4 outputs, those at the edge whole."""
    return ceil_div(w.out_h, 4) * ceil_div(w.out_w, 4)


def block_reason(site: Site, block: int) -> str | None:
    """Why an op is not 3x3, stride 1, of channels in multiples of ``block`` and accumulators below 2^25, or None."""
    w = window(site.graph, site.op)
    why = int8_reason(site) or square_reason(site, w)
    if why is not None:
        return why
    if w.in_c % block or w.out_c % block:
        return f"{w.in_c} to {w.out_c} channels: not multiples of {block}"
    return accumulator_reason(site, 25)


def block_scratch(w: Window, block: int, align: int) -> int:
    """Bytes for the padded input and the products of 16 tiles, ``block`` filters at a time: the C function's layout."""
    tiles = 16
    frame = (4 * ceil_div(w.out_h, 4) + 2) * (4 * ceil_div(w.out_w, 4) + 2) * w.in_c
    return align + ceil_div(frame, align) * align + 36 * (2 * tiles * w.in_c + 64) + tiles * 36 * block * 4
