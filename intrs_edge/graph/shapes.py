"""Shape inference: what the output shapes of an operator must be. ValueError says what is wrong with its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from intrs_edge.graph.geometry import (
    block_size,
    constant_ints,
    gathered,
    integer,
    interpolation,
    pad_amounts,
    permutation,
    product,
    reduced_axes,
    resolve_axis,
    slices,
    split_sizes,
    window,
)
from intrs_edge.graph.ir import MAX_ELEMENTS, Graph, Op
from intrs_edge.graph.lut import TABLES

Shape = tuple[int, ...]
STEPS = ("stride_h", "stride_w", "dilation_h", "dilation_w", "filter_h", "filter_w")
MAX_STEP = 1 << 16
MAX_REACH = 1 << 20  # positions in C are 32-bit integers
MAX_SUM = 1 << 23  # times 255 is below 2**31
SAME_SHAPE = (*TABLES, "SOFTMAX", "L2_NORMALIZATION")


def output_shapes(graph: Graph, op: Op) -> list[Shape]:
    """The shapes of every output of a supported operator."""
    if op.kind in SAME_SHAPE:
        shape = graph.tensors[op.inputs[0]].shape
        if op.kind not in TABLES and not shape:
            raise ValueError("its input is a single number: it needs values along the last axis")
        return [shape]
    return SHAPES[op.kind](graph, op)


def _shape(graph: Graph, op: Op, position: int = 0) -> Shape:
    return graph.tensors[op.inputs[position]].shape


def _image(graph: Graph, op: Op) -> Shape:
    shape = _shape(graph, op)
    if len(shape) != 4:
        raise ValueError(f"its input has shape {list(shape)}, it needs [batch, height, width, channels]")
    return shape


def _windowed(graph: Graph, op: Op) -> list[Shape]:
    shape = _image(graph, op)
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        weights = _shape(graph, op, 1)
        if len(weights) != 4:
            raise ValueError(f"its weights have shape {list(weights)}, they need 4 dimensions")
        if op.kind == "CONV_2D" and (shape[3] % weights[3] or weights[0] % (shape[3] // weights[3])):
            raise ValueError(f"weights {list(weights)} do not divide {shape[3]} input channels into equal groups")
        multiplier = integer(op, "depth_multiplier", 0)
        if op.kind == "DEPTHWISE_CONV_2D" and (
            weights[0] != 1 or weights[3] % shape[3] or multiplier not in (0, weights[3] // shape[3])
        ):
            raise ValueError(f"weights {list(weights)} do not fit {shape[3]} input channels x multiplier {multiplier}")
    steps = [integer(op, key, 1) for key in STEPS]
    if not 1 <= min(steps) <= max(steps) <= MAX_STEP:
        raise ValueError(f"its filter, strides and dilations must be within 1..{MAX_STEP}")
    w = window(graph, op)
    if max((w.filter_h - 1) * w.dilation_h, (w.filter_w - 1) * w.dilation_w) >= MAX_REACH:
        raise ValueError(f"its dilated filter reaches over more than {MAX_REACH} rows or columns")
    if op.kind == "AVERAGE_POOL_2D" and min(w.filter_h, w.in_h) * min(w.filter_w, w.in_w) > MAX_SUM:
        raise ValueError(f"it sums more than {MAX_SUM} values")
    if min(w.out_h, w.out_w) < 1:
        raise ValueError(f"its filter {w.filter_h}x{w.filter_w} is larger than its input {w.in_h}x{w.in_w}")
    return [(shape[0], w.out_h, w.out_w, w.out_c)]


def _transpose_conv(graph: Graph, op: Op) -> list[Shape]:
    shape, weights, target = _shape(graph, op, 2), _shape(graph, op, 1), constant_ints(graph, op.inputs[0])
    if not len(shape) == len(weights) == len(target) == 4:
        raise ValueError(f"its input {list(shape)}, weights {list(weights)} and output need 4 dimensions")
    if shape[3] != weights[3] or target[3] != weights[0] or target[0] != shape[0] or min(target) < 1:
        raise ValueError(f"weights {list(weights)} do not take {list(shape)} to {list(target)}")
    if min(integer(op, "stride_h", 1), integer(op, "stride_w", 1)) < 1:
        raise ValueError("its strides must be at least 1")
    return [target]


def _fully_connected(graph: Graph, op: Op) -> list[Shape]:
    shape, weights = _shape(graph, op), _shape(graph, op, 1)
    if len(weights) != 2:
        raise ValueError(f"its weights have shape {list(weights)}, they need [out, in]")
    elements = math.prod(shape)
    if elements % weights[1]:
        raise ValueError(f"its {elements} input values are no multiple of {weights[1]}")
    if op.attrs.get("keep_num_dims"):
        if not shape or shape[-1] != weights[1]:
            raise ValueError(f"it keeps the dimensions of {list(shape)}, whose last one is not {weights[1]}")
        return [(*shape[:-1], weights[0])]
    return [(elements // weights[1], weights[0])]


def _broadcast(graph: Graph, op: Op) -> list[Shape]:
    a, b = _shape(graph, op), _shape(graph, op, 1)
    try:
        return [tuple(int(n) for n in np.broadcast_shapes(a, b))]
    except ValueError:
        raise ValueError(f"shapes {list(a)} and {list(b)} do not broadcast") from None


def _matmul(graph: Graph, op: Op) -> list[Shape]:
    return [product(graph, op).shape]


def _prelu(graph: Graph, op: Op) -> list[Shape]:
    shape = _shape(graph, op)
    if _broadcast(graph, op) != [shape]:
        raise ValueError(f"its slopes {list(_shape(graph, op, 1))} do not broadcast to {list(shape)}")
    return [shape]


def _reduced(graph: Graph, op: Op) -> list[Shape]:
    shape, axes = _shape(graph, op), reduced_axes(graph, op)
    if math.prod(shape[a] for a in axes) > MAX_SUM:
        raise ValueError(f"it sums more than {MAX_SUM} values")
    if op.attrs.get("keep_dims"):
        return [tuple(1 if i in axes else n for i, n in enumerate(shape))]
    return [tuple(n for i, n in enumerate(shape) if i not in axes)]


def _pad(graph: Graph, op: Op) -> list[Shape]:
    shape, amounts = _shape(graph, op), pad_amounts(graph, op)
    if op.kind == "MIRROR_PAD":
        reach = 1 if op.attrs.get("mode", "REFLECT") == "REFLECT" else 0
        if any(max(pair) > n - reach for pair, n in zip(amounts, shape, strict=True)):
            raise ValueError(f"it mirrors more than there is: paddings {amounts} of shape {list(shape)}")
    return [tuple(n + before + after for n, (before, after) in zip(shape, amounts, strict=True))]


def _reshape(graph: Graph, op: Op) -> list[Shape]:
    # the output's shape is resolved by the exporter (-1 and all); the number of elements decides
    shape, output = _shape(graph, op), graph.tensors[op.outputs[0]].shape
    if math.prod(shape) != math.prod(output):
        raise ValueError(f"it cannot turn {list(shape)} into {list(output)}: the numbers of elements differ")
    return [output]


def _transpose(graph: Graph, op: Op) -> list[Shape]:
    shape = _shape(graph, op)
    return [tuple(shape[i] for i in permutation(graph, op))]


def _concatenation(graph: Graph, op: Op) -> list[Shape]:
    shapes = [_shape(graph, op, i) for i in range(len(op.inputs))]
    axis = resolve_axis(integer(op, "axis", 0), len(shapes[0]))
    if any(
        len(s) != len(shapes[0]) or s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes
    ):
        raise ValueError(f"shapes {[list(s) for s in shapes]} differ outside axis {axis}")
    return [(*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])]


def _split(graph: Graph, op: Op) -> list[Shape]:
    shape = _shape(graph, op, 1 if op.kind == "SPLIT" else 0)
    axis, sizes = split_sizes(graph, op)
    if op.kind == "UNPACK":
        return [(*shape[:axis], *shape[axis + 1 :])] * len(sizes)
    return [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]


def _pack(graph: Graph, op: Op) -> list[Shape]:
    shapes = [_shape(graph, op, i) for i in range(len(op.inputs))]
    if len(set(shapes)) != 1:
        raise ValueError(f"shapes {[list(s) for s in shapes]} differ")
    axis = resolve_axis(integer(op, "axis", 0), len(shapes[0]) + 1)
    return [(*shapes[0][:axis], len(shapes), *shapes[0][axis:])]


def _gather(graph: Graph, op: Op) -> list[Shape]:
    shape = _shape(graph, op)
    axis, _, where = gathered(graph, op)
    return [(*shape[:axis], *where, *shape[axis + 1 :])]


def _space_to_depth(graph: Graph, op: Op) -> list[Shape]:
    block = block_size(graph, op)
    n, h, w, c = _shape(graph, op)
    return [(n, h // block, w // block, c * block * block)]


def _depth_to_space(graph: Graph, op: Op) -> list[Shape]:
    block = block_size(graph, op)
    n, h, w, c = _shape(graph, op)
    return [(n, h * block, w * block, c // (block * block))]


def _tile(graph: Graph, op: Op) -> list[Shape]:
    shape, times = _shape(graph, op), constant_ints(graph, op.inputs[1])
    if len(times) != len(shape) or min(times, default=1) < 1:
        raise ValueError(f"its multiples {list(times)} do not fit {len(shape)} dimensions")
    return [tuple(n * t for n, t in zip(shape, times, strict=True))]


def _reverse(graph: Graph, op: Op) -> list[Shape]:
    reduced_axes(graph, op)
    return [_shape(graph, op)]


def _broadcast_to(graph: Graph, op: Op) -> list[Shape]:
    shape, target = _shape(graph, op), constant_ints(graph, op.inputs[1])
    if np.broadcast_shapes(shape, target) != target:
        raise ValueError(f"{list(shape)} does not broadcast to {list(target)}")
    return [target]


def _slice(graph: Graph, op: Op) -> list[Shape]:
    return [slices(graph, op).shape]


def _resize(graph: Graph, op: Op) -> list[Shape]:
    shape, size = _image(graph, op), constant_ints(graph, op.inputs[1])
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"its size {size} must be a height and a width of at least 1")
    if math.prod((shape[0], *size, shape[3])) > MAX_ELEMENTS:
        raise ValueError(f"its size {size} gives more than {MAX_ELEMENTS} values")
    if op.kind == "RESIZE_BILINEAR":
        if op.attrs.get("align_corners") and op.attrs.get("half_pixel_centers"):
            raise ValueError("it has both aligned corners and half-pixel centres: choose one")
        interpolation(graph, op)
    return [(shape[0], *size, shape[3])]


SHAPES: dict[str, Callable[[Graph, Op], list[Shape]]] = {
    "CONV_2D": _windowed,
    "DEPTHWISE_CONV_2D": _windowed,
    "AVERAGE_POOL_2D": _windowed,
    "MAX_POOL_2D": _windowed,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
    "BATCH_MATMUL": _matmul,
    "ADD": _broadcast,
    "SUB": _broadcast,
    "MUL": _broadcast,
    "SQUARED_DIFFERENCE": _broadcast,
    "MAXIMUM": _broadcast,
    "MINIMUM": _broadcast,
    "PRELU": _prelu,
    "MEAN": _reduced,
    "SUM": _reduced,
    "REDUCE_MAX": _reduced,
    "REDUCE_MIN": _reduced,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _pad,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "UNPACK": _split,
    "PACK": _pack,
    "GATHER": _gather,
    "SPACE_TO_DEPTH": _space_to_depth,
    "DEPTH_TO_SPACE": _depth_to_space,
    "TILE": _tile,
    "REVERSE_V2": _reverse,
    "BROADCAST_TO": _broadcast_to,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "RESIZE_BILINEAR": _resize,
}
