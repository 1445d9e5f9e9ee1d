# SPDX-License-Identifier: Apache-2.0
"""What a classifier does not need at its end: what leaves the largest logit the largest, and all behind it."""

from __future__ import annotations

import onnx

MONOTONE = ("ArgMax", "Exp", "Hardmax", "Log", "LogSoftmax", "Sigmoid", "Softmax", "Tanh")
_ALONG_AN_AXIS = ("ArgMax", "Hardmax", "LogSoftmax", "Softmax")
_PASSED = (
    "Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze",
)  # fmt: skip


def tail(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The monotone nodes at a graph's end, first to last: behind the first there are only such, Q, DQ and reshapes.

    Whether the first can be dropped, `keeps_the_class` says; all behind it then goes with it, a QuantizeLinear too,
    whose scale is that of probabilities.
    """
    makers = {name: node for node in graph.node for name in node.output}
    found: list[onnx.NodeProto] = []
    node = makers.pop(graph.output[0].name, None)
    while node is not None and node.op_type in (*MONOTONE, *_PASSED) and node.input:
        if node.op_type in MONOTONE:
            found.append(node)
        node = makers.pop(node.input[0], None)  # popped: a cycle ends
    return found[::-1]


def keeps_the_class(node: onnx.NodeProto, shape: tuple[int, ...], opset: int) -> bool:
    """Whether the largest of all the elements, of shape ``shape``, is the class that the node's output tells."""
    elements = 1
    for extent in shape:
        elements *= extent
    if elements < 2 or not shape:
        return False  # a lone score has no largest class
    if node.op_type not in _ALONG_AN_AXIS:
        return True
    given = {a.name: a.i for a in node.attribute if a.type == onnx.AttributeProto.INT}
    if node.op_type == "ArgMax":
        if given.get("select_last_index", 0):
            return False  # among equal logits it takes the last, everything here the first
        axis, flattens = given.get("axis", 0), False
    else:  # until opset 13 all axes from the named one on were one
        axis, flattens = given.get("axis", -1 if opset >= 13 else 1), opset < 13
    if not -len(shape) <= axis < len(shape):
        return False
    axis %= len(shape)
    along = 1
    for extent in shape[axis:] if flattens else shape[axis : axis + 1]:
        along *= extent
    return along == elements
