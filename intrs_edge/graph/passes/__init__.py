# SPDX-License-Identifier: Apache-2.0
"""Rewrites that keep every output of the graph, bit for bit; each is a function from graph to graph.

`simplify` applies them in an order in which each finds what the one before it left. `drop_tail`,
`integer_tail` and `integer_ends` change what the graph's ends are, and are asked for by name.
"""

from __future__ import annotations

from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes.channels_last import channels_last
from intrs_edge.graph.passes.drop_tail import drop_tail, integer_tail
from intrs_edge.graph.passes.fold_constants import fold_constants
from intrs_edge.graph.passes.fold_reshapes import fold_reshapes
from intrs_edge.graph.passes.fold_shapes import fold_shapes
from intrs_edge.graph.passes.fuse_activation import fuse_activation
from intrs_edge.graph.passes.fuse_dilation import fuse_dilation
from intrs_edge.graph.passes.fuse_pad import fuse_pad
from intrs_edge.graph.passes.integer_ends import integer_ends
from intrs_edge.graph.passes.remove_dead import remove_dead
from intrs_edge.graph.passes.signed_ends import signed_ends

PASSES = (fold_constants, fuse_activation, fuse_pad, fold_reshapes, remove_dead)


def normalize(graph: Graph) -> Graph:
    """A graph as it was read, before `validate`: without float ends, tails that are no logits and shape arithmetic,
    dilated convolutions in one piece, images NHWC.

    What neither needs is left as it is, and the result can be written as .tflite.
    """
    return channels_last(fuse_dilation(fold_shapes(integer_tail(integer_ends(graph)))))


def simplify(graph: Graph) -> Graph:
    """The validated graph after all exact passes. It may hold EXPLICIT padding, which .tflite cannot say."""
    for rewrite in PASSES:
        graph = rewrite(graph)
    return graph


__all__ = [
    "PASSES",
    "channels_last",
    "drop_tail",
    "fold_constants",
    "fold_reshapes",
    "fold_shapes",
    "fuse_activation",
    "fuse_dilation",
    "fuse_pad",
    "integer_ends",
    "integer_tail",
    "normalize",
    "remove_dead",
    "signed_ends",
    "simplify",
]
