# SPDX-License-Identifier: Apache-2.0
"""Operators on single values, PRELU, SOFTMAX and what reduces axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.fixedpoint import (
    divide_by_power_of_two,
    doubling_high_mul,
    inverse_sqrt,
    multiply_by_quantized_multiplier,
    reciprocal,
    wrap_int32,
)
from intrs_edge.graph.geometry import reduced_axes
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.quantize import per_tensor, prelu_params, softmax_params, sum_params
from intrs_edge.graph.reference.common import Array, aligned, kernel, offset, requantize

SUM_INTEGER_BITS = 12


@kernel(*TABLES)
def table(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """One look-up a value."""
    return [lut(graph, op)[args[0].view(np.uint8)]]


@kernel("PRELU")
def prelu(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Slopes broadcast to the input."""
    p = prelu_params(graph, op)
    x, alpha = aligned(args)
    x, alpha = offset(x, p.in_zero_point), offset(alpha, p.alpha_zero_point)
    positive, negative = requantize(x, p.positive), requantize(x * alpha, p.negative)
    return [np.where(x >= 0, positive, negative)]


@kernel("MEAN", "SUM")
def mean(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """One rounding: the division of a mean is part of the multiplier. SUM takes stored bytes for unsigned ones."""
    p = sum_params(graph, op)
    x = args[0].view(np.uint8) if p.unsigned else args[0]
    total = x.sum(axis=tuple(1 + a for a in reduced_axes(graph, op)), dtype=np.int64) - p.count * p.in_zero_point
    y = requantize(wrap_int32(total), p.q, "uint8" if p.unsigned else "int8").view(np.int8)
    return [y.reshape(len(args[0]), *graph.tensors[op.outputs[0]].shape)]


@kernel("REDUCE_MAX", "REDUCE_MIN")
def reduce_extremum(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Of raw values: input and output share their quantisation."""
    extremum = np.max if op.kind == "REDUCE_MAX" else np.min
    y = extremum(args[0], axis=tuple(1 + a for a in reduced_axes(graph, op)))
    return [y.reshape(len(args[0]), *graph.tensors[op.outputs[0]].shape)]


@kernel("SOFTMAX")
def softmax(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Over the last axis, in integers."""
    p = softmax_params(graph, op)
    x = args[0].astype(np.int64)
    distance = x.max(axis=-1, keepdims=True) - x
    power = p.exponential.astype(np.int64)[distance]
    total = divide_by_power_of_two(power, SUM_INTEGER_BITS).sum(axis=-1, keepdims=True)
    scale, bits = reciprocal(total, SUM_INTEGER_BITS)
    y = divide_by_power_of_two(doubling_high_mul(scale, power), bits + 31 - 8) - 128
    return [np.where(distance < p.first, np.clip(y, -128, 127), -128).astype(np.int8)]


@kernel("L2_NORMALIZATION")
def l2_normalization(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Over the last axis: each value by the inverse square root of the sum of squares, in 128ths."""
    x = offset(args[0], per_tensor(graph.tensors[op.inputs[0]])[1])
    multiplier, shift = inverse_sqrt(wrap_int32((x * x).sum(axis=-1, keepdims=True)))
    y = multiply_by_quantized_multiplier(x, multiplier, shift + 7)
    return [np.clip(y, -128, 127).astype(np.int8)]
