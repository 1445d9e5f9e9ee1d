# SPDX-License-Identifier: Apache-2.0
"""uint8 ends of a model as int8: the same numbers, 128 lower."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from intrs_edge.graph.ir import Graph, Quant, Tensor


def signed_ends(graph: Graph) -> Graph:
    """The graph with uint8 inputs and outputs declared int8, their zero points 128 lower.

    The ops at the ends are QUANTIZE (the validator's rule), which see a value less its zero point alone: every real
    value is what it was, and the order of the logits too.
    """
    ends = {i for i in (*graph.inputs, *graph.outputs) if graph.tensors[i].dtype == "uint8"}
    return _moved(graph, ends, "int8", -128)


def unsigned_ends(graph: Graph, ends: Collection[int]) -> Graph:
    """`signed_ends` backwards, for the inputs and outputs whose tensors are named."""
    return _moved(graph, ends, "uint8", 128)


def _moved(graph: Graph, ends: Collection[int], dtype: str, by: int) -> Graph:
    def moved(tensor: Tensor) -> Tensor:
        q = tensor.quant
        return replace(tensor, dtype=dtype, quant=q and Quant(q.scale, q.zero_point + by, q.axis))

    if not ends:
        return graph
    return replace(graph, tensors=tuple(moved(t) if i in ends else t for i, t in enumerate(graph.tensors)))
