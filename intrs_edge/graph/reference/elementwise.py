# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import add_params, mul_params, squared_difference_params
from intrs_edge.graph.reference.common import Array, aligned, kernel, offset, requantize


@kernel("ADD", "SUB")
def add(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Both operands on a common scale with 20 guard bits."""
    p = add_params(graph, op)
    scaled = [
        multiply_by_quantized_multiplier(offset(x, p.zero_point[i]) << p.left_shift, p.multiplier[i], p.shift[i])
        for i, x in enumerate(aligned(args))
    ]
    return [requantize(scaled[0] + scaled[1], p.q)]


@kernel("SQUARED_DIFFERENCE")
def squared_difference(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Both operands on a common scale with 7 guard bits; the square of their difference is requantised."""
    p = squared_difference_params(graph, op)
    a, b = (
        multiply_by_quantized_multiplier(offset(x, p.zero_point[i]) << p.left_shift, p.multiplier[i], p.shift[i])
        for i, x in enumerate(aligned(args))
    )
    return [requantize((a - b) * (a - b), p.q)]


@kernel("MUL")
def mul(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The requantised product."""
    p = mul_params(graph, op)
    a, b = aligned(args)
    return [requantize(offset(a, p.zero_point[0]) * offset(b, p.zero_point[1]), p.q)]


@kernel("MAXIMUM")
def maximum(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Of raw values: operands and output share their quantisation."""
    return [np.maximum(*aligned(args))]


@kernel("MINIMUM")
def minimum(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Of raw values: operands and output share their quantisation."""
    return [np.minimum(*aligned(args))]
