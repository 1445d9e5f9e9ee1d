# SPDX-License-Identifier: Apache-2.0
"""Reads a .tflite file into the IR, checking every offset, index and size on the way.

The result is structurally sound (indices in range, constants as large as their shapes say) but may still hold
operators or types that the project does not support: `validate` lists those, all at once.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Union, cast

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.graph import flatbuffer as fb
from intrs_edge.graph.flatbuffer import FlatBuffer, Table
from intrs_edge.graph.ir import MAX_ELEMENTS, Attr, Graph, Op, Quant, Tensor
from intrs_edge.graph.operators import OPTIONS
from intrs_edge.graph.passes.rewrite import compact
from intrs_edge.graph.tflite_schema import IDENTIFIER, KINDS, SCHEMA_VERSION, TENSOR_TYPES, Field
from intrs_edge.integers import ceil_div

MAX_FILE_BYTES = 1 << 28
MAX_RANK = 8
NAME_LIMIT = 200
NUMPY_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool", "float16", "float32", "float64")

_SCALARS = {"int32": fb.INT32, "int8": fb.INT8, "enum": fb.INT8, "bool": fb.BOOL, "float32": fb.FLOAT32}

_UNUSED = Tensor("", (1,), "int8")

Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]


def read_tflite(source: Source) -> Graph:
    """The graph of a .tflite file, given by path or as bytes.

    Constants are read-only views on the file's bytes. Raises IntrsError for anything that is not a sound
    single-subgraph .tflite file of at most 256 MiB.
    """
    data, name = _load(source)
    buffer = FlatBuffer(data, name)
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise IntrsError(f"{name}: not a .tflite file (no TFL3 mark at byte 4): give a TensorFlow Lite model")
    model = buffer.root()
    version = model.integer(0, fb.UINT32)
    if version != SCHEMA_VERSION:
        raise IntrsError(f"{name}: schema version {version}, only {SCHEMA_VERSION} is known: export it again")
    subgraphs = model.tables(2)
    kinds = [_kind(t) for t in model.tables(1)]
    _stateless(name, kinds)
    if len(subgraphs) != 1:
        raise IntrsError(f"{name}: {len(subgraphs)} subgraphs, exactly 1 is supported: export a single static graph")
    subgraph = subgraphs[0]
    buffers = [_buffer(t) for t in model.tables(4)]
    tables = subgraph.tables(0)
    ops = tuple(_op(buffer, t, i, kinds, len(tables)) for i, t in enumerate(subgraph.tables(3)))
    inputs, outputs = (_indices(buffer, subgraph, slot, len(tables)) for slot in (1, 2))
    used = {*inputs, *outputs}.union(*(op.inputs for op in ops), *(op.outputs for op in ops))
    # converters leave behind tensors that nothing refers to, of any shape and type: they are not looked at
    tensors = tuple(_tensor(buffer, t, i, buffers) if i in used else _UNUSED for i, t in enumerate(tables))
    ops = tuple(replace(op, name=tensors[op.outputs[0]].name if op.outputs else op.name) for op in ops)
    name, metadata = _printable(subgraph.string(4)) or "model", _metadata(buffer, model, buffers)
    return compact(Graph(tensors, ops, inputs, outputs, name, metadata))


# operators of models that remember: what they are, and what to export instead
_STATEFUL = {
    **dict.fromkeys(
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
         "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN"),
        "unroll the recurrence (Keras: unroll=True) and convert again",
    ),
    **dict.fromkeys(
        ("SVDF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"),
        "export the model that takes its whole window at once (not the streaming one)",
    ),
    **dict.fromkeys(("IF", "WHILE"), "export a graph without branches and loops"),
}  # fmt: skip


def _stateless(name: str, kinds: list[str]) -> None:
    """IntrsError for a model that keeps a state from one input to the next, or decides what it computes as it runs."""
    for kind in kinds:
        if kind in _STATEFUL:
            raise IntrsError(f"{name}: it holds {kind}, which is no function of one input alone: {_STATEFUL[kind]}")


def _load(source: Source) -> tuple[bytes, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "model"
    path = Path(source)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise IntrsError(f"{path}: {size} bytes, the limit is {MAX_FILE_BYTES}: use a smaller model")
        return path.read_bytes(), str(path)
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}): give the path of a .tflite file") from None


def _printable(text: str) -> str:
    """A name that is safe to print: one line, no control characters, of bounded length."""
    return "".join(c if c.isprintable() else "?" for c in text[:NAME_LIMIT])


def _buffer(table: Table) -> npt.NDArray[np.uint8] | None:
    if table.integer(1, fb.UINT64) > 1:  # 0 and 1 mean "not outside the flatbuffer"
        raise IntrsError(
            f"{table.buffer.name}: weights outside the flatbuffer (over 2 GB) are not supported: use a smaller model"
        )
    return cast("npt.NDArray[np.uint8] | None", table.vector(0, "uint8"))


def _kind(table: Table) -> str:
    # the byte-sized code is what old files have, and is 127 when the real one does not fit
    code = max(table.integer(0, fb.INT8), table.integer(3, fb.INT32))
    kind = KINDS.get(code, f"BUILTIN_{code}")
    return f"CUSTOM:{_printable(table.string(1))}" if kind == "CUSTOM" else kind


def _tensor(buffer: FlatBuffer, table: Table, index: int, buffers: list[npt.NDArray[np.uint8] | None]) -> Tensor:
    name = _printable(table.string(3)) or f"tensor_{index}"
    extents = table.vector(0, "int32")
    shape = tuple(cast("list[int]", extents.tolist())) if extents is not None else ()
    dtype = TENSOR_TYPES.get(table.integer(1, fb.INT8), "unknown")
    if len(shape) > MAX_RANK:
        raise IntrsError(
            f"{buffer.name}: tensor '{name}' has {len(shape)} dimensions, the limit is {MAX_RANK}: reshape it"
        )
    if any(extent < 1 for extent in shape):
        raise IntrsError(
            f"{buffer.name}: tensor '{name}' has shape {shape}: export the model with fixed, non-zero sizes"
        )
    elements = 1
    for extent in shape:
        elements *= extent  # Python integers: no overflow
    if elements > MAX_ELEMENTS:
        raise IntrsError(
            f"{buffer.name}: tensor '{name}' of shape {shape} has {elements} elements,"
            f" the limit is {MAX_ELEMENTS}: use a smaller model"
        )
    if table.integer(5, fb.BOOL):
        raise IntrsError(f"{buffer.name}: tensor '{name}' is a variable: export a stateless model")
    if table.table(6) is not None:
        raise IntrsError(f"{buffer.name}: tensor '{name}' is stored sparse: export dense weights")
    number = table.integer(2, fb.UINT32)
    if number >= len(buffers) and number != 0:
        raise buffer.fail(f"tensor '{name}' names buffer {number} of {len(buffers)}")
    data = buffers[number] if number < len(buffers) else None
    quant = _quant(buffer, table, name)
    if data is None or data.size == 0:
        return Tensor(name, shape, dtype, quant)
    if dtype == "int4":
        return Tensor(name, shape, "int8", quant, _nibbles(buffer, data, elements, name).reshape(shape))
    if dtype not in NUMPY_TYPES:
        raise IntrsError(f"{buffer.name}: constant '{name}' is of type {dtype}: export an int8 model")
    kind = np.dtype(dtype).newbyteorder("<")
    if data.size != elements * kind.itemsize:
        raise buffer.fail(
            f"constant '{name}' has {data.size} bytes, its shape {shape} needs {elements * kind.itemsize}"
        )
    if dtype == "bool":
        buffer.check(0, data.size)  # a copy: charged, since many tensors may share one buffer
        return Tensor(name, shape, dtype, quant, (data != 0).reshape(shape))
    return Tensor(name, shape, dtype, quant, data.view(kind).reshape(shape))


def _nibbles(buffer: FlatBuffer, data: npt.NDArray[np.uint8], elements: int, name: str) -> npt.NDArray[np.int8]:
    """int4 values as int8: two a byte, the lower nibble first. TensorFlow Lite unpacks them before it computes, too."""
    if data.size != (elements + 1) // 2:
        raise buffer.fail(
            f"constant '{name}' has {data.size} bytes, {elements} values of 4 bits need {ceil_div(elements, 2)}"
        )
    buffer.check(0, 2 * data.size)  # a copy: charged
    pairs: npt.NDArray[np.int8] = np.stack([data << 4, data], axis=1).view(np.int8) >> 4
    return pairs.reshape(-1)[:elements]


def _quant(buffer: FlatBuffer, table: Table, name: str) -> Quant | None:
    quant = table.table(4)
    if quant is None:
        return None
    scale, zero_point = quant.vector(2, "float32"), quant.vector(3, "int64")
    if scale is None or scale.size == 0:
        return None
    if zero_point is None or zero_point.size == 0:
        zero_point = np.zeros(scale.size, dtype=np.int64)
    elif zero_point.size == 1 and scale.size > 1:
        zero_point = np.full(scale.size, zero_point[0], dtype=np.int64)
    if zero_point.size != scale.size:
        raise buffer.fail(f"tensor '{name}' has {scale.size} scales and {zero_point.size} zero points")
    if quant.integer(4, fb.UINT8):
        raise IntrsError(f"{buffer.name}: tensor '{name}' has a custom quantisation: use affine int8")
    axis = quant.integer(6, fb.INT32)
    return Quant(scale.astype(np.float32), zero_point.astype(np.int64), axis)


def _indices(buffer: FlatBuffer, table: Table, slot: int, count: int, lowest: int = 0) -> tuple[int, ...]:
    values = table.vector(slot, "int32")
    indices = () if values is None else tuple(cast("list[int]", values.tolist()))
    for index in indices:
        if not lowest <= index < count:
            raise buffer.fail(f"tensor {index} of {count}")
    return indices


def _op(buffer: FlatBuffer, table: Table, index: int, kinds: list[str], tensors: int) -> Op:
    number = table.integer(0, fb.UINT32)
    if number >= len(kinds):
        raise buffer.fail(f"operator {index} has code {number} of {len(kinds)}")
    kind = kinds[number]
    inputs = _indices(buffer, table, 1, tensors, lowest=-1)
    outputs = _indices(buffer, table, 2, tensors)
    attrs: dict[str, Attr] = {}
    options = OPTIONS.get(kind)
    if options is not None and options.fields:
        stored = table.table(4) if table.integer(3, fb.UINT8) == options.type else None
        for field in options.fields:
            value = _attr(buffer, stored, field, kind)
            if value is not None:
                attrs[field.name] = value
    return Op(kind, inputs, outputs, attrs, f"{kind}_{index}")


def _attr(buffer: FlatBuffer, table: Table | None, field: Field, kind: str) -> Attr | None:
    if field.type == "ints":
        values = None if table is None else table.vector(field.slot, "int32")
        return None if values is None else tuple(cast("list[int]", values.tolist()))
    value = field.default if table is None else table.number(field.slot, _SCALARS[field.type], field.default)
    if field.type != "enum":
        return value
    if not 0 <= int(value) < len(field.names):
        raise buffer.fail(f"{kind} with {field.name} {value}")
    return field.names[int(value)]


def _metadata(buffer: FlatBuffer, model: Table, buffers: list[npt.NDArray[np.uint8] | None]) -> dict[str, str]:
    """Metadata entries that are UTF-8 text; others (such as TFLite's own binary ones) are none of ours."""
    entries: dict[str, str] = {}
    for table in model.tables(6):
        number = table.integer(1, fb.UINT32)
        if number >= len(buffers):
            raise buffer.fail(f"metadata in buffer {number} of {len(buffers)}")
        data = buffers[number]
        raw = b"" if data is None else data.tobytes()
        buffer.check(0, len(data) if data is not None else 0)  # charge the copy
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            continue
        entries[_printable(table.string(0))] = text
    return entries
