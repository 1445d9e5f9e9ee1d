# SPDX-License-Identifier: Apache-2.0
"""Operators on one int8 (or uint8) value as tables of 256: the value's byte, read as unsigned, is the index.

LOGISTIC and TANH are tables in TFLite too, filled in float32 when the model is loaded; here they are filled when it is
compiled. The others are integer arithmetic of which the table is the exact result.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.fixedpoint import (
    Int64,
    divide_by_power_of_two,
    inverse_sqrt,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import RANGES, activation_range, per_tensor

Real = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def lut(graph: Graph, op: Op) -> npt.NDArray[np.int8]:
    """``table[byte of input] -> output``: int8 ``[256]`` (uint8 for an op with uint8 output), bit for bit the
    operator."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    codes = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.int64)
    low, high = RANGES[output.dtype]
    values = TABLES[op.kind](graph, op, codes)
    table: npt.NDArray[np.int8] = np.clip(values, low, high).astype(output.dtype)
    return table


def _sides(graph: Graph, op: Op) -> tuple[np.float32, int, np.float32, int]:
    return (*per_tensor(graph.tensors[op.inputs[0]]), *per_tensor(graph.tensors[op.outputs[0]]))


def _round32(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """C's roundf, of float32 values (the sum with a half is exact in double)."""
    wide = x.astype(np.float64)
    return np.copysign(np.floor(np.abs(wide) + 0.5), wide)


def _real(function: Real) -> Callable[[Graph, Op, Int64], Int64]:
    """A real function evaluated in float32, rounded from double after each step that C's float version rounds."""

    def table(graph: Graph, op: Op, codes: Int64) -> Int64:
        in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
        inverse = np.float32(1) / out_scale
        x = in_scale * (codes - in_zero).astype(np.float32)
        y = _round32(function(x.astype(np.float64)).astype(np.float32) * inverse)
        if not (np.abs(y) < 2**31).all():  # what C makes of it depends on the machine
            raise ValueError(f"its output scale {out_scale} is too small for its values")
        return y.astype(np.int64) + out_zero

    return table


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        power = np.exp(-x).astype(np.float32)
        result: npt.NDArray[np.float64] = (np.float32(1) / (np.float32(1) + power)).astype(np.float64)
    return result


def _exp(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        power: npt.NDArray[np.float64] = np.exp(x)
    return power


def _requantized(graph: Graph, op: Op, codes: Int64) -> Int64:
    """QUANTIZE: the ratio of the scales in double."""
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    m, s = quantize_multiplier(float(in_scale) / float(out_scale))
    return multiply_by_quantized_multiplier(codes - in_zero, m, s) + out_zero


def _relu(graph: Graph, op: Op, codes: Int64) -> Int64:
    """RELU, RELU6, RELU_N1_TO_1: the ratio of the scales in float32, then the activation's clamp."""
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    m, s = quantize_multiplier(float(np.float32(in_scale / out_scale)))
    low, high = activation_range(op.kind, graph.tensors[op.outputs[0]])
    return np.clip(multiply_by_quantized_multiplier(codes - in_zero, m, s) + out_zero, low, high)


def _leaky_relu(graph: Graph, op: Op, codes: Int64) -> Int64:
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    alpha = np.float32(float(op.attrs.get("alpha", 0.0)))  # type: ignore[arg-type]
    positive = quantize_multiplier(float(np.float32(in_scale / out_scale)))
    slope = float(np.float32(np.float32(in_scale * alpha) / out_scale))
    m, s = quantize_multiplier(abs(slope))
    negative = (-m if slope < 0 else m, s)
    x = codes - in_zero
    y = np.where(
        x >= 0, multiply_by_quantized_multiplier(x, *positive), multiply_by_quantized_multiplier(x, *negative)
    )  # fmt: skip
    return y + out_zero


def _abs(graph: Graph, op: Op, codes: Int64) -> Int64:
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    x: Int64 = np.abs(codes - in_zero)
    if in_scale == out_scale:
        return x + out_zero
    return multiply_by_quantized_multiplier(x, *quantize_multiplier(float(np.float32(in_scale / out_scale)))) + out_zero


RSQRT_SHIFT = 20


def _rsqrt(graph: Graph, op: Op, codes: Int64) -> Int64:
    """Zero counts as the smallest value, and so do negative ones, at which TFLite stops."""
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    x = codes - in_zero
    m, s = quantize_multiplier(1.0 / float(np.float32(np.sqrt(in_scale) * out_scale)))
    multiplier, shift = inverse_sqrt(np.maximum(x, 1))
    root = multiply_by_quantized_multiplier(np.ones_like(x), multiplier, shift + RSQRT_SHIFT)
    y = multiply_by_quantized_multiplier(root, m, s - RSQRT_SHIFT) + out_zero
    table: Int64 = np.where(x > 0, y, RANGES["int8"][1])
    return table


def _gelu(graph: Graph, op: Op, codes: Int64) -> Int64:
    return (_GELU_TANH if op.attrs.get("approximate") else _GELU)(graph, op, codes)


def _f32(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Rounded to float32."""
    return np.asarray(x).astype(np.float32).astype(np.float64)


def _gelu_exact(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(0.5 x) erfc(-x / sqrt 2), rounded after every step."""
    erfc = [math.erfc(v) for v in _f32(x * float(np.float32(-math.sqrt(0.5))))]
    return _f32(0.5 * x) * _f32(erfc)


def _gelu_tanh(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(0.5 x) (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), rounded after every step."""
    cube = _f32(_f32(_f32(float(np.float32(0.044715)) * x) * x) * x)
    inner = _f32(float(np.float32(2 / math.sqrt(math.pi) * math.sqrt(0.5))) * _f32(x + cube))
    return _f32(0.5 * x) * _f32(1 + _f32(np.tanh(inner)))


_GELU, _GELU_TANH = _real(_gelu_exact), _real(_gelu_tanh)


### HARD_SWISH: 16-bit fixed point ###


def _multiplier16(real: np.float32) -> tuple[int, int]:
    """A multiplier of 16 bits: the 32-bit one rounded, saturated."""
    m, s = quantize_multiplier(float(real))
    return (2**15 - 1 if m >= 2**31 - 1 - 2**15 else (m + 2**15) >> 16), s


def _high_mul16(a: Int64, b: int) -> Int64:
    """The 16-bit doubling high multiply: round(a * b / 2**15), ties upwards, as the 32-bit one."""
    return np.minimum((a * b + 2**14) >> 15, 2**15 - 1)


def _saturate16(x: Int64) -> Int64:
    return np.clip(x, -(2**15), 2**15 - 1)


def _wrap16(x: Int64) -> Int64:
    wrapped: Int64 = ((x + 2**15) & 0xFFFF) - 2**15
    return wrapped


def _hard_swish(graph: Graph, op: Op, codes: Int64) -> Int64:
    in_scale, in_zero, out_scale, out_zero = _sides(graph, op)
    fine = np.float32(np.float32(1 / 128) * in_scale)
    out_m, out_e = _multiplier16(np.float32(fine / out_scale))
    if out_e > 0:  # TFLite refuses it, too
        raise ValueError(f"its output scale {out_scale} is below 1/128 of its input scale {in_scale}")
    relu_m, relu_e = _multiplier16(np.float32(fine / (np.float32(3) / np.float32(32768))))
    x = _wrap16((codes - in_zero) << 7)
    on_output_scale = _high_mul16(x, out_m)
    gate = x
    if relu_e > 0:
        gate = _saturate16(gate << (relu_e - 1))
    gate = _high_mul16(gate, relu_m)
    if relu_e > 0:
        gate = _saturate16(gate << 1)
    if relu_e < 0:
        gate = divide_by_power_of_two(gate, -relu_e)
    gate = (gate + 2**15) >> 1
    product = gate * on_output_scale
    truncated = np.where(product < 0, -((-product) >> 15), product >> 15)  # towards zero, unlike every other product
    return divide_by_power_of_two(truncated, -out_e) + out_zero


TABLES: dict[str, Callable[[Graph, Op, Int64], Int64]] = {
    "LOGISTIC": _real(_sigmoid),
    "TANH": _real(np.tanh),
    "EXP": _real(_exp),
    "GELU": _gelu,
    "ABS": _abs,
    "RSQRT": _rsqrt,
    "QUANTIZE": _requantized,
    "RELU": _relu,
    "RELU6": _relu,
    "RELU_N1_TO_1": _relu,
    "RELU_0_TO_1": _relu,
    "LEAKY_RELU": _leaky_relu,
    "HARD_SWISH": _hard_swish,
}
