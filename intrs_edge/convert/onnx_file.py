# SPDX-License-Identifier: Apache-2.0
"""Opens an ONNX file with every size checked before it is used; beside it only data in the same folder is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, numpy_helper

from intrs_edge.budget import OPERATORS
from intrs_edge.convert import external_data
from intrs_edge.errors import IntrsError

OPSETS = (10, 24)
MAX_BYTES = 512 << 20
MAX_ELEMENTS = 1 << 28
MAX_NODES = 4 * OPERATORS  # quantising and dequantising nodes stand around every operator

_ITEM_BYTES = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.INT8: 1, TensorProto.UINT8: 1,
    TensorProto.INT16: 2, TensorProto.UINT16: 2, TensorProto.INT32: 4, TensorProto.INT64: 8, TensorProto.BOOL: 1,
}  # fmt: skip
_FIELDS = {TensorProto.FLOAT: "float_data", TensorProto.DOUBLE: "double_data", TensorProto.INT64: "int64_data"}


def read_onnx(path: Path) -> onnx.ModelProto:
    """The parsed model, data that lie in other files of its folder included. Raises IntrsError for a file that is too
    large, no ONNX, of an opset outside 10..24, or whose data lie elsewhere."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise IntrsError(f"{path}: larger than {MAX_BYTES >> 20} MiB; this compiler is for microcontroller models")
        data = path.read_bytes()
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}); give an .onnx file") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise IntrsError(f"{path}: not an ONNX file, or truncated; export it again") from error
    if not model.graph.node or not model.graph.output:
        raise IntrsError(f"{path}: not an ONNX file, or truncated: it holds no graph; export it again")
    if len(model.graph.node) > MAX_NODES:
        raise IntrsError(f"{path}: {len(model.graph.node)} nodes, the limit is {MAX_NODES}; use a smaller model")
    opset = opset_of(model)
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise IntrsError(
            f"{path}: opset {opset or 'unknown'} is outside {OPSETS[0]}..{OPSETS[1]}; export with opset 13 or later, "
            "or convert with onnx.version_converter"
        )
    external_data.read(model, path)
    if model.graph.sparse_initializer:
        raise IntrsError(f"{path}: sparse initialisers are not supported; export dense weights")
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators that a model uses; 0 when it does not say."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def check_sound(model: onnx.ModelProto, name: str) -> None:
    """Raises IntrsError unless onnx's own checker accepts the model: its nodes' inputs, attributes and order."""
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise IntrsError(f"{name}: not a sound ONNX model ({lines[0][:200]}); export it again") from error


def array(tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    """A tensor's values. Raises IntrsError when its size and its data disagree, or for a type that has no use here."""
    name = tensor.name or "a constant"
    size = _ITEM_BYTES.get(tensor.data_type)
    if size is None:
        kind = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in TensorProto.DataType.values() else "?"
        raise IntrsError(f"tensor {name!r} has the unsupported type {kind}; use float, int8, uint8, int32 or int64")
    if any(d < 0 for d in tensor.dims) or math.prod(tensor.dims) > MAX_ELEMENTS:
        raise IntrsError(f"tensor {name!r} has an impossible shape; the file is damaged")
    elements = math.prod(tensor.dims)
    if tensor.raw_data:
        held = len(tensor.raw_data) / size
    else:
        held = len(getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data")))
    if held != elements:
        raise IntrsError(f"tensor {name!r} should hold {elements} values and holds {held:g}; the file is damaged")
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise IntrsError(f"tensor {name!r} cannot be decoded; the file is damaged") from error


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values; text as str, tensors as arrays, subgraphs left out."""
    out: dict[str, Any] = {}
    for a in node.attribute:
        if a.type == onnx.AttributeProto.TENSOR:
            out[a.name] = array(a.t)
        elif a.type == onnx.AttributeProto.STRING:
            out[a.name] = a.s.decode(errors="replace")
        elif a.type in (onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT):
            out[a.name] = a.i if a.type == onnx.AttributeProto.INT else a.f
        elif a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
            out[a.name] = list(a.ints or a.floats)
    return out
