# SPDX-License-Identifier: Apache-2.0
"""Writes the IR as a .tflite file that TFLite interpreters and converters open."""

from __future__ import annotations

from typing import cast

import flatbuffers
import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph, Op, Quant, Tensor
from intrs_edge.graph.operators import OPTIONS, VERSIONS
from intrs_edge.graph.tflite_schema import (
    IDENTIFIER,
    KIND_CODES,
    SCHEMA_VERSION,
    TENSOR_CODES,
    Field,
)

BUFFER_ALIGNMENT = 16  # TFLite maps weights in place
PLACEHOLDER = 127  # the old one-byte operator code, when the real one does not fit


def write_tflite(graph: Graph) -> bytes:
    """The .tflite file of a graph; the same graph gives the same bytes.

    Raises IntrsError for what the format cannot say: an unknown operator, or EXPLICIT padding (which only passes make).
    """
    builder = flatbuffers.Builder(1024 + sum(t.data.nbytes for t in graph.tensors if t.data is not None))
    blobs: list[bytes] = [b""]  # buffer 0 is the empty one, by convention
    tensor_buffers: list[int] = []
    for tensor in graph.tensors:
        if tensor.data is None:
            tensor_buffers.append(0)
            continue
        tensor_buffers.append(len(blobs))
        dtype = np.dtype(tensor.dtype).newbyteorder("<")
        blobs.append(np.ascontiguousarray(tensor.data, dtype=dtype).tobytes())
    metadata_buffers: list[tuple[str, int]] = []
    for name, text in graph.metadata.items():
        metadata_buffers.append((name, len(blobs)))
        blobs.append(text.encode("utf-8"))

    buffers = [_buffer(builder, blob) for blob in blobs]
    tensors = [_tensor(builder, t, b) for t, b in zip(graph.tensors, tensor_buffers, strict=True)]
    kinds = list(dict.fromkeys(op.kind for op in graph.ops))
    ops = [_op(builder, op, kinds.index(op.kind)) for op in graph.ops]
    codes = [_code(builder, kind) for kind in kinds]
    metadata = [_metadata(builder, name, number) for name, number in metadata_buffers]

    subgraph = _table(
        builder,
        6,
        {
            0: _offsets(builder, tensors),
            1: _ints(builder, graph.inputs),
            2: _ints(builder, graph.outputs),
            3: _offsets(builder, ops),
            4: builder.CreateString(graph.name),
        },
    )
    vectors = {
        1: _offsets(builder, codes),
        2: _offsets(builder, [subgraph]),
        3: builder.CreateString("IntRS-Edge"),
        4: _offsets(builder, buffers),
    }
    if metadata:
        vectors[6] = _offsets(builder, metadata)
    builder.StartObject(8)
    builder.PrependUint32Slot(0, SCHEMA_VERSION, 0)
    for slot, offset in vectors.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.Finish(builder.EndObject(), IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _offsets(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _ints(builder: flatbuffers.Builder, values: tuple[int, ...]) -> int:
    return int(builder.CreateNumpyVector(np.array(values, dtype=np.int32)))


def _buffer(builder: flatbuffers.Builder, blob: bytes) -> int:
    if not blob:
        return _table(builder, 3, {})
    builder.StartVector(1, len(blob), BUFFER_ALIGNMENT)
    builder.head -= len(blob)
    builder.Bytes[builder.head : builder.head + len(blob)] = blob
    return _table(builder, 3, {0: int(builder.EndVector())})


def _quant(builder: flatbuffers.Builder, quant: Quant) -> int:
    scale = builder.CreateNumpyVector(quant.scale.astype(np.float32))
    zero_point = builder.CreateNumpyVector(quant.zero_point.astype(np.int64))
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(2, scale, 0)
    builder.PrependUOffsetTRelativeSlot(3, zero_point, 0)
    builder.PrependInt32Slot(6, quant.axis, 0)
    return int(builder.EndObject())


def _tensor(builder: flatbuffers.Builder, tensor: Tensor, number: int) -> int:
    if tensor.dtype not in TENSOR_CODES:
        raise IntrsError(f"tensor '{tensor.name}' has type {tensor.dtype}, which .tflite does not have: use int8")
    name = builder.CreateString(tensor.name)
    shape = _ints(builder, tensor.shape)
    quant = None if tensor.quant is None else _quant(builder, tensor.quant)
    builder.StartObject(10)
    builder.PrependUOffsetTRelativeSlot(0, shape, 0)
    builder.PrependInt8Slot(1, TENSOR_CODES[tensor.dtype], 0)
    builder.PrependUint32Slot(2, number, 0)
    builder.PrependUOffsetTRelativeSlot(3, name, 0)
    if quant is not None:
        builder.PrependUOffsetTRelativeSlot(4, quant, 0)
    return int(builder.EndObject())


def _code(builder: flatbuffers.Builder, kind: str) -> int:
    code = KIND_CODES[kind]
    builder.StartObject(4)
    builder.PrependInt8Slot(0, min(code, PLACEHOLDER), 0)
    builder.PrependInt32Slot(2, VERSIONS.get(kind, 1), 1)
    builder.PrependInt32Slot(3, code, 0)
    return int(builder.EndObject())


def _op(builder: flatbuffers.Builder, op: Op, code: int) -> int:
    if op.kind not in KIND_CODES:
        raise IntrsError(f"operator {op.kind} of '{op.name}' cannot be written: .tflite has no such builtin operator")
    options = OPTIONS.get(op.kind)
    table = None
    if options is not None:
        known = {f.name for f in options.fields}
        if op.attrs.get("padding") == "EXPLICIT" or not set(op.attrs) <= known:
            unknown = sorted(set(op.attrs) - known) or ["padding EXPLICIT"]
            raise IntrsError(
                f"{op.kind} '{op.name}' has {unknown[0]}, which .tflite cannot say: write the graph before the passes"
            )
        table = _options(builder, op, options.slots, options.fields)
    inputs, outputs = _ints(builder, op.inputs), _ints(builder, op.outputs)
    builder.StartObject(14)
    builder.PrependUint32Slot(0, code, 0)
    builder.PrependUOffsetTRelativeSlot(1, inputs, 0)
    builder.PrependUOffsetTRelativeSlot(2, outputs, 0)
    if options is not None and table is not None:
        builder.PrependUint8Slot(3, options.type, 0)
        builder.PrependUOffsetTRelativeSlot(4, table, 0)
    return int(builder.EndObject())


def _options(builder: flatbuffers.Builder, op: Op, slots: int, fields: tuple[Field, ...]) -> int:
    vectors = {
        f.slot: _ints(builder, cast("tuple[int, ...]", op.attrs[f.name]))
        for f in fields
        if f.type == "ints" and f.name in op.attrs
    }
    builder.StartObject(slots)
    for slot, offset in vectors.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for f in fields:
        if f.type == "ints" or f.name not in op.attrs:
            continue
        value = op.attrs[f.name]
        if f.type == "enum":
            builder.PrependInt8Slot(f.slot, f.names.index(str(value)), 0)
        elif f.type == "bool":
            builder.PrependBoolSlot(f.slot, bool(value), bool(f.default))
        elif f.type == "int32":
            builder.PrependInt32Slot(f.slot, int(cast(int, value)), int(f.default))
        elif f.type == "int8":
            builder.PrependInt8Slot(f.slot, int(cast(int, value)), int(f.default))
        else:
            builder.PrependFloat32Slot(f.slot, float(cast(float, value)), float(f.default))
    return int(builder.EndObject())


def _metadata(builder: flatbuffers.Builder, name: str, number: int) -> int:
    text = builder.CreateString(name)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.PrependUint32Slot(1, number, 0)
    return int(builder.EndObject())
