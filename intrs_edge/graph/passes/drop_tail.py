"""What a classifier does not need at its end: SOFTMAX and its like, which leave the largest logit the largest."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes.remove_dead import remove_dead
from intrs_edge.graph.passes.rewrite import makers

# every one is non-decreasing in each logit with the order of logits kept, up to ties
MONOTONE = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "ARG_MAX")


def drop_tail(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """(the graph that ends in logits, the kinds of the ops left out, last first).

    The largest logit is always among the largest outputs of the tail, so where the tail's largest output is unique the
    class is the same. Where it is not (a rounded or saturated softmax can make distinct logits equal) the tail's
    answer is the lowest of the tied classes and the logits' answer is the one they favour: two different classifiers,
    and a certificate speaks of the one that was compiled. ARG_MAX alone drops exactly: it, too, takes the lowest of
    tied logits.
    """
    dropped: list[str] = []
    while True:
        made = makers(graph)
        if len(graph.outputs) != 1 or graph.outputs[0] not in made:
            return graph, tuple(dropped)
        op = graph.ops[made[graph.outputs[0]]]
        source = graph.tensors[op.inputs[0]]
        if op.kind not in MONOTONE or source.data is not None or source.elements != source.shape[-1]:
            return graph, tuple(dropped)
        if op.kind == "LOGISTIC" and source.elements == 1:
            return graph, tuple(dropped)  # a lone score has no largest class
        dropped.append(op.kind)
        graph = remove_dead(replace(graph, outputs=(op.inputs[0],)))
