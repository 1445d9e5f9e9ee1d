# SPDX-License-Identifier: Apache-2.0
"""What a classifier does not need at its end: SOFTMAX and its like, which leave the largest logit the largest."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.geometry import constant_ints, resolve_axis
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes.rewrite import makers, needed

# every one is non-decreasing in each logit with the order of logits kept, up to ties
MONOTONE = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "ARG_MAX")
# what may lie behind one of them and goes with it: another scale, another shape, another type
CARRIED = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST")
# behind these an output says no more than which class, or is not of this project's arithmetic
FOREIGN = ("LOG_SOFTMAX", "ARG_MAX", "DEQUANTIZE")
DROPPED = "intrs.dropped"


def drop_tail(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """(the graph that ends in logits, the kinds of the ops left out, last first).

    The largest logit is always among the largest outputs of the tail, so where the tail's largest output is unique the
    class is the same. Where it is not (a rounded or saturated softmax can make distinct logits equal) the tail's
    answer is the lowest of the tied classes and the logits' answer is the one they favour: two different classifiers,
    and a certificate speaks of the one that was compiled. ARG_MAX alone drops exactly: it, too, takes the lowest of
    tied logits.
    """
    return _cut(graph, MONOTONE)


def integer_tail(graph: Graph) -> Graph:
    """The graph without the part of its tail that this project does not compute: ARG_MAX, LOG_SOFTMAX, all in float.

    What is left out is named in the metadata ``intrs.dropped``, first op first. Works on graphs that are not validated
    yet. An int8 SOFTMAX or LOGISTIC stays.
    """
    shorter, dropped = _cut(graph, FOREIGN)
    if not dropped:
        return graph
    return replace(shorter, metadata={**graph.metadata, DROPPED: ", ".join(reversed(dropped))})


def _cut(graph: Graph, ends: tuple[str, ...]) -> tuple[Graph, tuple[str, ...]]:
    """Cuts below the first op of a kind of ``ends`` in the tail; what only carries on is left where none is below."""
    made = makers(graph)
    if len(graph.outputs) != 1:
        return graph, ()
    seen: list[str] = []
    cut: tuple[int, int] | None = None  # (the new output, how many ops go)
    index = graph.outputs[0]
    while index in made and len(seen) < len(graph.ops):
        op = graph.ops[made[index]]
        if not _passes(graph, op):
            break
        seen.append(op.kind)
        index = op.inputs[0]
        if op.kind in ends:
            cut = (index, len(seen))
    if cut is None:
        return graph, ()
    return needed(replace(graph, outputs=(cut[0],))), tuple(seen[: cut[1]])


def _passes(graph: Graph, op: Op) -> bool:
    """Whether the op keeps the class of the one vector of scores that it reads."""
    if not op.inputs or op.inputs[0] < 0 or len(op.outputs) != 1:
        return False
    source = graph.tensors[op.inputs[0]]
    if source.data is not None:
        return False
    if op.kind in CARRIED:
        return graph.tensors[op.outputs[0]].elements == source.elements
    if op.kind not in MONOTONE or source.elements < 2 or not source.shape:
        return False  # a lone score has no largest class
    if op.kind == "ARG_MAX":
        try:
            axis = resolve_axis(constant_ints(graph, op.inputs[1])[0], len(source.shape))
        except (ValueError, IndexError):
            return False
        return source.shape[axis] == source.elements
    return max(source.shape) == source.elements and (op.kind in ("LOGISTIC", "TANH") or source.shape[-1] > 1)
