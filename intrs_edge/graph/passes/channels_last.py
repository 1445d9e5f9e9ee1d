# SPDX-License-Identifier: Apache-2.0
"""An input in NCHW, as PyTorch has it: the model takes NHWC, and the TRANSPOSE that its converter put first goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.passes.rewrite import compact, readers, rewired
from intrs_edge.graph.preprocessing import KEY, described, parse

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def channels_last(graph: Graph) -> Graph:
    """The graph with its image input as [1, H, W, C].

    A model is seen as NCHW when all that ever reads its input [1, C, H, W], directly or behind QUANTIZE, is TRANSPOSE
    to NHWC (with one channel: RESHAPE to it), or when its metadata say so; then a TRANSPOSE back stands where one is
    needed. Outputs stay what they are, for the same image with its axes moved.
    """
    if len(graph.inputs) != 1 or len(graph.tensors[graph.inputs[0]].shape) != 4:
        return graph
    said = KEY in graph.metadata and parse(graph.metadata[KEY])[0].layout == "NCHW"
    found = _first_transposes(graph)
    if found is not None:
        graph = _without(graph, *found)
    elif said:
        graph = _transposed(graph)
    if not said:
        return graph
    return described(graph, replace(parse(graph.metadata[KEY])[0], layout="NHWC"))


def _first_transposes(graph: Graph) -> tuple[list[int], list[int]] | None:
    """(tensors in NCHW, numbers of the ops that turn them to NHWC); None when anything else reads one."""
    read, moved, turning = readers(graph), [graph.inputs[0]], []
    for index in moved:
        if index in graph.outputs or not read.get(index):
            return None
        for number in read[index]:
            op = graph.ops[number]
            if len(op.outputs) != 1 or op.outputs[0] in moved:
                return None  # not validated yet: none, or a circle
            if op.kind == "QUANTIZE":
                moved.append(op.outputs[0])
            elif _turns(graph, op, index):
                turning.append(number)
            else:
                return None
    return moved, turning


def _turns(graph: Graph, op: Op, index: int) -> bool:
    shape, out = graph.tensors[index].shape, graph.tensors[op.outputs[0]].shape
    if len(shape) != 4 or out != tuple(shape[i] for i in TO_NHWC) or not _same_codes(graph, index, op.outputs[0]):
        return False
    if op.kind == "TRANSPOSE":
        perm = graph.tensors[op.inputs[1]].data if len(op.inputs) > 1 else None
        return perm is not None and tuple(perm.reshape(-1).tolist()) == TO_NHWC
    return op.kind == "RESHAPE" and op.inputs[0] == index and shape[1] == 1


def _same_codes(graph: Graph, a: int, b: int) -> bool:
    p, q = graph.tensors[a].quant, graph.tensors[b].quant
    if p is None or q is None:
        return p is q
    return bool(np.array_equal(p.scale, q.scale) and np.array_equal(p.zero_point, q.zero_point))


def _without(graph: Graph, moved: list[int], turning: list[int]) -> Graph:
    tensors = list(graph.tensors)
    for index in moved:
        tensors[index] = replace(tensors[index], shape=tuple(tensors[index].shape[i] for i in TO_NHWC))
    ops = [op for number, op in enumerate(graph.ops) if number not in turning]
    names = {graph.ops[number].outputs[0]: graph.ops[number].inputs[0] for number in turning}
    return compact(rewired(replace(graph, tensors=tuple(tensors)), ops, names))


def _transposed(graph: Graph) -> Graph:
    """The graph behind a new input in NHWC and a TRANSPOSE of it."""
    old = graph.inputs[0]
    source = graph.tensors[old]
    shape = tuple(source.shape[i] for i in TO_NHWC)
    perm = np.array(TO_NCHW, np.int32)
    new = len(graph.tensors)
    tensors = (
        *graph.tensors,
        replace(source, name=f"{source.name}/nhwc", shape=shape),
        Tensor(f"{source.name}/perm", (4,), "int32", None, perm),
    )
    turn = Op("TRANSPOSE", (new, new + 1), (old,), {}, f"{source.name}/nchw")
    return replace(graph, tensors=tensors, ops=(turn, *graph.ops), inputs=(new,))
