"""What follows the logits of a QDQ file is left out with its quantisation, or stays: Softmax, Sigmoid, ArgMax."""

from __future__ import annotations

import numpy as np
import pytest

from intrs_edge.convert import agreement, from_qdq_onnx

from .net import IMAGE, Qdq, close, refused, steps

TAILS = {
    "Softmax": ({"axis": -1}, 1 / 256, -128),
    "LogSoftmax": ({"axis": 1}, 0.08, 127),
    "Sigmoid": ({}, 1 / 256, -128),
    "Tanh": ({}, 1 / 128, 0),
    "Exp": ({}, 0.5, -128),
}


@pytest.mark.parametrize("kind", TAILS)
@pytest.mark.parametrize("quantised", [True, False])
def test_a_tail_goes_with_the_quantize_behind_it(kind: str, quantised: bool):
    """Its scale is that of probabilities: at it, logits saturate."""
    net = Qdq(IMAGE).begin().end(scale=0.1)
    logits = net.at
    attrs, scale, zero = TAILS[kind]
    net.node(kind, **attrs)
    if quantised:
        net.quant(scale, zero)
    graph, distance = steps(net, logits)
    assert distance.max() <= 1
    out = graph.tensors[graph.outputs[0]].quant
    assert (out.scale[0], out.zero_point[0]) == (np.float32(0.1), 0)
    assert graph.ops[-1].kind == "FULLY_CONNECTED"


def test_tails_in_a_row_and_their_reshapes():
    net = Qdq(IMAGE).begin().end(scale=0.1)
    logits = net.at
    net.node("Reshape", net.const([1, 5, 1, 1], np.int64))
    net.node("Softmax", axis=1)
    net.quant(1 / 256, -128)
    net.node("Flatten")
    net.node("Log")
    net.node("ArgMax", axis=1, keepdims=0)
    graph, distance = steps(net, logits)
    assert distance.max() <= 1
    assert graph.ops[-1].kind in ("FULLY_CONNECTED", "RESHAPE")


def test_agreement_leaves_out_what_conversion_leaves_out(tmp_path):
    net = Qdq(IMAGE).begin().end(scale=0.1)
    net.node("Sigmoid")
    net.quant(1 / 256, -128)
    net.node("ArgMax", axis=1)
    path = net.save(tmp_path / "m.onnx")
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    assert agreement(from_qdq_onnx(net.model()), path, images).max_steps <= 1


def test_a_softmax_that_is_no_tail_stays():
    """Over an axis that does not hold all values the largest of all is not the class of any."""
    net = Qdq(IMAGE).begin(8)
    net.node("Transpose", perm=[0, 2, 3, 1])
    net.node("Softmax", axis=-1)
    net.quant(1 / 256, -128)
    assert "SOFTMAX" in close(net, most=2, share=0.2)


def test_a_lone_score_keeps_its_sigmoid():
    net = Qdq(IMAGE).begin().end(classes=1, scale=0.02)
    net.node("Sigmoid")
    net.quant(1 / 256, -128)
    assert "LOGISTIC" in close(net)


def test_argmax_that_takes_the_last_of_equals_is_another_classifier():
    net = Qdq(IMAGE).begin().end()
    net.node("ArgMax", axis=1, select_last_index=1)
    refused(net, "ArgMax")


@pytest.mark.parametrize(("axis", "kept"), [(1, False), (3, True)])
def test_until_opset_13_a_softmax_took_all_axes_from_its_own_on(axis: int, kept: bool):
    net = Qdq(IMAGE, opset=12).begin(4)
    net.node("Transpose", perm=[0, 2, 3, 1])
    net.node("Softmax", axis=axis)
    net.quant(1 / 256, -128)
    kinds = {op.kind for op in from_qdq_onnx(net.model()).ops}
    assert ("SOFTMAX" in kinds) == kept
