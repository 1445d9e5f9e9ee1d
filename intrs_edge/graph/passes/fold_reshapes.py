# SPDX-License-Identifier: Apache-2.0
"""RESHAPE, SQUEEZE and EXPAND_DIMS: chains become one, and none is left before a FULLY_CONNECTED, which flattens
anyway."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes.rewrite import makers

ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def fold_reshapes(graph: Graph) -> Graph:
    """Exact: only names of the same bytes change. The reshapes passed by are dead unless something else reads them."""
    made = makers(graph)

    def origin(index: int) -> int:
        while index in made and graph.ops[made[index]].kind in ALIASES:
            index = graph.ops[made[index]].inputs[0]
        return index

    def shortened(op: Op) -> Op:
        flattens = op.kind == "FULLY_CONNECTED" and not op.attrs.get("keep_num_dims")
        if not flattens and op.kind not in ALIASES:
            return op
        source = origin(op.inputs[0])
        return op if graph.tensors[source].constant else replace(op, inputs=(source, *op.inputs[1:]))

    return replace(graph, ops=tuple(shortened(op) for op in graph.ops))
