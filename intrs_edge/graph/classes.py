# SPDX-License-Identifier: Apache-2.0
"""Whether a graph is a classifier: one score a class, the largest of which is the answer."""

from __future__ import annotations

from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph


def class_count(graph: Graph) -> int:
    """The number of classes of a graph with one output. IntrsError where its output is no vector of scores.

    One score alone has no largest class (its threshold is not in the file), and a map has one class at every position.
    """
    output = graph.tensors[graph.outputs[0]]
    wide = [n for n in output.shape if n > 1]
    if not wide:
        raise IntrsError(
            f"output '{output.name}' is one value, and one score has no largest class: "
            "give the network an output for each class (two for yes or no)"
        )
    if len(wide) > 1:
        raise IntrsError(
            f"output '{output.name}' is a map of shape {list(output.shape)}, not one score a class: "
            "end the network in a mean over positions, or in a fully connected layer"
        )
    return wide[0]
