# SPDX-License-Identifier: Apache-2.0
"""Shape inference: what the output shapes of an operator must be. ValueError says what is wrong with its inputs."""

from __future__ import annotations

import math

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

Shape = tuple[int, ...]
STEPS = ("stride_h", "stride_w", "dilation_h", "dilation_w", "filter_h", "filter_w")
MAX_STEP = 1 << 16
MAX_REACH = 1 << 20  # positions in C are 32-bit integers
MAX_SUM = 1 << 23  # times 255 is below 2**31


def as_input(graph: Graph, op: Op) -> list[Shape]:
    """Value by value: the input's own shape."""
    return [_shape(graph, op)]


def along_the_last_axis(graph: Graph, op: Op) -> list[Shape]:
    """The input's own shape, which has an axis to work along."""
    if not _shape(graph, op):
        raise ValueError("its input is a single number: it needs values along the last axis")
    return [_shape(graph, op)]


def _shape(graph: Graph, op: Op, position: int = 0) -> Shape:
    return graph.tensors[op.inputs[position]].shape


def _image(graph: Graph, op: Op) -> Shape:
    shape = _shape(graph, op)
    if len(shape) != 4:
        raise ValueError(f"its input has shape {list(shape)}, it needs [batch, height, width, channels]")
    return shape


def windowed(graph: Graph, op: Op) -> list[Shape]:
    """A window that goes over an image."""
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


def transpose_conv(graph: Graph, op: Op) -> list[Shape]:
    """What the constant first input says, where the weights fit it."""
    shape, weights, target = _shape(graph, op, 2), _shape(graph, op, 1), constant_ints(graph, op.inputs[0])
    if not len(shape) == len(weights) == len(target) == 4:
        raise ValueError(f"its input {list(shape)}, weights {list(weights)} and output need 4 dimensions")
    if shape[3] != weights[3] or target[3] != weights[0] or target[0] != shape[0] or min(target) < 1:
        raise ValueError(f"weights {list(weights)} do not take {list(shape)} to {list(target)}")
    if min(integer(op, "stride_h", 1), integer(op, "stride_w", 1)) < 1:
        raise ValueError("its strides must be at least 1")
    return [target]


def fully_connected(graph: Graph, op: Op) -> list[Shape]:
    """Rows of as many values as the weights take, to rows of as many as they give."""
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


def broadcast(graph: Graph, op: Op) -> list[Shape]:
    """Two values, broadcast against each other."""
    a, b = _shape(graph, op), _shape(graph, op, 1)
    try:
        return [tuple(int(n) for n in np.broadcast_shapes(a, b))]
    except ValueError:
        raise ValueError(f"shapes {list(a)} and {list(b)} do not broadcast") from None


def matmul(graph: Graph, op: Op) -> list[Shape]:
    """Matrices in the last two axes, the others broadcast."""
    return [product(graph, op).shape]


def prelu(graph: Graph, op: Op) -> list[Shape]:
    """The input's shape, to which the slopes broadcast."""
    shape = _shape(graph, op)
    if broadcast(graph, op) != [shape]:
        raise ValueError(f"its slopes {list(_shape(graph, op, 1))} do not broadcast to {list(shape)}")
    return [shape]


def reduced(graph: Graph, op: Op) -> list[Shape]:
    """The input without the reduced axes, or with an extent of 1 there."""
    shape, axes = _shape(graph, op), reduced_axes(graph, op)
    if math.prod(shape[a] for a in axes) > MAX_SUM:
        raise ValueError(f"it sums more than {MAX_SUM} values")
    if op.attrs.get("keep_dims"):
        return [tuple(1 if i in axes else n for i, n in enumerate(shape))]
    return [tuple(n for i, n in enumerate(shape) if i not in axes)]


def pad(graph: Graph, op: Op) -> list[Shape]:
    """The input and its borders."""
    shape, amounts = _shape(graph, op), pad_amounts(graph, op)
    if op.kind == "MIRROR_PAD":
        reach = 1 if op.attrs.get("mode", "REFLECT") == "REFLECT" else 0
        if any(max(pair) > n - reach for pair, n in zip(amounts, shape, strict=True)):
            raise ValueError(f"it mirrors more than there is: paddings {amounts} of shape {list(shape)}")
    return [tuple(n + before + after for n, (before, after) in zip(shape, amounts, strict=True))]


