# SPDX-License-Identifier: Apache-2.0
"""Every derived integer of the contract: fixed-point multipliers, roundings, activation ranges and op parameters.

The numpy reference and the C generator both take their parameters from here, so that there is one place where a scale
(float32 in the model) becomes an integer (docs/contract.md). Multipliers are pairs ``(multiplier, shift)`` with the
meaning ``multiplier * 2 ** (shift - 31)``; a positive shift is a left shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.graph.fixedpoint import (
    doubling_high_mul,
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    wrap_int32,
)
from intrs_edge.graph.geometry import data_position, reduced_axes
from intrs_edge.graph.ir import Graph, Op, Quant, Tensor

__all__ = [
    "ADD_LEFT_SHIFT",
    "RANGES",
    "AddParams",
    "ConvParams",
    "MulParams",
    "PoolParams",
    "PreluParams",
    "Requant",
    "SoftmaxParams",
    "SumParams",
    "activation_range",
    "add_params",
    "conv_params",
    "fully_connected_params",
    "matmul_params",
    "mul_params",
    "multiply_by_quantized_multiplier",
    "per_tensor",
    "pool_params",
    "prelu_params",
    "quantize_multiplier",
    "requant",
    "softmax_params",
    "squared_difference_params",
    "sum_params",
]

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def _float32_round(x: np.float32) -> int:
    """C's round() of a float32; done in double, where the half is exact."""
    return round_half_away(float(x))


### op parameters ###


@dataclass(frozen=True)
class Requant:
    """The C struct ``intrs_requant``: clamp(zero_point + acc * multiplier[c] * 2**(shift[c] - 31), min, max).

    multiplier: int32 ``[n]``; shift: int8 ``[n]``, positive is left; n is the number of output channels, or 1.
    """

    multiplier: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int8]
    zero_point: int
    min: int
    max: int


@dataclass(frozen=True)
class ConvParams:
    """CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: one multiplier per output channel, also when weights are
    per-tensor."""

    in_zero_point: int
    q: Requant


@dataclass(frozen=True)
class AddParams:
    """ADD and SUB, the C struct ``intrs_add``: both operands shifted left by ``left_shift``, scaled, added, scaled
    back (q: n = 1).

    SUB has the second multiplier negated.
    """

    zero_point: tuple[int, int]
    multiplier: tuple[int, int]
    shift: tuple[int, int]
    left_shift: int
    q: Requant


@dataclass(frozen=True)
class MulParams:
    """MUL: requantised product of the two operands less their zero points (q: n = 1)."""

    zero_point: tuple[int, int]
    q: Requant


@dataclass(frozen=True)
class PoolParams:
    """AVERAGE_POOL_2D and MAX_POOL_2D: clamp range of the raw values."""

    min: int
    max: int


def per_tensor(tensor: Tensor) -> tuple[np.float32, int]:
    """(scale, zero point) of a per-tensor quantised tensor."""
    if tensor.quant is None or tensor.quant.scale.size != 1:
        raise IntrsError(f"tensor '{tensor.name}' has no per-tensor quantisation: quantise the model to full int8")
    return np.float32(tensor.quant.scale[0]), int(tensor.quant.zero_point[0])


def activation_range(activation: str, tensor: Tensor) -> tuple[int, int]:
    """The clamp range of a fused activation in the output's quantisation; bounds are rounded in float32, as TFLite
    does."""
    low, high = RANGES[tensor.dtype]
    if activation == "NONE":
        return low, high
    scale, zero_point = per_tensor(tensor)

    def quantize(real: float) -> int:
        with np.errstate(over="ignore"):
            return zero_point + _float32_round(np.float32(np.float32(real) / scale))

    if activation == "RELU":
        return max(low, quantize(0.0)), high
    if activation == "RELU6":
        return max(low, quantize(0.0)), min(high, quantize(6.0))
    if activation == "RELU_N1_TO_1":
        return max(low, quantize(-1.0)), min(high, quantize(1.0))
    if activation == "RELU_0_TO_1":
        return max(low, quantize(0.0)), min(high, quantize(1.0))
    raise IntrsError(f"fused activation {activation} is not supported: use NONE, RELU, RELU6 or RELU_N1_TO_1")


