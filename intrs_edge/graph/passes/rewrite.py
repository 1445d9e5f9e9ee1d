# SPDX-License-Identifier: Apache-2.0
"""What passes share: who reads a tensor, renaming tensors, leaving out what nobody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from intrs_edge.graph.ir import Graph, Op


def readers(graph: Graph) -> dict[int, list[int]]:
    """Tensor index -> the numbers of the ops that read it, in order; an op that reads it twice counts once."""
    found: dict[int, list[int]] = {}
    for number, op in enumerate(graph.ops):
        for index in dict.fromkeys(op.inputs):
            found.setdefault(index, []).append(number)
    return found


def makers(graph: Graph) -> dict[int, int]:
    """Tensor index -> the number of the op that makes it."""
    return {index: number for number, op in enumerate(graph.ops) for index in op.outputs}


def renamed(op: Op, names: Mapping[int, int]) -> Op:
    """The op with its inputs replaced."""
    return replace(op, inputs=tuple(names.get(i, i) for i in op.inputs))


def rewired(graph: Graph, ops: Sequence[Op], names: Mapping[int, int]) -> Graph:
    """The graph with other ops, in which every reader of ``a`` reads ``names[a]``, chains of names included."""

    def final(index: int) -> int:
        while index in names:
            index = names[index]
        return index

    flat = {index: final(index) for index in names}
    return replace(
        graph,
        ops=tuple(renamed(op, flat) for op in ops),
        outputs=tuple(flat.get(i, i) for i in graph.outputs),
    )


def needed(graph: Graph) -> Graph:
    """The same graph without ops whose results nobody reads, compact. Works on graphs that are not validated yet."""
    read = set(graph.outputs)
    live = []
    for op in reversed(graph.ops):
        if read & set(op.outputs):
            live.append(op)
            read |= set(op.inputs)
    return compact(replace(graph, ops=tuple(reversed(live))))


def compact(graph: Graph) -> Graph:
    """The same graph without tensors that nothing refers to, the others renumbered in order."""
    used = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        used |= {i for i in (*op.inputs, *op.outputs) if i >= 0}
    if len(used) == len(graph.tensors):
        return graph
    number = {old: new for new, old in enumerate(sorted(used))}
    number[-1] = -1

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number[i] for i in indices)

    return replace(
        graph,
        tensors=tuple(graph.tensors[i] for i in sorted(used)),
        ops=tuple(replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs)) for op in graph.ops),
        inputs=moved(graph.inputs),
        outputs=moved(graph.outputs),
    )
