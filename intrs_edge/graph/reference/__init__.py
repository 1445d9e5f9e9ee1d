# SPDX-License-Identifier: Apache-2.0
"""The numpy reference interpreter: the arithmetic contract (docs/contract.md) in executable form.

`run` evaluates a graph on K independent inputs at once, and equals tflite-runtime 2.14 with BUILTIN_REF bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.budget import VALUES
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.reference import conv, elementwise, movement, pool, unary
from intrs_edge.graph.reference.common import KERNELS, Array

__all__ = ["KERNELS", "conv", "elementwise", "movement", "pool", "run", "run_all", "unary", "values"]


def run(graph: Graph, inputs: Array) -> Array:
    """``[K, *shape]`` of the one input to ``[K, *shape]`` of the one output, raw quantised values.

    A leading tensor dimension of 1 (the batch) may be left out of the input and is left out of the output: ``[K, H, W,
    C]`` gives ``[K, classes]``. Raises IntrsError when the shapes do not fit or the graph has several inputs or
    outputs.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise IntrsError(f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: use run_all")
    largest = max(t.elements for t in graph.tensors if t.data is None)
    step = max(1, VALUES // largest)  # as many at once as keep the memory small
    parts = [run_all(graph, [inputs[i : i + step]])[0] for i in range(0, max(1, len(inputs)), step)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def run_all(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """`run` for any number of inputs and outputs, in the graph's order."""
    found = values(graph, inputs)
    runs = max(len(x) for x in found.values())
    outputs = []
    for index in graph.outputs:
        shape = graph.tensors[index].shape
        y = np.broadcast_to(found[index], (runs, *shape))
        outputs.append(y.reshape(runs, *shape[1:]) if shape[:1] == (1,) else y)
    return outputs


def values(graph: Graph, inputs: Sequence[Array], keep: bool = False) -> dict[int, Array]:
    """Every graph output's value ``[K, *shape]`` by tensor index; with ``keep``, every tensor's."""
    found: dict[int, Array] = {}
    for index, x in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensors[index]
        if np.asarray(x).dtype.name != tensor.dtype:
            raise IntrsError(f"input '{tensor.name}' takes {tensor.dtype}, not values of type {np.asarray(x).dtype}")
        found[index] = _with_batch(np.asarray(x), tensor.shape, tensor.name)
    last_use = {i: n for n, op in enumerate(graph.ops) for i in op.inputs}
    for number, op in enumerate(graph.ops):
        args = [_argument(graph, found, i) for i in op.inputs]
        for index, y in zip(op.outputs, KERNELS[op.kind](graph, op, args), strict=True):
            found[index] = y
        if not keep:
            for i in op.inputs:
                if last_use.get(i) == number and i not in graph.outputs:
                    found.pop(i, None)
    return found


def _argument(graph: Graph, found: dict[int, Array], index: int) -> Array:
    if index < 0:
        return np.empty(0)
    if index in found:
        return found[index]
    data = graph.tensors[index].data
    if data is None:
        raise IntrsError(f"tensor '{graph.tensors[index].name}' is used before anything makes it: validate the graph")
    return data[np.newaxis]


def _with_batch(x: Array, shape: tuple[int, ...], name: str) -> Array:
    if x.ndim and x.shape[1:] == shape:
        return x
    if x.ndim and shape[:1] == (1,) and x.shape[1:] == shape[1:]:
        return x.reshape(len(x), *shape)
    raise IntrsError(
        f"input '{name}' is {list(x.shape)}, the model takes [K, {', '.join(map(str, shape))}]: reshape it"
    )
