# SPDX-License-Identifier: Apache-2.0
"""PAD into the convolutions that read it: padding EXPLICIT, and no padded copy in memory."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.graph.geometry import pad_amounts, window
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes.rewrite import makers
from intrs_edge.graph.quantize import per_tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def fuse_pad(graph: Graph) -> Graph:
    """Convolutions read the unpadded value. Exact: the padding is the zero point, which a convolution counts as zero.

    The PAD stays for readers that are not convolutions; without any it is dead.
    """
    made = makers(graph)
    ops = []
    for op in graph.ops:
        number = made.get(op.inputs[0]) if op.kind in CONVOLUTIONS else None
        pad = None if number is None else graph.ops[number]
        if pad is None or not _fusable(graph, pad):
            ops.append(op)
            continue
        (_, _), (top, bottom), (left, right), (_, _) = pad_amounts(graph, pad)
        w = window(graph, op)
        total = (w.pad_top + top, w.pad_bottom + bottom, w.pad_left + left, w.pad_right + right)
        attrs = {**op.attrs, "padding": "EXPLICIT", "pad": total}
        ops.append(replace(op, inputs=(pad.inputs[0], *op.inputs[1:]), attrs=attrs))
    return replace(graph, ops=tuple(ops))


def _fusable(graph: Graph, pad: Op) -> bool:
    if pad.kind not in ("PAD", "PADV2"):
        return False
    source, output = graph.tensors[pad.inputs[0]], graph.tensors[pad.outputs[0]]
    if len(source.shape) != 4 or source.data is not None or per_tensor(source) != per_tensor(output):
        return False
    if pad.kind == "PADV2":
        value = graph.tensors[pad.inputs[2]].data
        if value is None or int(value.reshape(-1)[0]) != per_tensor(output)[1]:
            return False
    amounts = pad_amounts(graph, pad)
    return amounts[0] == (0, 0) and amounts[3] == (0, 0)
