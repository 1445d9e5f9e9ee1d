# SPDX-License-Identifier: Apache-2.0
"""Ops that read constants only become constants."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.budget import Values
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.reference import KERNELS
from intrs_edge.graph.summary import adds, macs

PRODUCTS_A_VALUE = 64  # multiply-accumulates that take about as long as making one value


def fold_constants(graph: Graph) -> Graph:
    """Evaluates, with the reference, every op without a variable input; a graph output stays computed.

    Raises IntrsError where the constants would become many more than the model holds.
    """
    tensors = list(graph.tensors)
    budget = Values(sum(t.data.nbytes for t in graph.tensors if t.data is not None))
    ops: list[Op] = []
    for op in graph.ops:
        known = all(i < 0 or tensors[i].data is not None for i in op.inputs)
        if not known or not op.inputs or op.kind not in KERNELS or set(op.outputs) & set(graph.outputs):
            ops.append(op)
            continue
        work = (macs(graph, op) + adds(graph, op)) // PRODUCTS_A_VALUE
        budget.take(sum(tensors[i].elements for i in op.outputs) + work, f"{op.kind} '{op.name}' of constants")
        current = replace(graph, tensors=tuple(tensors))
        args = [tensors[i].data[None] for i in op.inputs if i >= 0]  # type: ignore[index]
        for index, value in zip(op.outputs, KERNELS[op.kind](current, op, args), strict=True):
            tensors[index] = replace(tensors[index], data=value[0])
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))
