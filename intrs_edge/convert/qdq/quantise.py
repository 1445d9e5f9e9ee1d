# SPDX-License-Identifier: Apache-2.0
"""QuantizeLinear and DequantizeLinear: which integers they speak of, and both on constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq.values import Constant, Lattice, Value
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant

TYPES = {
    onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.INT8: "int8", onnx.TensorProto.UINT16: "uint16",
    onnx.TensorProto.INT16: "int16", onnx.TensorProto.INT32: "int32", onnx.TensorProto.FLOAT: "float32",
}  # fmt: skip
Parameters = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], str]


def parameters(
    node: onnx.NodeProto, attrs: dict[str, Any], get: Callable[[str], Value], source: str = ""
) -> Parameters:
    """Scale, zero point and integer type of a Q or DQ node.

    The type is the zero point's; without one it is DQ's input's (``source``), or Q's output_dtype, which is uint8
    unless given. Unsupported when the file says two things.
    """
    if attrs.get("block_size", 0):
        raise Unsupported("blocked quantisation is not supported; quantise per tensor or per channel")
    parts = [get(i) if i else None for i in node.input[1:3]]
    if not parts or any(p is not None and not isinstance(p, Constant) for p in parts):
        raise Unsupported("its scale or zero point is not a constant; use static quantisation")
    assert isinstance(parts[0], Constant)
    scale = parts[0].value
    if scale.dtype != np.float32 or scale.ndim > 1 or scale.size == 0:
        raise Unsupported("its scale is not a float32 number (or one per channel)")
    if not np.all((scale >= 2.0**-64) & (scale <= 2.0**64)):  # nan fails too
        raise Unsupported("its scale lies outside 2^-64..2^64; the file is damaged")
    said = source
    if node.op_type == "QuantizeLinear" and attrs.get("output_dtype", 0):
        number = int(attrs["output_dtype"])
        said = TYPES.get(number, "")
        if not said:
            kind = onnx.TensorProto.DataType.Name(number) if number in onnx.TensorProto.DataType.values() else number
            raise Unsupported(f"its output_dtype {kind} is not supported; use int8 or uint8")
    if len(parts) < 2 or not isinstance(parts[1], Constant):
        return scale.reshape(-1), np.zeros(scale.size, np.int64), said or "uint8"
    zero = parts[1].value
    if zero.size != scale.size:
        raise Unsupported("its zero point and scale have different sizes")
    if zero.dtype.kind not in "iu":
        raise Unsupported("its zero point is not an integer")
    if said and said != zero.dtype.name:
        raise Unsupported(f"its zero point is {zero.dtype.name} and its integers are {said}; the file is damaged")
    return scale.reshape(-1), zero.astype(np.int64).reshape(-1), zero.dtype.name


def activation_quant(found: Parameters) -> Quant:
    """The int8 quantisation of an activation: uint8 is int8 with the zero point moved by 128."""
    scale, zero, dtype = found
    if scale.size != 1:
        raise Unsupported("activations are quantised per channel; quantise them per tensor")
    if dtype not in ("int8", "uint8"):
        raise Unsupported(f"activations of type {dtype} are not supported; use int8 or uint8")
    return per_tensor(scale[0], int(zero[0]) - (128 if dtype == "uint8" else 0))


def rounded(x: npt.NDArray[Any], found: Parameters, axis: int) -> npt.NDArray[Any]:
    """ONNX's QuantizeLinear of a constant: halves to even, saturated."""
    scale, zero, dtype = found
    if dtype not in ("int8", "uint8", "int32"):
        raise Unsupported(f"type {dtype} is not supported; use int8")
    s, z = _along(scale, x.ndim, axis), _along(zero, x.ndim, axis)
    limits = np.iinfo(dtype)
    try:
        return np.asarray(np.clip(np.rint(x.astype(np.float32) / s) + z, limits.min, limits.max).astype(dtype))
    except ValueError as error:
        raise Unsupported("its scales do not fit the tensor's shape") from error


def lattice(q: npt.NDArray[Any], found: Parameters, axis: int) -> Constant:
    """DequantizeLinear of a constant, its integers kept; uint8 becomes int8 with the zero point moved."""
    scale, zero, _ = found
    if q.dtype.name not in ("int8", "uint8", "int32"):
        raise Unsupported(f"constants of type {q.dtype.name} are not supported; use int8 weights and int32 biases")
    if scale.size > 1:
        axis = axis + q.ndim if axis < 0 else axis
        if not 0 <= axis < q.ndim or q.shape[axis] != scale.size:
            raise Unsupported(f"{scale.size} scales do not fit axis {axis} of a tensor of shape {q.shape}")
    else:
        axis = 0
    if q.dtype == np.uint8:
        q, zero = (q.astype(np.int16) - 128).astype(np.int8), zero - 128
    value = (q.astype(np.float64) - _along(zero, q.ndim, axis)) * _along(scale.astype(np.float64), q.ndim, axis)
    return Constant(value.astype(np.float32), Lattice(q, scale, zero, axis))


def _along(x: npt.NDArray[Any], ndim: int, axis: int) -> npt.NDArray[Any]:
    """[1] or [C] shaped to broadcast along an axis."""
    if x.size == 1:
        return x.reshape(())
    axis = axis + ndim if axis < 0 else axis
    if not 0 <= axis < ndim:
        raise Unsupported(f"axis {axis} does not exist")
    return x.reshape([-1 if i == axis else 1 for i in range(ndim)])
