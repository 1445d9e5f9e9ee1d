# SPDX-License-Identifier: Apache-2.0
"""Leaves out ops that change nothing or whose results nobody reads, and tensors that nothing refers to."""

from __future__ import annotations

import numpy as np

from intrs_edge.graph.geometry import pad_amounts
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.passes.rewrite import needed, rewired


def remove_dead(graph: Graph) -> Graph:
    """Exact: identities are proved op by op (a table of 256 equal values, no padding, a single part)."""
    names = {}
    kept = []
    for op in graph.ops:
        if _identity(graph, op):
            names[op.outputs[0]] = op.inputs[0]
        else:
            kept.append(op)
    return needed(rewired(graph, kept, names))


def _identity(graph: Graph, op: Op) -> bool:
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if len(op.outputs) != 1 or source.shape != output.shape or source.dtype != output.dtype:
        return False
    if op.inputs[0] in graph.inputs and op.outputs[0] in graph.outputs:
        return False  # an output that is the input itself would have no op at all
    if op.kind in TABLES:
        codes = np.arange(256, dtype=np.uint8).view(source.dtype)
        return np.array_equal(lut(graph, op), codes)
    if op.kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
        return True
    if op.kind == "CONCATENATION":
        return len(op.inputs) == 1
    return op.kind in ("PAD", "PADV2") and not any(any(pair) for pair in pad_amounts(graph, op))
