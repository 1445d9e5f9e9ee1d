# SPDX-License-Identifier: Apache-2.0
"""Shapes of windows: padding, stride and dilation as TFLite defines them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.integers import ceil_div


@dataclass(frozen=True)
class Window:
    """The C struct ``intrs_window``, and the padding after the last row and column (which kernels do not need)."""

    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    filter_h: int
    filter_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    pad_bottom: int
    pad_right: int


def same_or_valid(padding: str, extent: int, filter_extent: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """(output extent, padding before, padding after) of one axis for TFLite's SAME or VALID."""
    effective = (filter_extent - 1) * dilation + 1
    if padding == "SAME":
        out = ceil_div(extent, stride)
        total = max(0, (out - 1) * stride + effective - extent)
        return out, total // 2, total - total // 2
    return max(0, (extent - effective + stride) // stride), 0, 0


def explicit(extent: int, filter_extent: int, stride: int, dilation: int, before: int, after: int) -> int:
    """Output extent of one axis with given padding."""
    effective = (filter_extent - 1) * dilation + 1
    return max(0, (extent + before + after - effective + stride) // stride)


def integer(op: Op, key: str, default: int) -> int:
    """An integer attribute."""
    return int(cast(int, op.attrs.get(key, default)))


def data_position(op: Op) -> int:
    """Which input is the value that an operator with one variable input works on."""
    return {"SPLIT": 1, "TRANSPOSE_CONV": 2}.get(op.kind, 0)


def bias_position(op: Op) -> int | None:
    """Which input is the bias; None for operators that have none."""
    return {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}.get(op.kind)


def transposed_window(graph: Graph, op: Op) -> Window:
    """The window of a TRANSPOSE_CONV: that of the convolution whose input and output extents are its output's and
    input's, but for how many windows there are. Input position i meets output positions ``i * stride - pad + tap``.
    """
    _, in_h, in_w, in_c = graph.tensors[op.inputs[2]].shape
    _, out_h, out_w, _ = graph.tensors[op.outputs[0]].shape
    out_c, filter_h, filter_w, _ = graph.tensors[op.inputs[1]].shape
    stride_h, stride_w = integer(op, "stride_h", 1), integer(op, "stride_w", 1)
    padding = str(op.attrs.get("padding", "VALID"))
    _, top, bottom = same_or_valid(padding, out_h, filter_h, stride_h, 1)
    _, left, right = same_or_valid(padding, out_w, filter_w, stride_w, 1)
    return Window(
        in_h, in_w, in_c, out_h, out_w, out_c, filter_h, filter_w, stride_h, stride_w, 1, 1, top, left, bottom, right
    )


def window(graph: Graph, op: Op) -> Window:
    """The window of a CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D or MAX_POOL_2D."""
    _, in_h, in_w, in_c = graph.tensors[op.inputs[0]].shape
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        weights = graph.tensors[op.inputs[1]].shape
        filter_h, filter_w = weights[1], weights[2]
        out_c = weights[0] if op.kind == "CONV_2D" else weights[3]
    else:
        filter_h, filter_w, out_c = integer(op, "filter_h", 1), integer(op, "filter_w", 1), in_c
    stride_h, stride_w = integer(op, "stride_h", 1), integer(op, "stride_w", 1)
    dilation_h, dilation_w = integer(op, "dilation_h", 1), integer(op, "dilation_w", 1)
    padding = str(op.attrs.get("padding", "VALID"))
    if padding == "EXPLICIT":
        top, bottom, left, right = cast("tuple[int, int, int, int]", op.attrs["pad"])
        out_h = explicit(in_h, filter_h, stride_h, dilation_h, top, bottom)
        out_w = explicit(in_w, filter_w, stride_w, dilation_w, left, right)
    else:
        out_h, top, bottom = same_or_valid(padding, in_h, filter_h, stride_h, dilation_h)
        out_w, left, right = same_or_valid(padding, in_w, filter_w, stride_w, dilation_w)
    return Window(
        in_h, in_w, in_c, out_h, out_w, out_c, filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w,
        top, left, bottom, right,
    )  # fmt: skip


### constants that describe a shape ###


def constant_ints(graph: Graph, index: int) -> tuple[int, ...]:
    """The values of a constant integer tensor, flattened; ValueError when it is not one."""
    data = graph.tensors[index].data if index >= 0 else None
    if data is None or data.dtype.kind not in "iu":
        raise ValueError("its shape arguments are not integer constants: export with fixed shapes")
    return tuple(int(v) for v in data.reshape(-1))


def resolve_axis(axis: int, rank: int) -> int:
    """A possibly negative axis as 0..rank-1; ValueError outside."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is outside a tensor of {rank} dimensions")
    return axis % rank


def pad_amounts(graph: Graph, op: Op) -> tuple[tuple[int, int], ...]:
    """(before, after) of every dimension of a PAD, PADV2 or MIRROR_PAD."""
    values = constant_ints(graph, op.inputs[1])
    rank = len(graph.tensors[op.inputs[0]].shape)
    if len(values) != 2 * rank or min(values, default=0) < 0:
        raise ValueError(f"its paddings {values} do not fit {rank} dimensions: give two non-negative numbers for each")
    return tuple(zip(values[::2], values[1::2], strict=True))


def reduced_axes(graph: Graph, op: Op) -> tuple[int, ...]:
    """The axes of a MEAN, SUM, REDUCE_MAX, REDUCE_MIN or REVERSE_V2, ascending, without repeats."""
    rank = len(graph.tensors[op.inputs[0]].shape)
    return tuple(sorted({resolve_axis(a, rank) for a in constant_ints(graph, op.inputs[1])}))


def permutation(graph: Graph, op: Op) -> tuple[int, ...]:
    """The permutation of a TRANSPOSE: output axis i is input axis ``permutation[i]``."""
    rank = len(graph.tensors[op.inputs[0]].shape)
    axes = tuple(resolve_axis(a, rank) for a in constant_ints(graph, op.inputs[1]))
    if sorted(axes) != list(range(rank)):
        raise ValueError(f"its permutation {axes} is not one of {rank} axes")
    return axes


@dataclass(frozen=True)
class AxisRange:
    """What a slice reads along one axis: ``count`` elements from ``start`` in steps of ``step`` (negative:
    backwards)."""

    start: int
    step: int
    count: int


@dataclass(frozen=True)
class Slices:
    """What a SLICE or STRIDED_SLICE takes: a range for every input axis, and the output's shape."""

    ranges: tuple[AxisRange, ...]
    shape: tuple[int, ...]


def slices(graph: Graph, op: Op) -> Slices:
    """The ranges of a SLICE or STRIDED_SLICE; ValueError where one is empty or leaves its axis."""
    shape = graph.tensors[op.inputs[0]].shape
    begin, end = constant_ints(graph, op.inputs[1]), constant_ints(graph, op.inputs[2])
    if op.kind == "STRIDED_SLICE":
        return _strided(op, shape, begin, end, constant_ints(graph, op.inputs[3]))
    if len(begin) != len(shape) or len(end) != len(shape):
        raise ValueError(f"its begin and size have {len(begin)} and {len(end)} values for {len(shape)} dimensions")
    sizes = tuple(extent - b if size == -1 else size for b, size, extent in zip(begin, end, shape, strict=True))
    for b, size, extent in zip(begin, sizes, shape, strict=True):
        if b < 0 or size < 1 or b + size > extent:
            raise ValueError(f"its range {b}..{b + size} leaves an extent of {extent}")
    return Slices(tuple(AxisRange(b, 1, size) for b, size in zip(begin, sizes, strict=True)), sizes)


def _strided(
    op: Op, shape: tuple[int, ...], begin: tuple[int, ...], end: tuple[int, ...], steps: tuple[int, ...]
) -> Slices:
    """Entry by entry: an ellipsis stands for as many whole axes as the others leave, and beats a new axis."""
    count, rank = len(begin), len(shape)

    def bit(name: str, entry: int) -> bool:
        return bool(integer(op, f"{name}_mask", 0) >> entry & 1)

    ellipses = [e for e in range(count) if bit("ellipsis", e)]
    added = sum(bit("new_axis", e) and not bit("ellipsis", e) for e in range(count))
    if not count == len(end) == len(steps) or count - len(ellipses) - added > rank or 0 in steps:
        raise ValueError(f"its begin, end and strides {begin}, {end}, {steps} do not fit {rank} dimensions")
    if len(ellipses) > 1:
        raise ValueError("it has more than one ellipsis: leave all but one out")
    if ellipses and rank == count - 1 - added:
        raise ValueError("its ellipsis stands for no axis: leave it out")
    if op.attrs.get("offset"):
        end = tuple(b + e for b, e in zip(begin, end, strict=True))
    ranges: list[AxisRange] = []
    out: list[int] = []

    def whole(axes: int) -> None:
        for extent in shape[len(ranges) : len(ranges) + axes]:
            ranges.append(AxisRange(0, 1, extent))
            out.append(extent)

    for e in range(count):
        if e in ellipses:
            whole(rank - (count - 1 - added))
        elif bit("new_axis", e):
            out.append(1)
        else:
            extent, step = shape[len(ranges)], steps[e]
            first, last = (None if bit(name, e) else v[e] for name, v in (("begin", begin), ("end", end)))
            if bit("shrink_axis", e):
                start = resolve_axis(first, extent) if first is not None else 0 if step > 0 else extent - 1
                ranges.append(AxisRange(start, 1, 1))
                continue
            positions = range(*slice(first, last, step).indices(extent))
            if not positions:
                raise ValueError("its slice is empty")
            ranges.append(AxisRange(positions.start, step, len(positions)))
            out.append(len(positions))
    whole(rank - len(ranges))
    return Slices(tuple(ranges), tuple(out))


def split_sizes(graph: Graph, op: Op) -> tuple[int, tuple[int, ...]]:
    """(axis, extents) of the parts of a SPLIT, SPLIT_V or UNPACK."""
    parts = len(op.outputs)
    shape = graph.tensors[op.inputs[data_position(op)]].shape
    if op.kind == "UNPACK":
        axis = resolve_axis(integer(op, "axis", 0), len(shape))
    else:
        axis = resolve_axis(constant_ints(graph, op.inputs[0 if op.kind == "SPLIT" else 2])[0], len(shape))
    extent = shape[axis]
    sizes = constant_ints(graph, op.inputs[1]) if op.kind == "SPLIT_V" else (extent // parts,) * parts
    if sizes.count(-1) == 1:
        sizes = tuple(extent - sum(sizes) - 1 if n == -1 else n for n in sizes)
    if len(sizes) != parts or min(sizes) < 1 or sum(sizes) != extent or (op.kind == "UNPACK" and sizes[0] != 1):
        raise ValueError(f"an extent of {extent} does not split into {parts} parts of {list(sizes)}")
    return axis, sizes


def gathered(graph: Graph, op: Op) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(axis, indices, their shape) of a GATHER by constants."""
    shape, where = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
    axis = resolve_axis(integer(op, "axis", 0), len(shape))
    batch = integer(op, "batch_dims", 0)
    if not 0 <= batch <= min(axis, len(where)) or math.prod(shape[:batch]) != 1:
        raise ValueError(f"its {batch} batch dimensions of {list(shape)} are not all 1: gather without them")
    indices = constant_ints(graph, op.inputs[1])
    if min(indices, default=0) < 0 or max(indices, default=0) >= shape[axis]:
        raise ValueError(f"its indices leave an extent of {shape[axis]}")
    return axis, indices, where[batch:]


def block_size(graph: Graph, op: Op) -> int:
    """The block of a SPACE_TO_DEPTH or DEPTH_TO_SPACE, which divides what it is taken from."""
    shape, block = graph.tensors[op.inputs[0]].shape, integer(op, "block_size", 0)
    if len(shape) != 4:
        raise ValueError(f"its input has shape {list(shape)}, it needs [batch, height, width, channels]")
    divided = shape[1:3] if op.kind == "SPACE_TO_DEPTH" else (shape[3],)
    by = block if op.kind == "SPACE_TO_DEPTH" else block * block
    if block < 1 or any(n % by for n in divided):
        raise ValueError(f"its block of {block} does not divide {list(shape)}")
    return block


def nearest_neighbours(graph: Graph, op: Op) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The input row of every output row, and the input column of every output column, of a RESIZE_NEAREST_NEIGHBOR.

    Positions are computed in float32, as TFLite does.
    """
    _, in_h, in_w, _ = graph.tensors[op.inputs[0]].shape
    out_h, out_w = constant_ints(graph, op.inputs[1])
    align, half = bool(op.attrs.get("align_corners")), bool(op.attrs.get("half_pixel_centers"))
    return nearest_sources(in_h, out_h, align, half), nearest_sources(in_w, out_w, align, half)


def nearest_sources(extent: int, out: int, align: bool, half: bool) -> tuple[int, ...]:
    """The input index of every output index along one axis, with align_corners or half_pixel_centers."""
    corners = int(align and out > 1)
    scale = np.float32(extent - corners) / np.float32(out - corners)
    position = (np.arange(out, dtype=np.float32) + np.float32(0.5 if half else 0.0)) * scale
    # double: the sum with a half is exact; positions are not negative, so ties away from zero go up
    index = np.floor(position.astype(np.float64) + (0.5 if align else 0.0)).astype(np.int64)
    return tuple(int(i) for i in np.clip(index, 0, extent - 1))


@dataclass(frozen=True)
class Interpolation:
    """One axis of a RESIZE_BILINEAR: every output position mixes two of the input, the second by ``weight`` 1024ths."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    weight: tuple[int, ...]


def interpolation(graph: Graph, op: Op) -> tuple[Interpolation, Interpolation]:
    """Rows and columns of a RESIZE_BILINEAR, in 1024ths of an input position. Weights outside 0..1024 extrapolate."""
    _, *extents, _ = graph.tensors[op.inputs[0]].shape
    align, half = bool(op.attrs.get("align_corners")), bool(op.attrs.get("half_pixel_centers"))

    def axis(extent: int, out: int) -> Interpolation:
        whole, parts = (extent - 1, out - 1) if align and out > 1 else (extent, out)
        step = (1024 * whole + parts // 2) // parts
        at = [i * step + (step // 2 - 512 if half else 0) for i in range(out)]
        first = tuple(max(a // 1024 if a >= 0 else ceil_div(a, 1024), 0) for a in at)
        second = tuple(min((a + 1023) // 1024 if a > -1024 else ceil_div(a + 1023, 1024), extent - 1) for a in at)
        if max(first) >= extent or min(second) < 0:
            raise ValueError(f"it takes an extent of {extent} to {out}: the steps between are too fine, resize less")
        return Interpolation(first, second, tuple(a - 1024 * f for a, f in zip(at, first, strict=True)))

    rows, columns = (axis(n, out) for n, out in zip(extents, constant_ints(graph, op.inputs[1]), strict=True))
    return rows, columns


@dataclass(frozen=True)
class Product:
    """A BATCH_MATMUL as sums over ``depth`` of ``a[batch, row, depth] * b[batch, depth, column]``, whichever way the
    operands lie: extents and strides in elements. ``batch``: (extent, stride in a, stride in b) of every batch axis.
    """

    batch: tuple[tuple[int, int, int], ...]
    rows: int
    columns: int
    depth: int
    a_row: int
    a_depth: int
    b_depth: int
    b_column: int
    shape: tuple[int, ...]


def product(graph: Graph, op: Op) -> Product:
    """The sums of a BATCH_MATMUL; ValueError where its operands do not fit."""
    a, b = (graph.tensors[i].shape for i in op.inputs[:2])
    if min(len(a), len(b)) < 2:
        raise ValueError(f"its operands {list(a)} and {list(b)} need two dimensions or more")
    (rows, depth), (a_row, a_depth) = a[-2:], (a[-1], 1)
    (b_rows, columns), (b_depth, b_column) = b[-2:], (b[-1], 1)
    if op.attrs.get("adj_x"):
        rows, depth, a_row, a_depth = depth, rows, a_depth, a_row
    if op.attrs.get("adj_y"):
        b_rows, columns, b_depth, b_column = columns, b_rows, b_column, b_depth
    if depth != b_rows:
        raise ValueError(f"its operands {list(a)} and {list(b)} do not multiply")
    try:
        outer = tuple(int(n) for n in np.broadcast_shapes(a[:-2], b[:-2]))
    except ValueError:
        raise ValueError(f"the batches of {list(a)} and {list(b)} do not broadcast") from None
    if op.attrs.get("adj_x") and math.prod(b[:-2]) < math.prod(outer):
        raise ValueError(
            "it transposes its first operand and repeats its second, which TensorFlow Lite computes wrongly:"
            " transpose the operand before it"
        )
    strides = []
    for shape in (a, b):
        extents = (1,) * (len(outer) - len(shape) + 2) + shape[:-2]
        steps = [math.prod(extents[i + 1 :]) * math.prod(shape[-2:]) for i in range(len(outer))]
        strides.append([0 if n == 1 else step for n, step in zip(extents, steps, strict=True)])
    batch = tuple(zip(outer, *strides, strict=True))
    return Product(batch, rows, columns, depth, a_row, a_depth, b_depth, b_column, (*outer, rows, columns))
