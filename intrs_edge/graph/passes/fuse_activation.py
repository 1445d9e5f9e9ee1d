# SPDX-License-Identifier: Apache-2.0
"""RELU, RELU6 and RELU_N1_TO_1 into the op before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intrs_edge.graph.ir import Graph
from intrs_edge.graph.lut import lut
from intrs_edge.graph.passes.rewrite import makers, readers
from intrs_edge.graph.quantize import activation_range, per_tensor

ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")
HOSTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D")


def fuse_activation(graph: Graph) -> Graph:
    """Where nothing else reads the value before the activation, and the activation is a clamp and nothing more.

    Exact: both clamps are applied to the same number, since the activation's table is compared with the clamp.
    """
    made, read = makers(graph), readers(graph)
    ops = list(graph.ops)
    dropped: set[int] = set()
    for number, op in enumerate(graph.ops):
        host = made.get(op.inputs[0]) if op.kind in ACTIVATIONS else None
        if host is None or host in dropped or graph.ops[host].kind not in HOSTS:
            continue
        source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if ops[host].attrs.get("activation", "NONE") != "NONE" or read[op.inputs[0]] != [number]:
            continue
        if op.inputs[0] in graph.outputs or per_tensor(source) != per_tensor(output):
            continue
        codes = np.arange(256, dtype=np.uint8).view(np.int8)
        if not np.array_equal(lut(graph, op), np.clip(codes, *activation_range(op.kind, output))):
            continue
        ops[host] = replace(ops[host], outputs=op.outputs, attrs={**ops[host].attrs, "activation": op.kind})
        dropped.add(number)
    return replace(graph, ops=tuple(op for number, op in enumerate(ops) if number not in dropped))
