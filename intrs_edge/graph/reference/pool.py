# SPDX-License-Identifier: Apache-2.0
"""AVERAGE_POOL_2D and MAX_POOL_2D: padding takes no part.

A window is pooled along the rows, then along the columns, so that the cost does not grow with the filter's area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from intrs_edge.graph.geometry import Window, interpolation, window
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import pool_params
from intrs_edge.graph.reference.common import Array, Int64, kernel


def _seen(out: int, stride: int, before: int, extent: int, size: int) -> list[tuple[int, int]]:
    """(first, behind the last) input position inside each of ``out`` windows along one axis."""
    starts = [i * stride - before for i in range(out)]
    return [(max(start, 0), min(start + size, extent)) for start in starts]


def _rows(w: Window) -> list[tuple[int, int]]:
    return _seen(w.out_h, w.stride_h, w.pad_top, w.in_h, w.filter_h)


def _columns(w: Window) -> list[tuple[int, int]]:
    return _seen(w.out_w, w.stride_w, w.pad_left, w.in_w, w.filter_w)


def _pooled(x: Array, w: Window, pool: Callable[[Array], Array]) -> Array:
    """``pool``, which pools along axis 1, over the rows and then the columns of every window: ``[n, out_h, out_w,
    c]``."""
    lines = np.stack([pool(x[:, a:b]) for a, b in _rows(w)], 1)
    turned = lines.swapaxes(1, 2)
    return np.stack([pool(turned[:, a:b]) for a, b in _columns(w)], 2)


def _counts(w: Window) -> Int64:
    """How many filter positions of each output lie inside the input: ``[out_h, out_w, 1]``."""
    rows, columns = (np.array([b - a for a, b in seen], np.int64) for seen in (_rows(w), _columns(w)))
    return (rows[:, None] * columns[None, :])[:, :, None]


def round_half_away(total: Int64, count: Int64 | int) -> Int64:
    """Integer division rounded to nearest, ties away from zero, in the C form (truncating division)."""
    half = np.asarray(count) // 2
    quotient: Int64 = np.where(total > 0, (total + half) // count, -((half - total) // count))
    return quotient


@kernel("AVERAGE_POOL_2D")
def average_pool_2d(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The rounded mean of the raw values inside the input; input and output share their quantisation."""
    w, p = window(graph, op), pool_params(graph, op)
    x = args[0].reshape(-1, w.in_h, w.in_w, w.in_c)
    total = _pooled(x, w, lambda part: np.asarray(part.sum(1, np.int64))).astype(np.int64)
    mean = np.clip(round_half_away(total, _counts(w)), p.min, p.max).astype(args[0].dtype)
    return [mean.reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]


@kernel("MAX_POOL_2D")
def max_pool_2d(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The largest raw value inside the input."""
    w, p = window(graph, op), pool_params(graph, op)
    x = args[0].reshape(-1, w.in_h, w.in_w, w.in_c)
    best = _pooled(x, w, lambda part: np.asarray(part.max(1)))
    return [np.clip(best, p.min, p.max).astype(args[0].dtype).reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]


@kernel("RESIZE_BILINEAR")
def resize_bilinear(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Mixes four raw values with weights of 2**20 in all, rounded to nearest, ties away from zero."""
    rows, columns = interpolation(graph, op)
    x = args[0].astype(np.int64)
    fy = np.array(rows.weight)[:, None, None]
    fx = np.array(columns.weight)[:, None]
    upper, lower = x[:, :, np.array(rows.first)], x[:, :, np.array(rows.second)]
    mixed = upper * (1024 - fy) + lower * fy
    left, right = mixed[:, :, :, np.array(columns.first)], mixed[:, :, :, np.array(columns.second)]
    return [round_half_away(left * (1024 - fx) + right * fx, 1 << 20).astype(np.int8)]
