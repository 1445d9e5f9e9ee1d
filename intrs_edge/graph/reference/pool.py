"""AVERAGE_POOL_2D and MAX_POOL_2D: padding takes no part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import pool_params
from intrs_edge.graph.reference.common import Array, Int64, kernel

LOWEST = -(2**31)


def _taps(x: Array, w: Window, fill: int) -> list[npt.NDArray[np.int32]]:
    """For every filter position the ``[n, out_h, out_w, c]`` of what it sees, ``fill`` where that is padding."""
    n, h, width, c = x.shape
    source = np.full((n, h + w.pad_top + w.pad_bottom, width + w.pad_left + w.pad_right, c), fill, dtype=np.int32)
    source[:, w.pad_top : w.pad_top + h, w.pad_left : w.pad_left + width] = x
    taps = []
    for i in range(w.filter_h):
        for j in range(w.filter_w):
            tap = source[:, i : i + w.out_h * w.stride_h : w.stride_h, j : j + w.out_w * w.stride_w : w.stride_w]
            taps.append(tap[:, : w.out_h, : w.out_w])
    return taps


def _counts(w: Window) -> Int64:
    """How many filter positions of each output lie inside the input: ``[out_h, out_w, 1]``."""

    def inside(out: int, stride: int, before: int, extent: int, size: int) -> Int64:
        start = np.arange(out, dtype=np.int64) * stride - before
        count: Int64 = np.minimum(start + size, extent) - np.maximum(start, 0)
        return count

    rows = inside(w.out_h, w.stride_h, w.pad_top, w.in_h, w.filter_h)
    columns = inside(w.out_w, w.stride_w, w.pad_left, w.in_w, w.filter_w)
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
    total = np.sum(_taps(x, w, 0), axis=0, dtype=np.int64)
    mean = np.clip(round_half_away(total, _counts(w)), p.min, p.max).astype(args[0].dtype)
    return [mean.reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]


@kernel("MAX_POOL_2D")
def max_pool_2d(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The largest raw value inside the input."""
    w, p = window(graph, op), pool_params(graph, op)
    x = args[0].reshape(-1, w.in_h, w.in_w, w.in_c)
    best = np.max(_taps(x, w, LOWEST), axis=0)
    return [np.clip(best, p.min, p.max).astype(args[0].dtype).reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]
