"""A normalisation in front of the first QuantizeLinear becomes part of what a pixel means."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.convert import agreement, from_qdq_onnx
from intrs_edge.convert.agreement import run_onnx
from intrs_edge.convert.qdq.input import take_normalisation
from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.ir import Graph

MEAN, STD = np.array([0.49, 0.48, 0.45], np.float32), np.array([0.25, 0.24, 0.26], np.float32)
NCHW = (1, 3, 1, 1)


def model(
    before: list[tuple[str, Any]],
    scale: float = 0.0187,
    zero: int = -8,
    shape: tuple[int, ...] = (1, 3, 6, 6),
    **metadata: str,
) -> onnx.ModelProto:
    """A convolution and a sum over the plane behind ``before``: (operator, constant or attributes) in their order."""
    rng = np.random.default_rng(2)
    nodes, constants = [], []

    def constant(value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), f"c{len(constants)}"))
        return constants[-1].name

    def quantised(name: str, s: float, z: int) -> str:
        pair = [constant(np.float32(s)), constant(np.int8(z))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *pair], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *pair], [f"{name}_dq"]))
        return f"{name}_dq"

    current = "x"
    for i, (kind, value) in enumerate(before):
        if kind == "Transpose":
            nodes.append(helper.make_node(kind, [current], [f"v{i}"], perm=value))
        elif kind.startswith("from "):  # the constant comes first
            nodes.append(helper.make_node(kind[5:], [constant(value), current], [f"v{i}"]))
        else:
            nodes.append(helper.make_node(kind, [current, constant(value)], [f"v{i}"]))
        current = f"v{i}"
    channels = 3 if len(shape) == 4 else shape[1]
    current = quantised(current, scale, zero)
    if len(shape) == 4:
        w = [constant(rng.integers(-127, 128, (4, channels, 3, 3)).astype(np.int8)), constant(np.float32(0.01))]
        nodes.append(helper.make_node("DequantizeLinear", [*w, constant(np.int8(0))], ["w"]))
        nodes.append(helper.make_node("Conv", [current, "w"], ["conv"], kernel_shape=[3, 3]))
        current = quantised("conv", 0.15, 0)
        nodes.append(helper.make_node("Flatten", [current], ["flat"]))
    else:
        w = [constant(rng.integers(-127, 128, (channels, 4)).astype(np.int8)), constant(np.float32(0.01))]
        nodes.append(helper.make_node("DequantizeLinear", [*w, constant(np.int8(0))], ["w"]))
        nodes.append(helper.make_node("MatMul", [current, "w"], ["flat_"]))
        current = quantised("flat_", 0.1, 0)
        nodes.append(helper.make_node("Identity", [current], ["flat"]))
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", "K"])], constants,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    helper.set_model_props(made, metadata)
    return made


def reads(graph: Graph) -> dict[str, Any]:
    return dict(json.loads(graph.metadata["intrs.input"]))


@pytest.mark.parametrize(
    "before",
    [
        [("Sub", MEAN.reshape(NCHW)), ("Div", STD.reshape(NCHW))],  # NormalizeLayer of locuslab/smoothing
        [("Mul", (1 / STD).reshape(3, 1, 1)), ("Sub", (MEAN / STD).reshape(3, 1, 1))],
        [("Add", -MEAN.reshape(NCHW)), ("from Mul", (1 / STD).reshape(NCHW))],
        [("Sub", np.broadcast_to(MEAN.reshape(NCHW), (1, 3, 6, 6))), ("Div", STD.reshape(NCHW))],  # traced repeat
        [("Transpose", [0, 2, 3, 1]), ("Sub", MEAN), ("Div", STD), ("Transpose", [0, 3, 1, 2])],
    ],
)
def test_it_is_taken_in_and_nothing_changes(before, tmp_path):
    source = model(before)
    graph = from_qdq_onnx(source)
    said = reads(graph)
    assert said["range"] == "0..1"  # the one that fits the scale
    np.testing.assert_allclose(said["mean"], MEAN, atol=1e-6)
    np.testing.assert_allclose(said["std"], STD, atol=1e-6)
    onnx.save(source, tmp_path / "m.onnx")
    images = np.random.default_rng(1).integers(0, 256, (40, 6, 6, 3)).astype(np.uint8)
    labels = reference.run(graph, derive_input_map(graph, 0).apply(images.astype(np.int64))).argmax(1)
    found = agreement(graph, tmp_path / "m.onnx", images, labels)
    assert found.logits_equal > 0.97, str(found)
    assert found.max_steps <= 1
    assert found.accuracy == 1
    assert found.source_accuracy == found.top1
    # and on real inputs: what the source makes of pixel / 255 is what the codes stand for
    got = run_onnx(tmp_path / "m.onnx", (images / np.float32(255)).astype(np.float32))
    np.testing.assert_array_equal(got.argmax(1)[found.top1 == 1 :], labels[found.top1 == 1 :])


def test_of_pixels_themselves():
    graph = from_qdq_onnx(model([("Div", np.float32(255))], 1 / 255, -128))
    assert (reads(graph)["range"], reads(graph)["std"]) == ("0..255", [255.0])
    graph = from_qdq_onnx(model([("Div", np.float32(127.5)), ("Sub", np.float32(1))], 1 / 128, 0))
    assert (reads(graph)["range"], reads(graph)["mean"], reads(graph)["std"]) == ("0..255", [127.5], [127.5])


def test_behind_what_the_file_says_of_its_own_input():
    before = [("Sub", np.float32(0.5)), ("Mul", np.float32(4))]
    said = json.dumps({"range": "-1..1", "mean": [0.25], "std": [2], "channels": "BGR", "layout": "NCHW"})
    found = reads(from_qdq_onnx(model(before, **{"intrs.input": said})))
    # ((x - .25) / 2 - .5) * 4 = (x - 1.25) / .5
    assert found == {"range": "-1..1", "mean": [1.25], "std": [0.5], "channels": "BGR", "layout": "NHWC"}


def test_where_no_range_fits_it_is_asked_for():
    graph = from_qdq_onnx(model([("Div", np.float32(1e-4))]))
    assert reads(graph)["range"] is None
    assert reads(graph)["std"] == [pytest.approx(1e-4)]


def test_a_vector_has_one_number():
    graph = from_qdq_onnx(model([("Sub", np.float32(0.5)), ("Div", np.float32(0.25))], shape=(1, 12)))
    assert (reads(graph)["mean"], reads(graph)["std"]) == ([0.5], [0.25])


@pytest.mark.parametrize(
    ("before", "shape"),
    [
        ([("from Sub", np.float32(1))], (1, 3, 6, 6)),  # a negative
        ([("Div", np.float32(-1))], (1, 3, 6, 6)),
        ([("Div", np.float32(0))], (1, 3, 6, 6)),
        ([("from Div", np.float32(1))], (1, 3, 6, 6)),
        ([("Sub", np.arange(6, dtype=np.float32))], (1, 3, 6, 6)),  # along the width
        ([("Sub", np.arange(12, dtype=np.float32))], (1, 12)),  # a mean for every feature
        ([("Sub", np.random.default_rng(0).random((1, 3, 6, 6), np.float32))], (1, 3, 6, 6)),
        ([("Sub", np.float32("nan"))], (1, 3, 6, 6)),
        ([("Pow", np.float32(2))], (1, 3, 6, 6)),
    ],
)
def test_anything_else_is_refused_as_before(before, shape):
    with pytest.raises(IntrsError, match="node"):
        from_qdq_onnx(model(before, shape=shape))


def test_a_model_without_one_is_left_alone():
    source = model([])
    taken, found = take_normalisation(source)
    assert not found
    assert taken == source
    assert "intrs.input" not in from_qdq_onnx(source).metadata