def _activation(op: Op) -> str:
    return str(op.attrs.get("activation", "NONE"))


def requant(multipliers: list[float], op: Op, output: Tensor) -> Requant:
    """Multipliers of real factors, with the output's zero point and the op's activation range."""
    pairs = [quantize_multiplier(m) for m in multipliers]
    low, high = activation_range(_activation(op), output)
    return Requant(
        np.array([p[0] for p in pairs], dtype=np.int32),
        np.array([p[1] for p in pairs], dtype=np.int8),
        per_tensor(output)[1],
        low,
        high,
    )


def conv_params(graph: Graph, op: Op) -> ConvParams:
    """CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV: input scale * weight scale[c] / output scale, in double."""
    source, weights, output = (graph.tensors[i] for i in (op.inputs[data_position(op)], op.inputs[1], op.outputs[0]))
    in_scale, in_zero = per_tensor(source)
    out_scale, _ = per_tensor(output)
    channels = output.shape[-1]
    scales = np.broadcast_to(_weight_quant(weights).scale, (channels,))
    real = [float(in_scale) * float(s) / float(out_scale) for s in scales]
    return ConvParams(in_zero, requant(real, op, output))


def fully_connected_params(graph: Graph, op: Op) -> ConvParams:
    """FULLY_CONNECTED: per-tensor weights multiply the two input scales in float32 first (as TFLite does),
    per-channel in double."""
    source, weights, output = (graph.tensors[i] for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    in_scale, in_zero = per_tensor(source)
    out_scale, _ = per_tensor(output)
    quant = _weight_quant(weights)
    channels = weights.shape[0]
    if quant.per_channel:
        real = [float(in_scale) * float(s) / float(out_scale) for s in quant.scale]
    else:
        real = [float(np.float32(in_scale * np.float32(quant.scale[0]))) / float(out_scale)] * channels
    return ConvParams(in_zero, requant(real, op, output))


def _weight_quant(weights: Tensor) -> Quant:
    if weights.quant is None:
        raise IntrsError(f"weights '{weights.name}' have no quantisation: quantise the model to full int8")
    return weights.quant


ADD_LEFT_SHIFT = 20
SQUARE_LEFT_SHIFT = 7


def add_params(graph: Graph, op: Op) -> AddParams:
    """ADD and SUB: both operands on twice the larger of their scales, 20 guard bits."""
    (s1, z1), (s2, z2) = (per_tensor(graph.tensors[i]) for i in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    out_scale, _ = per_tensor(output)
    twice_max = 2.0 * float(max(s1, s2))
    first = quantize_multiplier(float(s1) / twice_max)
    second = quantize_multiplier(float(s2) / twice_max)
    sign = -1 if op.kind == "SUB" else 1
    q = requant([twice_max / (2.0**ADD_LEFT_SHIFT * float(out_scale))], op, output)
    return AddParams((z1, z2), (first[0], sign * second[0]), (first[1], second[1]), ADD_LEFT_SHIFT, q)


def squared_difference_params(graph: Graph, op: Op) -> AddParams:
    """SQUARED_DIFFERENCE: as ADD with 7 guard bits, and a product's scale for the output."""
    (s1, z1), (s2, z2) = (per_tensor(graph.tensors[i]) for i in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    out_scale, _ = per_tensor(output)
    twice_max = 2.0 * float(max(s1, s2))
    pairs = [quantize_multiplier(float(s) / twice_max) for s in (s1, s2)]
    unit = float(np.float32(1 << 2 * SQUARE_LEFT_SHIFT) * out_scale)
    q = requant([twice_max * twice_max / unit], op, output)
    if int(q.shift[0]) > 0:
        raise ValueError("its output scale is too small for its operands (a multiplier of 1 or more)")
    return AddParams((z1, z2), (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1]), SQUARE_LEFT_SHIFT, q)


def matmul_params(graph: Graph, op: Op) -> MulParams:
    """BATCH_MATMUL: the scales of the operands multiplied in float32, divided in double."""
    (s1, z1), (s2, z2) = (per_tensor(graph.tensors[i]) for i in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    real = float(np.float32(s1 * s2)) / float(per_tensor(output)[0])
    return MulParams((z1, z2), requant([real], op, output))


def mul_params(graph: Graph, op: Op) -> MulParams:
    """MUL: scale1 * scale2 / output scale, in float32 as TFLite computes it."""
    (s1, z1), (s2, z2) = (per_tensor(graph.tensors[i]) for i in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    out_scale, _ = per_tensor(output)
    real = float(np.float32(np.float32(s1 * s2) / out_scale))
    return MulParams((z1, z2), requant([real], op, output))


def pool_params(graph: Graph, op: Op) -> PoolParams:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    return PoolParams(*activation_range(_activation(op), graph.tensors[op.outputs[0]]))


@dataclass(frozen=True)
class SumParams:
    """MEAN and SUM: requantise ``sum - count * in_zero_point`` (q: n = 1).

    ``unsigned``: stored bytes are read and written as 0..255 (SUM), zero points are not.
    """

    count: int
    in_zero_point: int
    q: Requant
    unsigned: bool


def sum_params(graph: Graph, op: Op) -> SumParams:
    """The ratio of the scales in double; of MEAN its multiplier divided by the count with as many guard bits as fit."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    count = math.prod(source.shape[a] for a in reduced_axes(graph, op))
    in_scale, in_zero = per_tensor(source)
    out_scale, out_zero = per_tensor(output)
    multiplier, shift = quantize_multiplier(float(in_scale) / float(out_scale))
    unsigned = op.kind == "SUM"
    if not unsigned:
        guard = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << guard) // count, shift - guard
    low, high = RANGES["uint8" if unsigned else output.dtype]
    q = Requant(np.array([multiplier], np.int32), np.array([shift], np.int8), out_zero, low, high)
    return SumParams(count, in_zero, q, unsigned)


@dataclass(frozen=True)
class PreluParams:
    """PRELU: ``x >= 0`` takes ``positive``, else ``x * (slope - alpha_zero_point)`` takes ``negative`` (q: n = 1)."""

    in_zero_point: int
    alpha_zero_point: int
    positive: Requant
    negative: Requant


def prelu_params(graph: Graph, op: Op) -> PreluParams:
    """PRELU: ratios of scales in float32."""
    source, alpha, output = (graph.tensors[i] for i in (*op.inputs[:2], op.outputs[0]))
    (in_scale, in_zero), (alpha_scale, alpha_zero), (out_scale, _) = (per_tensor(t) for t in (source, alpha, output))
    positive = float(np.float32(in_scale / out_scale))
    negative = float(np.float32(np.float32(in_scale * alpha_scale) / out_scale))
    return PreluParams(in_zero, alpha_zero, requant([positive], op, output), requant([negative], op, output))


SOFTMAX_INTEGER_BITS = 5


@dataclass(frozen=True)
class SoftmaxParams:
    """SOFTMAX: the C struct ``intrs_softmax``.

    exponential: int32 ``[256]``, exp of minus the real distance d = max - x, Q0.31; distances from ``first`` on count
    as nothing.
    """

    exponential: npt.NDArray[np.int32]
    first: int


def softmax_params(graph: Graph, op: Op) -> SoftmaxParams:
    """SOFTMAX: the exponential of every distance from the row's maximum, in gemmlowp's fixed point."""
    scale, _ = per_tensor(graph.tensors[op.inputs[0]])
    beta = np.float32(float(op.attrs.get("beta", 0.0)))  # type: ignore[arg-type]
    real = min(float(beta) * float(scale) * 2.0 ** (31 - SOFTMAX_INTEGER_BITS), 2.0**31 - 1)
    if not real > 1:  # TFLite refuses it, too
        raise ValueError(f"its beta {beta} times its input scale {scale} is too small")
    multiplier, shift = quantize_multiplier(real, most=31)
    radius = math.floor((2.0**SOFTMAX_INTEGER_BITS - 1) * 2.0 ** (31 - SOFTMAX_INTEGER_BITS) / 2.0**shift)
    distance = np.arange(256, dtype=np.int64)
    scaled = doubling_high_mul(wrap_int32(-distance << shift), multiplier)
    first = min(256, radius + 1)
    exponential = np.where(distance < first, exp_on_negative_values(scaled, SOFTMAX_INTEGER_BITS), 0)
    return SoftmaxParams(exponential.astype(np.int32), first)
