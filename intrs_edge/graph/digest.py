# SPDX-License-Identifier: Apache-2.0
"""What a model is, as a number: SHA-256 of the graph itself, whatever file it came from.

Two files of one graph (other writers, layouts, names, tensors that nothing reads) have one digest; a change of any
number that decides an output changes it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.operators import OPTIONS
from intrs_edge.graph.tflite_schema import Field

# metadata that decides what the network computes; names of classes and training notes do not
_FUNCTION = ("intrs.input",)


def graph_digest(graph: Graph) -> str:
    """SHA-256 in hexadecimal of operators, options, shapes, quantisation, constants and the meaning of the input.

    Tensors are numbered in the order of use; names and unused tensors do not count, options count with TFLite's
    defaults filled in.
    """
    numbers: dict[int, int] = {-1: -1}
    tensors: list[list[Any]] = []

    def use(indices: tuple[int, ...]) -> list[int]:
        for index in indices:
            if index not in numbers:
                numbers[index] = len(tensors)
                tensors.append(_tensor(graph.tensors[index]))
        return [numbers[index] for index in indices]

    content = {
        "inputs": use(graph.inputs),
        "ops": [[op.kind, use(op.inputs), use(op.outputs), _options(op)] for op in graph.ops],
        "outputs": use(graph.outputs),
        "tensors": tensors,
        "metadata": {name: graph.metadata[name] for name in _FUNCTION if name in graph.metadata},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _tensor(tensor: Tensor) -> list[Any]:
    quant: list[Any] | None = None
    if tensor.quant is not None:
        q = tensor.quant
        quant = [q.scale.astype("<f4").tobytes().hex(), q.zero_point.tolist(), q.axis if q.per_channel else 0]
    data = None
    if tensor.data is not None:
        plain = np.ascontiguousarray(tensor.data, np.dtype(tensor.dtype).newbyteorder("<"))
        data = hashlib.sha256(plain.tobytes()).hexdigest()
    return [list(tensor.shape), tensor.dtype, quant, data]


def _options(op: Op) -> dict[str, Any]:
    known = OPTIONS.get(op.kind)
    filled: dict[str, Any] = {f.name: _default(f) for f in known.fields} if known is not None else {}
    return {name: _plain(value) for name, value in (filled | dict(op.attrs)).items()}


def _default(f: Field) -> Any:
    if f.type == "ints":
        return ()
    return f.names[int(f.default)] if f.type == "enum" else f.default


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return np.float32(value + 0.0).tobytes().hex()  # -0.0 is 0.0: a file leaves either out
    if isinstance(value, tuple):
        return [int(v) for v in value]
    return value if isinstance(value, str) else int(value)
