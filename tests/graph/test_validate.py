"""Every rule of validation, by a graph that breaks it; and all problems at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph, Op, Quant
from intrs_edge.graph.validate import problems, validate


def network() -> GraphBuilder:
    """Tensors: 0 input, 1 weights, 2 bias, 3 conv, 4 add, 5 shape, 6 reshape, 7 weights, 8 fully connected."""
    b = GraphBuilder()
    x = b.input((1, 4, 4, 2), scale=0.1, name="image")
    y = b.conv_2d(x, np.ones((2, 3, 3, 2)), weight_scale=[0.1, 0.2], scale=0.5, name="conv")
    y = b.add(y, x, scale=0.6, name="sum")
    b.fully_connected(b.flatten(y), np.ones((3, 32)), weight_scale=0.1, scale=1.0, name="logits")
    return b


def graph() -> Graph:
    b = network()
    return b.build(len(b.tensors) - 1)


def with_tensor(index: int, **changes: object) -> Graph:
    g = graph()
    tensors = list(g.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return replace(g, tensors=tuple(tensors))


def with_op(number: int, **changes: object) -> Graph:
    g = graph()
    ops = list(g.ops)
    ops[number] = replace(ops[number], **changes)
    return replace(g, ops=tuple(ops))


def with_attr(number: int, **changes: object) -> Graph:
    return with_op(number, attrs={**graph().ops[number].attrs, **changes})


def fused_concatenation() -> Graph:
    b = GraphBuilder()
    x = b.input((1, 2, 2, 1), scale=0.1)
    attrs = {"axis": 3, "activation": "RELU"}
    return b.build(b.op("CONCATENATION", [x, x], (1, 2, 2, 2), b.quant_of(x), attrs))


def test_a_sound_graph_has_no_problem() -> None:
    assert problems(graph()) == []
    validate(graph())


BROKEN: dict[str, Callable[[], Graph]] = {
    r"compiled for an Arm Ethos-U: give the .tflite file that Vela was given": lambda: with_op(
        0, kind="CUSTOM:ethos-u", inputs=(0, 9)
    ),
    r"compiled for a Coral Edge TPU": lambda: with_op(0, kind="CUSTOM:edgetpu-custom-op"),
    r"stored in float16 \('conv/weights'\)": lambda: with_tensor(
        1, dtype="float16", quant=None, data=np.ones((2, 3, 3, 2), np.float16)
    ),
    r"its fused activation RELU is one that TensorFlow Lite refuses": fused_concatenation,
    r"CUSTOM:Foo 'conv': this operator is not supported": lambda: with_op(0, kind="CUSTOM:Foo"),
    r"it has 1 inputs": lambda: with_op(1, inputs=(3,)),
    r"has 2 outputs, not 1": lambda: replace(
        with_op(0, outputs=(3, 9)), tensors=(*graph().tensors, replace(graph().tensors[3], name="more"))
    ),
    r"input 1 is missing": lambda: with_op(0, inputs=(0, -1, 2)),
    r"input tensor 99 of 9 does not exist": lambda: with_op(0, inputs=(0, 99, 2)),
    r"is read before it is made": lambda: replace(graph(), ops=graph().ops[::-1]),
    r"'sum' is made twice": lambda: with_op(0, outputs=(4,)),
    r"nothing makes it": lambda: replace(graph(), ops=graph().ops[:-1]),
    r"2 inputs and 1 outputs": lambda: replace(graph(), inputs=(0, 3)),
    r"is dynamic or empty": lambda: with_tensor(0, shape=(1, -1, 4, 2)),
    r"its data is int8 \(2, 3, 3, 2\), not as declared": lambda: with_tensor(1, dtype="int16"),
    r"'image' is float32, only int8 is supported": lambda: with_tensor(0, dtype="float32"),
    r"its type is float32: convert with full integer": lambda: with_tensor(0, dtype="float32"),
    r"its shape is \[2, 4, 4, 2\]: export with a batch of 1": lambda: with_tensor(0, shape=(2, 4, 4, 2)),
    r"'conv' has no per-tensor quantisation": lambda: with_tensor(3, quant=None),
    r"'conv' has scale 0.0": lambda: with_tensor(3, quant=quant(0.0)),
    r"'conv' has scale nan": lambda: with_tensor(3, quant=quant(float("nan"))),
    r"'conv' has zero point 128": lambda: with_tensor(3, quant=quant(0.1, 128)),
    r"bias 'conv/bias' is int64": lambda: with_tensor(2, dtype="int64", data=np.zeros(2, np.int64)),
    r"bias 'conv/bias' has 3 values for 2": lambda: with_tensor(2, shape=(3,), data=np.zeros(3, np.int32)),
    r"'image' is not a constant": lambda: with_op(0, inputs=(0, 0, 2)),
    r"weights 'conv/weights' are uint8": lambda: with_tensor(1, dtype="uint8", data=np.ones((2, 3, 3, 2), np.uint8)),
    r"have a zero point other than 0": lambda: with_tensor(1, quant=quant([0.1, 0.2], 3)),
    r"have 2 scales along axis 3": lambda: with_tensor(
        1, quant=Quant(np.float32([0.1, 0.2]), np.zeros(2, np.int64), 3)
    ),
    r"have a scale that is not a positive number": lambda: with_tensor(1, quant=quant([0.1, -0.2])),
    r"its output has shape \[\[1, 4, 4, 2\]\], its inputs give \[\[1, 2, 2, 2\]\]": lambda: with_attr(
        0, stride_h=2, stride_w=2
    ),
    r"strides and dilations must be within 1..65536": lambda: with_attr(0, stride_h=0),
    r"is larger than its input": lambda: with_attr(0, dilation_h=9, padding="VALID"),
    r"fused activation TANH is not supported": lambda: with_attr(1, activation="TANH"),
    r"multiplier of 1 or more": lambda: with_tensor(4, quant=quant(1e-7)),
    r"its scales give a factor of": lambda: with_tensor(3, quant=quant(1e-15)),
    r"weights are shuffled": lambda: with_attr(3, weights_format="SHUFFLED4x16INT8"),
    r"'sum' and the output differ in scale": lambda: with_tensor(6, quant=quant(0.7)),
    r"cannot turn \[1, 4, 4, 2\] into \[1, 33\]": lambda: with_tensor(6, shape=(1, 33)),
}


@pytest.mark.parametrize("message", BROKEN)
def test_each_rule_can_fail(message: str) -> None:
    with pytest.raises(IntrsError, match=message) as caught:
        validate(BROKEN[message]())
    assert "\n" not in str(caught.value)


def unary(kind: str, scale: float, zero_point: int, **attrs: object) -> Graph:
    b = GraphBuilder()
    x = b.input((1, 8), scale=0.001)
    return b.build(b.unary(kind, x, scale=scale, zero_point=zero_point, attrs=attrs))


def test_operators_with_a_fixed_output_scale() -> None:
    assert problems(unary("LOGISTIC", 1 / 256, -128)) == []
    assert "TFLite fixes" in problems(unary("LOGISTIC", 1 / 128, 0))[0]
    assert "TFLite fixes" in problems(unary("SOFTMAX", 1 / 256, 0, beta=1.0))[0]
    assert "too small" in problems(unary("SOFTMAX", 1 / 256, -128, beta=1e-6))[0]
    assert "below 1/128" in problems(unary("HARD_SWISH", 1e-6, 0))[0]


def test_all_problems_are_listed_at_once() -> None:
    b = network()
    b.tensors[3] = replace(b.tensors[3], quant=quant(0.5, 300))
    b.ops[1] = Op("UNIQUE", b.ops[1].inputs, b.ops[1].outputs, {}, "product")
    b.tensors[2] = replace(b.tensors[2], dtype="int16", data=np.zeros(2, np.int16))
    with pytest.raises(IntrsError) as caught:
        validate(b.build(len(b.tensors) - 1))
    line = str(caught.value)
    assert line.startswith("3 problems: (1) ")
    for part in ("zero point 300", "UNIQUE 'product'", "conv/bias", "int16"):
        assert part in line


@pytest.mark.parametrize(("dtype", "words"), [("float32", "full integer"), ("uint8", "gave up"), ("int16", "int8 act")])
def test_a_model_of_another_type_says_so_once(dtype: str, words: str) -> None:
    g = graph()
    tensors = [t if t.constant else replace(t, dtype=dtype) for t in g.tensors]
    found = problems(replace(g, tensors=tuple(tensors)))
    assert found[0].startswith(f"the model computes in {dtype}: ")
    assert words in found[0]
    assert len(found) == 1


def test_long_names_are_cut() -> None:
    line = problems(with_op(0, kind="CUSTOM:Foo", name="a/b;" * 99))[0]
    assert len(line) < 200
    assert "a/b;a/b" in line


def test_softmax_of_a_single_number() -> None:
    b = GraphBuilder()
    x = b.input((), scale=0.1)
    y = b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0})
    assert "its input is a single number" in problems(b.build(y))[0]
