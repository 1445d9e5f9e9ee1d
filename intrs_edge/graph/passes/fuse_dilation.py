# SPDX-License-Identifier: Apache-2.0
"""SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND: how Keras exports a dilated convolution, back into one."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.geometry import constant_ints, integer, same_or_valid
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes.rewrite import compact, makers, readers

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def fuse_dilation(graph: Graph) -> Graph:
    """Where the three together are what SAME or VALID with a dilation does. Exact: the same products are summed.

    A convolution of every block-th row and column is a convolution whose filter is dilated by the block; what the first
    operator pads counts as zero, whether it is stored or not.
    """
    made, read = makers(graph), readers(graph)
    ops = list(graph.ops)
    dropped: set[int] = set()
    for number, last in enumerate(graph.ops):
        if last.kind != "BATCH_TO_SPACE_ND":
            continue
        middle = made.get(last.inputs[0], -1)
        first = made.get(graph.ops[middle].inputs[0], -1) if middle >= 0 else -1
        if first < 0 or read[last.inputs[0]] != [number] or graph.ops[middle].kind not in CONVOLUTIONS:
            continue
        attrs = _dilated(graph, graph.ops[first], graph.ops[middle], last)
        if attrs is None:
            continue
        conv = graph.ops[middle]
        inputs = (graph.ops[first].inputs[0], *conv.inputs[1:])
        ops[number] = replace(conv, inputs=inputs, outputs=last.outputs, attrs={**conv.attrs, **attrs})
        dropped.add(middle)
        if read[conv.inputs[0]] == [middle]:
            dropped.add(first)
    if not dropped:
        return graph
    return compact(replace(graph, ops=tuple(op for number, op in enumerate(ops) if number not in dropped)))


def _dilated(graph: Graph, first: Op, conv: Op, last: Op) -> dict[str, int | str] | None:
    """The attributes of the one convolution, or None where the three are something else."""
    if first.kind != "SPACE_TO_BATCH_ND" or conv.attrs.get("padding") != "VALID":
        return None
    if any(integer(conv, key, 1) != 1 for key in ("stride_h", "stride_w", "dilation_h", "dilation_w")):
        return None
    source, output = graph.tensors[first.inputs[0]], graph.tensors[last.outputs[0]]
    weights = graph.tensors[conv.inputs[1]]
    if not len(source.shape) == len(output.shape) == len(weights.shape) == 4 or source.shape[0] != output.shape[0]:
        return None
    try:
        block, unblock = constant_ints(graph, first.inputs[1]), constant_ints(graph, last.inputs[1])
        pads, crops = constant_ints(graph, first.inputs[2]), constant_ints(graph, last.inputs[2])
    except ValueError:
        return None
    if block != unblock or len(block) != 2 or min(block) < 1 or len(pads) != 4 or len(crops) != 4:
        return None
    if not _alike(graph, first.inputs[0], first.outputs[0]) or not _alike(graph, last.inputs[0], last.outputs[0]):
        return None
    for padding in ("SAME", "VALID"):
        if all(
            same_or_valid(padding, source.shape[1 + a], weights.shape[1 + a], 1, block[a])[:2]
            == (output.shape[1 + a], pads[2 * a] - crops[2 * a])
            for a in (0, 1)
        ):
            return {"padding": padding, "dilation_h": block[0], "dilation_w": block[1]}
    return None


def _alike(graph: Graph, a: int, b: int) -> bool:
    p, q = graph.tensors[a].quant, graph.tensors[b].quant
    return (
        p is not None
        and q is not None
        and p.scale.tolist() == q.scale.tolist()
        and (p.zero_point.tolist() == q.zero_point.tolist())
    )
