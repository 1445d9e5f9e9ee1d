# SPDX-License-Identifier: Apache-2.0
"""What a person should know of a graph that is computed as TensorFlow Lite's reference kernels compute it."""

from __future__ import annotations

from intrs_edge.graph.ir import Graph


def warnings(graph: Graph) -> list[str]:
    """Lines on operators whose reference kernel is not what the network was trained with; empty for most graphs."""
    return [
        f"SUM '{op.name[:64]}' reads int8 values as unsigned bytes, which TensorFlow Lite's reference kernel does and "
        "training does not: its answers are not the trained network's; replace it by MEAN"
        for op in graph.ops
        if op.kind == "SUM"
    ]
