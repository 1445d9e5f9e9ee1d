# SPDX-License-Identifier: Apache-2.0
"""A float input or output of an otherwise integer model: the QUANTIZE and DEQUANTIZE at the ends go."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes.rewrite import compact, makers, readers


def integer_ends(graph: Graph) -> Graph:
    """The graph between its first QUANTIZE and its last DEQUANTIZE: its input and output become the int8 tensors.

    The integer part is unchanged; what the ends rounded is now up to the caller (the scales are in the int8 tensors).
    """
    made, read = makers(graph), readers(graph)
    inputs, outputs, dropped = list(graph.inputs), list(graph.outputs), set()
    for position, index in enumerate(graph.inputs):
        users = read.get(index, [])
        if graph.tensors[index].dtype == "float32" and len(users) == 1 and graph.ops[users[0]].kind == "QUANTIZE":
            inputs[position] = graph.ops[users[0]].outputs[0]
            dropped.add(users[0])
    for position, index in enumerate(graph.outputs):
        number = made.get(index)
        if graph.tensors[index].dtype == "float32" and number is not None and graph.ops[number].kind == "DEQUANTIZE":
            outputs[position] = graph.ops[number].inputs[0]
            dropped.add(number)
    if not dropped:
        return graph
    ops = tuple(op for number, op in enumerate(graph.ops) if number not in dropped)
    return compact(replace(graph, ops=ops, inputs=tuple(inputs), outputs=tuple(outputs)))
