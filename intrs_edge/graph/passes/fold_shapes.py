# SPDX-License-Identifier: Apache-2.0
"""Shape arithmetic: SHAPE, STRIDED_SLICE and PACK on small integers, as Keras exports a Flatten of any batch size, and
shapes behind a RESHAPE to an unknown extent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.geometry import constant_ints, integer, slices
from intrs_edge.graph.ir import MAX_ELEMENTS, Graph, Op, Tensor
from intrs_edge.graph.operators import OPERATORS
from intrs_edge.graph.passes.rewrite import compact
from intrs_edge.graph.shapes import Shape

LARGEST = 64  # values: shapes are short, and what is longer is left to the operators


def fold_shapes(graph: Graph) -> Graph:
    """Results of shape arithmetic become constants, and every value has the shape that its operator gives it.

    The input's shape is fixed, so that all others follow; what a file says of them may be stale (a converter that does
    not know the batch writes 1, and an interpreter computes them again). Works on graphs that are not validated yet:
    what does not fit is left for `validate`.
    """
    tensors = list(graph.tensors)
    current = replace(graph, tensors=cast("tuple[Tensor, ...]", tensors))  # sees every change
    ops: list[Op] = []
    for op in graph.ops:
        value = _evaluate(current, op) if len(op.outputs) == 1 and op.outputs[0] not in graph.outputs else None
        output = tensors[op.outputs[0]] if op.outputs else None
        if value is None or output is None or value.shape != output.shape or output.dtype not in ("int32", "int64"):
            ops.append(op)
            for index, shape in zip(op.outputs, _shapes(current, op), strict=True):
                if shape != tensors[index].shape and tensors[index].data is None:
                    tensors[index] = replace(tensors[index], shape=shape)
            continue
        tensors[op.outputs[0]] = replace(output, data=value.astype(output.dtype))
    if len(ops) == len(graph.ops) and all(a is b for a, b in zip(tensors, graph.tensors, strict=True)):
        return graph
    return compact(replace(graph, tensors=tuple(tensors), ops=tuple(ops)))


def _shapes(graph: Graph, op: Op) -> list[Shape]:
    """The outputs' shapes as the inputs give them, or as they are where the op is not sound."""
    declared = [graph.tensors[i].shape for i in op.outputs]
    pattern = OPERATORS[op.kind].inputs if op.kind in OPERATORS else ""
    required = len(pattern[:-2] if pattern.endswith("?") else pattern.rstrip("*"))
    if not pattern or len(op.inputs) < required or min(op.inputs[:required]) < 0 or not op.outputs:
        return declared
    try:
        found = [_reshaped(graph, op)] if op.kind == "RESHAPE" else OPERATORS[op.kind].shape(graph, op)
    except (ValueError, IndexError):
        return declared
    sound = len(found) == len(declared) and all(math.prod(shape) <= MAX_ELEMENTS for shape in found)
    return found if sound else declared


def _reshaped(graph: Graph, op: Op) -> Shape:
    elements = graph.tensors[op.inputs[0]].elements
    if len(op.inputs) > 1 and op.inputs[1] >= 0:
        target = constant_ints(graph, op.inputs[1])
    else:
        target = cast("Shape", op.attrs.get("new_shape", ()))
    known = math.prod(n for n in target if n != -1)
    if target.count(-1) == 1 and known > 0 and elements % known == 0:
        return tuple(elements // known if n == -1 else n for n in target)
    if min(target, default=1) < 1 or known != elements:
        raise ValueError
    return target


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
