# SPDX-License-Identifier: Apache-2.0
"""Pools and means."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from intrs_edge.convert.emit import NO_PAD, Pad
from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.axes import axes_of, reduce
from intrs_edge.convert.qdq.context import Context, Inputs, Window, extents, kernel_of, moving, window
from intrs_edge.convert.qdq.finish import clamp, fusing
from intrs_edge.convert.qdq.values import Activation, Affine, Pending, Range, Value, same_quant
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.geometry import same_or_valid
from intrs_edge.graph.ir import Quant


@moving
def max_pool(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """MaxPool; the border never wins, whatever the zero point."""
    rank = len(x.shape)
    x = layout.image(ctx.emit, x)
    kernel = kernel_of(ctx)
    w = window(ctx, kernel, x.shape)
    if w.dilation != (1, 1) or ctx.outputs > 1:
        raise Unsupported("dilated pools and pools that give indices are not supported")
    index = ctx.emit.pool("MAX_POOL_2D", x.index, kernel, ctx.name, stride=w.stride, pad=w.padded)
    return [_signal(ctx, index, rank, x.code)]


@moving
def global_max_pool(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """GlobalMaxPool."""
    rank = len(x.shape)
    x = layout.image(ctx.emit, x)
    index = ctx.emit.pool("MAX_POOL_2D", x.index, (x.shape[2], x.shape[3]), ctx.name)
    return [_signal(ctx, index, rank, x.code)]


def _signal(ctx: Context, index: int, rank: int, code: str = "") -> Activation:
    _, h, w, c = ctx.emit.shape(index)
    return layout.signal(ctx.emit, Activation(index, (1, c, h, w), layout.NHWC, code=code), rank)


def average_pool(ctx: Context, inputs: Inputs) -> list[Value]:
    """AveragePool, rounded once, at the output's scale: AVERAGE_POOL_2D where the scale stays, else a
    DEPTHWISE_CONV_2D of ones, one for each number of pixels that the windows hold."""
    given = ctx.activation(inputs[0])
    rank = len(given.shape)
    x = layout.image(ctx.emit, given)
    kernel = kernel_of(ctx)
    w = window(ctx, kernel, x.shape)
    if w.dilation != (1, 1):
        raise Unsupported("dilated pools are not supported")
    counted = bool(ctx.attrs.get("count_include_pad", 0))
    oh, ow = extents(x.shape, kernel, w)
    if kernel == x.shape[2:] and (oh, ow) == (1, 1) and not any(w.padded):
        return [_mean(ctx, x, (1, x.shape[1], 1, 1) if rank == 4 else (1, x.shape[1], 1))]
    uniform = w.more == (0, 0) and (counted or not any(w.pad))
    same = (*same_or_valid("SAME", x.shape[2], kernel[0], w.stride[0], 1)[1:],
            *same_or_valid("SAME", x.shape[3], kernel[1], w.stride[1], 1)[1:])  # fmt: skip

    def make(quant: Quant, activation: str, _: Affine | None) -> Activation:
        if same_quant(ctx.quant(x), quant) and (uniform or (same == w.padded and not counted)):
            source, pad = x.index, w.padded
            if counted and any(pad):  # as ops of their own: SAME counts no border
                source = ctx.emit.pad(source, (0, pad[0], pad[2], 0), (0, pad[1], pad[3], 0), f"{ctx.name}/pad")
                pad = NO_PAD
            index = ctx.emit.pool(
                "AVERAGE_POOL_2D", source, kernel, ctx.name, stride=w.stride, pad=pad, activation=activation
            )
            return _signal(ctx, index, rank)
        if uniform:
            return _signal(
                ctx, _ones(ctx, x.index, kernel, w.stride, w.pad, math.prod(kernel), quant, activation), rank
            )
        rows, columns = (list(_runs(x.shape[2 + i], kernel[i], w, i, counted)) for i in range(2))
        lines = [_line(ctx, x, row, columns, w, quant, activation) for row in rows]
        return _signal(ctx, _joined(ctx, lines, 1, quant), rank)

    shape = (1, x.shape[1], oh, ow) if rank == 4 else (1, x.shape[1], ow)
    return [
        Pending("AveragePool", ctx.name, shape, fusing(ctx.emit, make), fallback=ctx.quant(x), rounds=True)
    ]  # fmt: skip


Run = tuple[int, int, int, int]  # first and last + 1 index of the image, pixels of a window, and by how many it divides


def _runs(extent: int, kernel: int, w: Window, axis: int, counted: bool) -> Iterator[Run]:
    """The windows along an axis, those in a row that hold and divide by as many pixels in one run."""
    begin, stride, end = w.pad[2 * axis], w.stride[axis], w.pad[2 * axis + 1]
    count = (extent + begin + end + w.more[axis] - kernel) // stride + 1
    found: list[Run] = []
    for i in range(count):
        first = i * stride - begin
        low, high = max(0, first), min(extent, first + kernel)
        if high <= low:
            raise Unsupported("one of its windows holds nothing but padding; the file is damaged")
        divisor = min(first + kernel, extent + end) - first if counted else high - low
        if found and found[-1][2:] == (high - low, divisor) and high == found[-1][1] + stride:
            found[-1] = found[-1][0], high, high - low, divisor
        else:
            found.append((low, high, high - low, divisor))
    yield from found


def _line(ctx: Context, x: Activation, row: Run, columns: list[Run], w: Window, quant: Quant, activation: str) -> int:
    """The part of an average pool whose windows hold as many rows."""
    channels, parts = x.shape[1], []
    for column in columns:
        begin, end = (0, row[0], column[0], 0), (1, row[1], column[1], channels)
        part = x.index
        if (begin, end) != ((0, 0, 0, 0), (1, x.shape[2], x.shape[3], channels)):
            part = ctx.emit.strided_slice(part, begin, end, (1, 1, 1, 1), f"{ctx.name}/part")
        divisor = row[3] * column[3]
        parts.append(_ones(ctx, part, (row[2], column[2]), w.stride, NO_PAD, divisor, quant, activation))
    return _joined(ctx, parts, 2, quant)


def _joined(ctx: Context, parts: list[int], axis: int, quant: Quant) -> int:
    if len(parts) == 1:
        return parts[0]
    shape = list(ctx.emit.shape(parts[0]))
    shape[axis] = sum(ctx.emit.shape(p)[axis] for p in parts)
    return ctx.emit.op("CONCATENATION", parts, shape, quant, ctx.name, {"axis": axis, "activation": "NONE"})


def _ones(
    ctx: Context, x: int, kernel: tuple[int, int], stride: tuple[int, int], pad: Pad, divisor: int, quant: Quant,
    activation: str,
) -> int:  # fmt: skip
    """DEPTHWISE_CONV_2D with weights of one: the sum of every window over ``divisor``; padding counts as zero."""
    weight = np.ones((ctx.emit.shape(x)[3], *kernel, 1), np.int8)
    scale = np.full(1, 1 / divisor, np.float32)
    return ctx.emit.conv(
        x, weight, scale, None, quant, ctx.name, stride=stride, pad=pad, depthwise=True, activation=activation
    )


def global_average_pool(ctx: Context, inputs: Inputs) -> list[Value]:
    """GlobalAveragePool."""
    given = ctx.activation(inputs[0])
    x = layout.image(ctx.emit, given)
    return [_mean(ctx, x, (*x.shape[:2], *[1] * (len(given.shape) - 2)))]


def reduce_mean(ctx: Context, inputs: Inputs) -> list[Value]:
    """ReduceMean: over the plane of an image or the length of a signal a pool, else MEAN."""
    given = ctx.activation(inputs[0])
    rank = len(given.shape)
    if rank not in (3, 4) or given.flat is not None or axes_of(ctx, inputs, rank) != list(range(2, rank)):
        return reduce("MEAN")(ctx, inputs)
    x = layout.image(ctx.emit, given)
    keep = bool(ctx.attrs.get("keepdims", 1))
    return [_mean(ctx, x, (*x.shape[:2], *[1] * (rank - 2)) if keep else x.shape[:2])]


def _mean(ctx: Context, x: Activation, shape: tuple[int, ...]) -> Pending:
    """AVERAGE_POOL_2D over the plane where the scale stays, else MEAN, which can change it."""
    channels, kernel = x.shape[1], (x.shape[2], x.shape[3])

    def finish(quant: Quant, clip: Range, affine: Affine | None) -> Activation:
        if same_quant(ctx.quant(x), quant):
            return fusing(ctx.emit, pooled)(quant, clip, affine)
        axes = ctx.emit.integers(f"{ctx.name}/axes", [1, 2])
        index = ctx.emit.op("MEAN", (x.index, axes), (1, 1, 1, channels), quant, ctx.name, {"keep_dims": True})
        return clamp(ctx.emit, flat(index), clip)

    def pooled(quant: Quant, activation: str, _: Affine | None) -> Activation:
        return flat(ctx.emit.pool("AVERAGE_POOL_2D", x.index, kernel, ctx.name, activation=activation))

    def flat(index: int) -> Activation:
        return layout.reshape(ctx.emit, Activation(index, (1, channels, 1, 1), layout.NHWC), shape, f"{ctx.name}/flat")

    return Pending("GlobalAveragePool", ctx.name, shape, finish, fallback=ctx.quant(x), rounds=True)
