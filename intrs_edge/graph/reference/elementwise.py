"""ADD, SUB, MUL, MAXIMUM, MINIMUM with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import add_params, mul_params, multiply_by_quantized_multiplier
from intrs_edge.graph.reference.common import Array, kernel, offset, requantize


def _aligned(args: Sequence[Array]) -> tuple[Array, Array]:
    """Both operands with as many dimensions: ones go between the runs and the tensor's own dimensions."""
    a, b = args[0], args[1]
    rank = max(a.ndim, b.ndim)
    return (
        a.reshape(a.shape[0], *(1,) * (rank - a.ndim), *a.shape[1:]),
        b.reshape(b.shape[0], *(1,) * (rank - b.ndim), *b.shape[1:]),
    )


@kernel("ADD", "SUB")
def add(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Both operands on a common scale with 20 guard bits."""
    p = add_params(graph, op)
    scaled = [
        multiply_by_quantized_multiplier(offset(x, p.zero_point[i]) << p.left_shift, p.multiplier[i], p.shift[i])
        for i, x in enumerate(_aligned(args))
    ]
    return [requantize(scaled[0] + scaled[1], p.q)]


@kernel("MUL")
def mul(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The requantised product."""
    p = mul_params(graph, op)
    a, b = _aligned(args)
    return [requantize(offset(a, p.zero_point[0]) * offset(b, p.zero_point[1]), p.q)]


@kernel("MAXIMUM")
def maximum(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Of raw values: operands and output share their quantisation."""
    return [np.maximum(*_aligned(args))]


@kernel("MINIMUM")
def minimum(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Of raw values: operands and output share their quantisation."""
    return [np.minimum(*_aligned(args))]