def reshape(graph: Graph, op: Op) -> list[Shape]:
    """As the output says; the number of elements is the input's."""
    # the output's shape is resolved by the exporter (-1 and all); the number of elements decides
    shape, output = _shape(graph, op), graph.tensors[op.outputs[0]].shape
    if math.prod(shape) != math.prod(output):
        raise ValueError(f"it cannot turn {list(shape)} into {list(output)}: the numbers of elements differ")
    return [output]


def transpose(graph: Graph, op: Op) -> list[Shape]:
    """The axes in another order."""
    shape = _shape(graph, op)
    return [tuple(shape[i] for i in permutation(graph, op))]


def concatenation(graph: Graph, op: Op) -> list[Shape]:
    """Parts that differ along one axis, joined there."""
    shapes = [_shape(graph, op, i) for i in range(len(op.inputs))]
    axis = resolve_axis(integer(op, "axis", 0), len(shapes[0]))
    if any(
        len(s) != len(shapes[0]) or s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes
    ):
        raise ValueError(f"shapes {[list(s) for s in shapes]} differ outside axis {axis}")
    return [(*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])]


def split(graph: Graph, op: Op) -> list[Shape]:
    """Parts along one axis, equal or of given sizes."""
    shape = _shape(graph, op, 1 if op.kind == "SPLIT" else 0)
    axis, sizes = split_sizes(graph, op)
    if op.kind == "UNPACK":
        return [(*shape[:axis], *shape[axis + 1 :])] * len(sizes)
    return [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]


def pack(graph: Graph, op: Op) -> list[Shape]:
    """Values of one shape along a new axis."""
    shapes = [_shape(graph, op, i) for i in range(len(op.inputs))]
    if len(set(shapes)) != 1:
        raise ValueError(f"shapes {[list(s) for s in shapes]} differ")
    axis = resolve_axis(integer(op, "axis", 0), len(shapes[0]) + 1)
    return [(*shapes[0][:axis], len(shapes), *shapes[0][axis:])]


def gather(graph: Graph, op: Op) -> list[Shape]:
    """Chosen places of one axis."""
    shape = _shape(graph, op)
    axis, _, where = gathered(graph, op)
    return [(*shape[:axis], *where, *shape[axis + 1 :])]


def space_to_depth(graph: Graph, op: Op) -> list[Shape]:
    """Blocks of the plane go into the channels."""
    block = block_size(graph, op)
    n, h, w, c = _shape(graph, op)
    return [(n, h // block, w // block, c * block * block)]


def depth_to_space(graph: Graph, op: Op) -> list[Shape]:
    """Blocks of channels go into the plane."""
    block = block_size(graph, op)
    n, h, w, c = _shape(graph, op)
    return [(n, h * block, w * block, c // (block * block))]


def tile(graph: Graph, op: Op) -> list[Shape]:
    """Every axis repeated."""
    shape, times = _shape(graph, op), constant_ints(graph, op.inputs[1])
    if len(times) != len(shape) or min(times, default=1) < 1:
        raise ValueError(f"its multiples {list(times)} do not fit {len(shape)} dimensions")
    return [tuple(n * t for n, t in zip(shape, times, strict=True))]


def reverse(graph: Graph, op: Op) -> list[Shape]:
    """The input's shape; the named axes exist."""
    reduced_axes(graph, op)
    return [_shape(graph, op)]


def broadcast_to(graph: Graph, op: Op) -> list[Shape]:
    """The constant target, to which the input broadcasts."""
    shape, target = _shape(graph, op), constant_ints(graph, op.inputs[1])
    if np.broadcast_shapes(shape, target) != target:
        raise ValueError(f"{list(shape)} does not broadcast to {list(target)}")
    return [target]


def sliced(graph: Graph, op: Op) -> list[Shape]:
    """A part of the input, by steps."""
    return [slices(graph, op).shape]


def resize(graph: Graph, op: Op) -> list[Shape]:
    """An image of the constant size."""
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
