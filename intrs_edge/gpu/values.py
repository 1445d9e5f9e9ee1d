# SPDX-License-Identifier: Apache-2.0
"""Operators on single values and pairs, pools and reductions.

What works on one value is a table of 256, on two a table of 65 536, filled by the numpy reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from intrs_edge.gpu.arithmetic import Requantise
from intrs_edge.gpu.site import Site, Step, aligned, builder
from intrs_edge.graph import reference
from intrs_edge.graph.geometry import Window, interpolation, reduced_axes, window
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.operators import BROADCASTING
from intrs_edge.graph.quantize import pool_params, sum_params


def _bytes(x: Tensor) -> Tensor:
    """Stored bytes 0 .. 255 as int64."""
    return x.view(torch.uint8).to(torch.int64)


@builder(*TABLES)
def table(site: Site) -> Step:
    """One look-up a value."""
    values = site.tensor(lut(site.graph, site.op))
    return lambda args: [values[_bytes(args[0])]]


@builder(*BROADCASTING)
def pair(site: Site) -> Step:
    """One look-up a pair of values."""
    numbers = np.arange(1 << 16)
    left, right = ((part[None] & 255).astype(np.uint8).view(np.int8) for part in (numbers >> 8, numbers))
    values = site.tensor(reference.KERNELS[site.op.kind](site.graph, site.op, [left, right])[0][0])

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        a, b = aligned(args)
        return [values[_bytes(a.contiguous()) << 8 | _bytes(b.contiguous())]]

    return step


### pools ###


def _seen(out: int, stride: int, before: int, extent: int, size: int) -> list[tuple[int, int]]:
    starts = [i * stride - before for i in range(out)]
    return [(max(start, 0), min(start + size, extent)) for start in starts]


def _pooled(x: Tensor, w: Window, pool: Callable[[Tensor], Tensor]) -> Tensor:
    """``pool``, which pools along axis 1, over the rows and then the columns of every window: ``[n, out_h, out_w,
    c]``."""
    rows = _seen(w.out_h, w.stride_h, w.pad_top, w.in_h, w.filter_h)
    columns = _seen(w.out_w, w.stride_w, w.pad_left, w.in_w, w.filter_w)
    turned = torch.stack([pool(x[:, a:b]) for a, b in rows], 2)
    return torch.stack([pool(turned[:, a:b]) for a, b in columns], 2)


def _round_half_away(total: Tensor, count: Tensor) -> Tensor:
    half = count // 2
    down, up = (total + half) // count, -((half - total) // count)
    return torch.where(total > 0, down, up)


@builder("AVERAGE_POOL_2D")
def average_pool_2d(site: Site) -> Step:
    """The rounded mean of the raw values inside the input."""
    w, p = window(site.graph, site.op), pool_params(site.graph, site.op)
    rows = [b - a for a, b in _seen(w.out_h, w.stride_h, w.pad_top, w.in_h, w.filter_h)]
    columns = [b - a for a, b in _seen(w.out_w, w.stride_w, w.pad_left, w.in_w, w.filter_w)]
    count = site.tensor((np.array(rows)[:, None] * np.array(columns))[:, :, None].astype(np.int64))

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        x = args[0].reshape(-1, w.in_h, w.in_w, w.in_c)
        total = _pooled(x, w, lambda part: part.sum(1, dtype=torch.int64))
        mean = _round_half_away(total, count).clamp(p.min, p.max).to(torch.int8)
        return [mean.reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]

    return step


@builder("MAX_POOL_2D")
def max_pool_2d(site: Site) -> Step:
    """The largest raw value inside the input."""
    w, p = window(site.graph, site.op), pool_params(site.graph, site.op)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        x = args[0].reshape(-1, w.in_h, w.in_w, w.in_c)
        best = _pooled(x, w, lambda part: part.amax(1)).clamp(p.min, p.max)
        return [best.reshape(*args[0].shape[:2], w.out_h, w.out_w, w.out_c)]

    return step


@builder("RESIZE_BILINEAR")
def resize_bilinear(site: Site) -> Step:
    """Mixes four raw values with weights of 2**20 in all, rounded to nearest, ties away from zero."""
    rows, columns = interpolation(site.graph, site.op)
    fy = site.tensor(np.array(rows.weight, np.int64)[:, None, None])
    fx = site.tensor(np.array(columns.weight, np.int64)[:, None])
    up, low, left, right = (
        site.tensor(np.array(x, np.int64)) for x in (rows.first, rows.second, columns.first, columns.second)
    )
    whole = torch.tensor(1 << 20, device=site.device)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        x = args[0].to(torch.int64)
        mixed = x[:, :, up] * (1024 - fy) + x[:, :, low] * fy
        total = mixed[:, :, :, left] * (1024 - fx) + mixed[:, :, :, right] * fx
        return [_round_half_away(total, whole).to(torch.int8)]

    return step


### what reduces axes ###


@builder("MEAN", "SUM")
def mean(site: Site) -> Step:
    """One rounding: the division of a mean is part of the multiplier. SUM takes stored bytes for unsigned ones."""
    p, shape = sum_params(site.graph, site.op), site.graph.tensors[site.op.outputs[0]].shape
    axes = [1 + a for a in reduced_axes(site.graph, site.op)]
    finish = Requantise(p.q, site.device, p.unsigned)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        x = _bytes(args[0]) if p.unsigned else args[0]
        total = x.sum(axes, dtype=torch.int64) if axes else x.to(torch.int64)
        return [finish(total - p.count * p.in_zero_point).reshape(len(args[0]), *shape)]

    return step


@builder("REDUCE_MAX", "REDUCE_MIN")
def reduce_extremum(site: Site) -> Step:
    """Of raw values."""
    axes, shape = [1 + a for a in reduced_axes(site.graph, site.op)], site.graph.tensors[site.op.outputs[0]].shape
    extremum = torch.amax if site.op.kind == "REDUCE_MAX" else torch.amin

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        y = extremum(args[0], axes) if axes else args[0]
        return [y.reshape(len(args[0]), *shape)]

    return step
