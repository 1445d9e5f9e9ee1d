"""Shape arithmetic: SHAPE, STRIDED_SLICE and PACK on small integers, as Keras exports a Flatten of any batch size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.geometry import integer, slices
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes.rewrite import compact

LARGEST = 64  # values: shapes are short, and what is longer is left to the operators


def fold_shapes(graph: Graph) -> Graph:
    """Their results become constants, since every shape in a graph is fixed. Works on graphs that are not validated
    yet."""
    tensors = list(graph.tensors)
    ops: list[Op] = []
    for op in graph.ops:
        current = replace(graph, tensors=tuple(tensors)) if op.kind in ("SHAPE", "STRIDED_SLICE", "PACK") else graph
        value = _evaluate(current, op) if len(op.outputs) == 1 and op.outputs[0] not in graph.outputs else None
        output = tensors[op.outputs[0]] if op.outputs else None
        if value is None or output is None or value.shape != output.shape or output.dtype not in ("int32", "int64"):
            ops.append(op)
            continue
        tensors[op.outputs[0]] = replace(output, data=value.astype(output.dtype))
    if len(ops) == len(graph.ops):
        return graph
    return compact(replace(graph, tensors=tuple(tensors), ops=tuple(ops)))


def _evaluate(graph: Graph, op: Op) -> npt.NDArray[np.int64] | None:
    if op.kind not in ("SHAPE", "STRIDED_SLICE", "PACK") or not op.inputs or min(op.inputs) < 0:
        return None
    if op.kind == "SHAPE":
        return np.array(graph.tensors[op.inputs[0]].shape, dtype=np.int64)
    values = [graph.tensors[i].data for i in op.inputs]
    if any(v is None or v.dtype.kind != "i" or v.size > LARGEST for v in values):
        return None
    known = [v.astype(np.int64) for v in values if v is not None]
    if op.kind == "PACK":
        if integer(op, "axis", 0) != 0 or any(v.shape for v in known):
            return None
        return np.array([int(v) for v in known], dtype=np.int64)
    try:
        found = slices(graph, op) if len(op.inputs) == 4 else None
    except ValueError:
        return None
    if found is None:
        return None
    result = known[0]
    for axis, r in enumerate(found.ranges):
        result = np.take(result, r.start + r.step * np.arange(r.count), axis=axis)
    return result.reshape(found.shape)
