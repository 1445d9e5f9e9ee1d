"""Operators that move values without changing them: shapes, pads, slices, concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.geometry import (
    constant_ints,
    integer,
    nearest_neighbours,
    pad_amounts,
    permutation,
    resolve_axis,
    slices,
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


@kernel("SPLIT")
def split(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Into as many equal parts as there are outputs."""
    axis = resolve_axis(constant_ints(graph, op.inputs[0])[0], args[1].ndim - 1)
    return [np.ascontiguousarray(x) for x in np.split(args[1], len(op.outputs), axis=1 + axis)]


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
