# SPDX-License-Identifier: Apache-2.0
"""Whether what a graph asks of the compiler is in proportion to what it holds; looked at before anything else is."""

from __future__ import annotations

from collections.abc import Iterator

from intrs_edge.budget import CONNECTIONS, OPERATORS, Values
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.operators import MOVES

MOVED = 1 << 23


def too_large(graph: Graph) -> Iterator[str]:
    """Why it is not, each reason a line: too many operators, or constants that operators read over and over."""
    if len(graph.ops) > OPERATORS:
        yield f"the model has {len(graph.ops)} operators, the limit is {OPERATORS}: use a smaller model"
    edges = sum(len(op.inputs) + len(op.outputs) for op in graph.ops)
    if edges > CONNECTIONS:
        yield f"the operators have {edges} inputs and outputs, the limit is {CONNECTIONS}: use a smaller model"
        return
    ends = (i for op in graph.ops if op.kind in MOVES for i in (*op.inputs, *op.outputs))
    moved = sum(graph.tensors[i].elements for i in ends if 0 <= i < len(graph.tensors))
    if moved > MOVED:
        yield f"operators that only move values move {moved} of them, the limit is {MOVED}: use a smaller model"
    constants = {i: t.data for i, t in enumerate(graph.tensors) if t.data is not None}
    # several tensors may be views of the same bytes of a file
    held = {(d.__array_interface__["data"][0], d.nbytes) for d in constants.values()}
    budget = Values(sum(nbytes for _, nbytes in held))
    read = sum(constants[i].size for op in graph.ops for i in op.inputs if i in constants)
    try:
        budget.take(read, "reading the same constants in many operators")
    except IntrsError as error:
        yield str(error)
