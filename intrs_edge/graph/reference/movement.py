# SPDX-License-Identifier: Apache-2.0
"""Operators that move values without changing them: shapes, pads, slices, concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.geometry import (
    block_size,
    constant_ints,
    gathered,
    integer,
    nearest_neighbours,
    pad_amounts,
    permutation,
    reduced_axes,
    resolve_axis,
    slices,
    split_sizes,
)
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import per_tensor
from intrs_edge.graph.reference.common import Array, kernel


@kernel("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The same values under the output's shape."""
    return [args[0].reshape(len(args[0]), *graph.tensors[op.outputs[0]].shape)]


@kernel("PAD", "PADV2")
def pad(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """With the output's zero point (a real zero), or PADV2's constant as it is."""
    output = graph.tensors[op.outputs[0]]
    value = int(args[2].reshape(-1)[0]) if op.kind == "PADV2" else per_tensor(output)[1]
    return [np.pad(args[0], [(0, 0), *pad_amounts(graph, op)], constant_values=value)]


@kernel("MIRROR_PAD")
def mirror_pad(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """REFLECT leaves the edge out, SYMMETRIC repeats it."""
    amounts = [(0, 0), *pad_amounts(graph, op)]
    if op.attrs.get("mode", "REFLECT") == "REFLECT":
        return [np.pad(args[0], amounts, mode="reflect")]
    return [np.pad(args[0], amounts, mode="symmetric")]


@kernel("TRANSPOSE")
def transpose(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Output axis i is input axis permutation[i]."""
    return [np.ascontiguousarray(args[0].transpose(0, *(1 + axis for axis in permutation(graph, op))))]


@kernel("CONCATENATION")
def concatenation(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Along one axis; all parts share the output's quantisation."""
    axis = resolve_axis(integer(op, "axis", 0), args[0].ndim - 1)
    runs = max(len(x) for x in args)
    return [np.concatenate([np.broadcast_to(x, (runs, *x.shape[1:])) for x in args], axis=1 + axis)]


@kernel("SPLIT", "SPLIT_V", "UNPACK")
def split(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Into as many parts as there are outputs; UNPACK leaves the axis out."""
    axis, sizes = split_sizes(graph, op)
    x = args[1 if op.kind == "SPLIT" else 0]
    parts = np.split(x, np.cumsum(sizes)[:-1], axis=1 + axis)
    shapes = [graph.tensors[i].shape for i in op.outputs]
    return [np.ascontiguousarray(p).reshape(len(x), *shape) for p, shape in zip(parts, shapes, strict=True)]


@kernel("PACK")
def pack(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Parts of one shape along a new axis."""
    axis = resolve_axis(integer(op, "axis", 0), args[0].ndim)
    runs = max(len(x) for x in args)
    return [np.stack([np.broadcast_to(x, (runs, *x.shape[1:])) for x in args], axis=1 + axis)]


@kernel("GATHER")
def gather(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Constant indices along one axis."""
    axis, indices, _ = gathered(graph, op)
    return [args[0].take(indices, axis=1 + axis).reshape(len(args[0]), *graph.tensors[op.outputs[0]].shape)]


@kernel("SPACE_TO_DEPTH")
def space_to_depth(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The rows of a block, then its columns, become groups of channels."""
    k, n, h, w, c = args[0].shape
    b = block_size(graph, op)
    blocks = args[0].reshape(k, n, h // b, b, w // b, b, c).transpose(0, 1, 2, 4, 3, 5, 6)
    return [blocks.reshape(k, n, h // b, w // b, b * b * c)]


@kernel("DEPTH_TO_SPACE")
def depth_to_space(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """SPACE_TO_DEPTH backwards."""
    k, n, h, w, c = args[0].shape
    b = block_size(graph, op)
    blocks = args[0].reshape(k, n, h, w, b, b, c // (b * b)).transpose(0, 1, 2, 4, 3, 5, 6)
    return [blocks.reshape(k, n, h * b, w * b, c // (b * b))]


@kernel("TILE")
def tile(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Whole copies along every axis."""
    return [np.tile(args[0], (1, *constant_ints(graph, op.inputs[1])))]


@kernel("REVERSE_V2")
def reverse(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Backwards along some axes."""
    return [np.ascontiguousarray(np.flip(args[0], [1 + a for a in reduced_axes(graph, op)]))]


@kernel("BROADCAST_TO")
def broadcast_to(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Repeated along axes of extent 1, and along new ones in front."""
    shape = graph.tensors[op.outputs[0]].shape
    x = args[0].reshape(len(args[0]), *(1,) * (len(shape) - args[0].ndim + 1), *args[0].shape[1:])
    return [np.ascontiguousarray(np.broadcast_to(x, (len(x), *shape)))]


@kernel("SLICE", "STRIDED_SLICE")
def slice_(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """A range of every axis."""
    y = args[0]
    for axis, r in enumerate(slices(graph, op).ranges):
        y = np.take(y, r.start + r.step * np.arange(r.count), axis=1 + axis)
    return [y.reshape(len(y), *graph.tensors[op.outputs[0]].shape)]


@kernel("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest_neighbor(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Every output pixel copies one input pixel."""
    rows, columns = nearest_neighbours(graph, op)
    return [args[0][:, :, np.array(rows)][:, :, :, np.array(columns)]]
