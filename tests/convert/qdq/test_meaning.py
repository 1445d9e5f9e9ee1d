"""What a QDQ file means, where reading it otherwise gives a wrong answer without a word: types, roundings."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from intrs_edge.convert import from_qdq_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph

from .net import IMAGE, Qdq, close, refused, steps

### types of integers ###


@pytest.mark.parametrize("opset", [10, 17, 21, 23, 24])
def test_an_omitted_zero_point_is_uint8_zero(opset: int):
    net = Qdq(IMAGE, opset)
    net.quant(1 / 255, omit=True)
    net.conv(3, 8)
    net.node("Relu")
    net.quant(0.02, omit=True)
    net.end()
    graph, distance = steps(net)
    assert distance.max() <= 1
    assert graph.tensors[graph.inputs[0]].quant.zero_point[0] == -128


@pytest.mark.parametrize(("kind", "zero"), [(TensorProto.INT8, 0), (TensorProto.UINT8, -128)])
def test_output_dtype_says_what_the_zero_point_does_not(kind: int, zero: int):
    net = Qdq(IMAGE, 21)
    net.quant(0.0078, omit=True, output_dtype=kind)
    net.conv(3, 8)
    net.node("Relu")
    net.quant(0.03, omit=True, output_dtype=kind)
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.quant(0.03, omit=True, output_dtype=kind)
    net.node("Gemm", net.weight(5, 8, scale=0.01), transB=1)
    net.quant(0.05, omit=True, output_dtype=TensorProto.INT8, only_q=True)
    graph, distance = steps(net)
    assert distance.max() <= 1
    assert graph.tensors[graph.inputs[0]].quant.zero_point[0] == zero
    assert graph.tensors[graph.outputs[0]].quant.zero_point[0] == 0


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "INT16", "UINT16", "FLOAT8E4M3FN"])
def test_other_output_dtypes_are_named(kind: str):
    net = Qdq(IMAGE, 21)
    net.quant(0.0078, omit=True, output_dtype=getattr(TensorProto, kind))
    net.conv(3, 8)
    refused(net, "(?i)int4|int16|float8|sound")


def test_a_zero_point_of_another_type_than_the_integers():
    net = Qdq(IMAGE)
    net.quant(0.0078, only_q=True)
    net.node("DequantizeLinear", net.const(0.0078, np.float32), net.const(0, np.uint8))
    net.end(3)
    refused(net, "uint8 and its integers are int8|sound")


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.UINT8, np.uint8), (TensorProto.INT8, np.int8)])
@pytest.mark.parametrize("omit", [True, False])
def test_an_integer_input_has_the_type_that_the_graph_says(kind: int, dtype: type, omit: bool):
    net = Qdq(IMAGE, kind=kind)
    net.node("Transpose", perm=[0, 1, 3, 2])
    scale = net.const(0.0078, np.float32)
    net.node("DequantizeLinear", scale, *([] if omit else [net.const(0, dtype)]))
    net.conv(3, 8)
    net.node("Relu")
    net.quant(0.02, -128)
    close(net.end())


def test_contrib_q_and_dq_are_those_of_onnx():
    net = Qdq(IMAGE)
    net.quant(0.0078, domain="com.microsoft")
    net.conv(3, 8)
    net.quant(0.02, 3, domain="com.microsoft")
    close(net.end())


@pytest.mark.parametrize("kind", ["Relu", "Add", "AveragePool", "Sigmoid"])
def test_what_computes_on_the_integers_themselves_is_refused(kind: str):
    """Relu of codes with zero point -128 is not Relu of what they stand for."""
    net = Qdq(IMAGE)
    net.quant(0.0078)
    net.conv(3, 8)
    pair = [net.const(0.02, np.float32), net.const(-20, np.int8)]
    net.node("QuantizeLinear", *pair)
    net.node(kind, *([net.at] if kind == "Add" else []), **({"kernel_shape": [2, 2]} if kind == "AveragePool" else {}))
    net.node("DequantizeLinear", *pair)
    refused(net.end(), "on integers as if they were real|sound")


@pytest.mark.parametrize("kind", ["MaxPool", "Reshape", "Transpose", "Slice", "Cast", "Clip", "Pad", "Concat"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_what_moves_or_bounds_the_integers_themselves(kind: str, dtype: type):
    net = Qdq(IMAGE)
    net.quant(0.0078)
    net.conv(3, 8)
    zero = 5 if dtype == np.int8 else 140
    pair = [net.const(0.02, np.float32), net.const(zero, dtype)]
    codes = net.node("QuantizeLinear", *pair)
    if kind == "MaxPool":
        net.node(kind, kernel_shape=[2, 2], strides=[2, 2])
    elif kind == "Reshape":
        net.node(kind, net.const([1, 8, 4, 16], np.int64))
    elif kind == "Transpose":
        net.node(kind, perm=[0, 1, 3, 2])
    elif kind == "Slice":
        net.node(kind, net.const([1], np.int64), net.const([7], np.int64), net.const([3], np.int64))
    elif kind == "Cast":
        net.node(kind, to=TensorProto.INT8 if dtype == np.int8 else TensorProto.UINT8)
    elif kind == "Clip":
        net.node(kind, net.const(zero - 30, dtype), net.const(zero + 40, dtype))
    elif kind == "Pad":  # the border is an integer, too
        net.node(kind, net.const([0, 0, 1, 1, 0, 0, 1, 0], np.int64), net.const(zero + 25, dtype))
    else:
        net.node(kind, codes, axis=2)
    net.node("DequantizeLinear", *pair)
    close(net.end(), share=0.2)


def test_a_cast_that_changes_the_type_is_refused():
    net = Qdq(IMAGE).begin()
    net.node("Cast", to=TensorProto.FLOAT16)
    net.node("Cast", to=TensorProto.FLOAT)
    refused(net.end(), "changes the type")


@pytest.mark.parametrize(
    "kind", ["QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"]
)
def test_operators_on_integers_are_one_line(kind: str):
    net = Qdq(IMAGE).begin().end()
    model = net.model()
    model.graph.node.append(helper.make_node(kind, ["x"] * 8, ["q"]))
    with pytest.raises(IntrsError, match=f"{kind}.*quant_format=QDQ"):
        from_qdq_onnx(model)


### one rounding ###


@pytest.mark.parametrize("ratio", [5.0, 3.3, 0.7])
@pytest.mark.parametrize("padded", [None, "counted", "not counted", "uneven"])
@pytest.mark.parametrize("ceil", [0, 1])
def test_an_average_pool_is_rounded_once(ratio: float, padded: str | None, ceil: int):
    """A scale finer than the input's shows every rounding before it."""
    if padded is None and ceil:
        pytest.skip("the windows fit")
    net = Qdq(IMAGE, 19).begin(4, scale=0.02)  # before, ONNX Runtime counts what ceil_mode adds
    pads = {None: [0, 0, 0, 0], "uneven": [1, 0, 0, 1]}.get(padded, [1, 1, 1, 1])
    size = 2 if padded is None else 3
    net.node(
        "AveragePool", kernel_shape=[size, size], strides=[2, 2], pads=pads, ceil_mode=ceil,
        count_include_pad=int(padded == "counted"),
    )  # fmt: skip
    net.quant(0.02 / ratio, -128)
    graph, distance = steps(net)
    # a difference of one step of the convolution before may show as ratio steps here
    assert (distance > 1).mean() < 0.01
    assert (distance > 0).mean() < 0.25
    assert "QUANTIZE" not in {op.kind for op in graph.ops}


@pytest.mark.parametrize(("stride", "counted"), [(1, 1), (1, 0), (2, 1)])
def test_an_average_pool_at_its_own_scale(stride: int, counted: int):
    net = Qdq(IMAGE).begin(4)
    net.node("AveragePool", kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4, count_include_pad=counted)
    net.quant(0.02, -128)
    assert "AVERAGE_POOL_2D" in close(net)


@pytest.mark.parametrize("kind", ["AveragePool", "GlobalAveragePool", "ReduceMean"])
def test_a_mean_over_the_plane_is_rounded_once_behind_reshape_and_relu(kind: str):
    net = Qdq(IMAGE).begin(4, scale=0.02, zero=3, relu=False)
    attrs = {"AveragePool": {"kernel_shape": [8, 8]}, "ReduceMean": {"axes": [2, 3]}}.get(kind, {})
    net.node(kind, **attrs)
    net.node("Reshape", net.const([1, -1], np.int64))
    net.node("Relu")
    net.quant(0.0007, -128)
    graph, distance = steps(net)
    assert (distance > 1).mean() < 0.05
    assert "QUANTIZE" not in {op.kind for op in graph.ops}


def test_what_moves_values_waits_with_them_for_the_scale():
    """Conv, MaxPool, Flatten and only then a QuantizeLinear: one rounding, at that scale."""
    net = Qdq(IMAGE)
    net.quant(0.0078)
    net.conv(3, 8)
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.node("Relu")
    net.node("Transpose", perm=[0, 1, 3, 2])
    net.node("Flatten")
    net.quant(0.03, -128)
    net.node("Gemm", net.weight(5, 128, scale=0.01), transB=1)
    net.quant(0.1)
    assert "QUANTIZE" not in close(net)


def test_parts_of_a_concat_are_made_at_its_scale():
    net = Qdq(IMAGE).begin()
    a = net.at
    net.conv(8, 4)
    b = net.node("Relu")
    net.node("Concat", b, source=a, axis=1)
    net.quant(0.03, -128)
    kinds = close(net.end(12))
    assert kinds.count("QUANTIZE") == 1  # of the part that was quantised already


def test_a_pad_value_is_rounded_at_the_scale_behind_it():
    """At its input's scale it would saturate."""
    net = Qdq(IMAGE).begin(4, scale=0.01, zero=0)
    net.node("Pad", net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.const(3.0, np.float32))
    net.quant(0.03)
    close(net.end(4), share=0.25)
    net = Qdq(IMAGE).begin(4, scale=0.01, zero=0)
    net.node("Pad", net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.const(3.0, np.float32))
    net.conv(4, 4)
    net.quant(0.05)
    refused(net.end(4), "Pad .* is not quantised")


def test_two_scales_of_one_result_are_two_results():
    net = Qdq(IMAGE)
    net.quant(0.0078)
    out = net.conv(3, 8)
    a = net.quant(0.02)
    net.at = out
    net.node("Relu")
    b = net.quant(0.005, -128)
    net.node("Add", b, source=a)
    net.quant(0.03)
    kinds = close(net.end(), share=0.25)
    assert kinds.count("CONV_2D") == 2


def test_a_clip_narrower_than_its_range_clips():
    for limits in ((-0.4, 0.7), (0.0, 0.9), (-0.3, 3e38)):
        net = Qdq(IMAGE)
        net.quant(0.0078)
        net.conv(3, 8)
        net.node("Clip", net.const(limits[0], np.float32), net.const(limits[1], np.float32))
        net.quant(0.02, -10)
        assert {"MAXIMUM", "MINIMUM"} & set(close(net.end())), limits


def test_what_is_rounded_without_a_quantize_is_said():
    net = Qdq(IMAGE).begin()
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(5, 8, scale=0.01), transB=1)
    net.quant(0.05)
    notes: list[str] = []
    from_qdq_onnx(net.model(), "m", notes)
    assert len(notes) == 1
    assert "not quantised: it is rounded at its input's scale" in notes[0]
    notes.clear()
    from_qdq_onnx(Qdq(IMAGE).begin().end().model(), "m", notes)
    assert notes == []


@pytest.mark.parametrize("relu", [True, False])
def test_logits_without_a_quantize_do_not_saturate(relu: bool):
    net = Qdq(IMAGE).begin(relu=relu, zero=-128 if relu else 0)
    net.node("GlobalAveragePool")
    net.quant(0.02, -128 if relu else 0)
    net.node("Flatten")
    net.node("Gemm", net.weight(5, 8, scale=0.01), net.const(np.linspace(-1, 1, 5), np.float32), transB=1)
    notes: list[str] = []
    graph, distance = steps(net, notes=notes)
    assert distance.max() <= 1
    assert "not quantised: they get the scale" in notes[0]
    assert graph.tensors[graph.outputs[0]].quant.scale[0] < 0.5


def test_the_tightest_scale_for_logits_is_the_reach_of_their_weights():
    """One weight, input 0 .. 5.1: logits 0 .. 2.55, all 256 codes."""
    net = Qdq((1, 1))
    net.quant(0.02, -128)
    net.node("Gemm", net.codes([[100], [50]], 0.005), transB=1)
    graph, distance = steps(net)
    out = graph.tensors[graph.outputs[0]].quant
    assert out.scale[0] == pytest.approx(0.01, rel=1e-6)
    assert out.zero_point[0] == -128
    assert distance.max() <= 1


@pytest.mark.parametrize("kind", ["Add", "Sub", "Sub turned"])
@pytest.mark.parametrize("relu", [True, False])
def test_a_convolution_that_is_added_before_it_is_quantised(kind: str, relu: bool):
    """As TensorRT-like and x86 quantisers leave it: one rounding more, said, and never a saturation more."""
    net = Qdq(IMAGE).begin()
    skip = net.at
    out = net.conv(8, 8)
    net.node(kind[:3], skip if kind == "Sub turned" else out, source=out if kind == "Sub turned" else skip)
    if relu:
        net.node("Relu")
    net.quant(0.01, -128 if relu else 0)
    notes: list[str] = []
    _graph, distance = steps(net, notes=notes)
    assert "not quantised before it is added" in notes[0]
    assert distance.max() <= 6  # half a step of (2.56 + 5.1) / 255 and its ties, in steps of .01
    assert distance.mean() < 1


def test_what_nothing_reads_is_not_converted():
    net = Qdq(IMAGE).begin()
    kept = net.at
    net.node("Erf")
    net.at = kept
    close(net.end())


def test_a_dead_batch_norm_channel_does_not_overflow_its_bias():
    net = Qdq(IMAGE)
    net.quant(0.0078)
    net.conv(3, 8)
    gamma = np.ones(8, np.float32)
    gamma[3] = 1e-9
    zeros, ones = np.zeros(8, np.float32), np.ones(8, np.float32)
    net.node(
        "BatchNormalization", *(net.const(v) for v in (gamma, np.linspace(-1, 1, 8, dtype=np.float32), zeros, ones))
    )
    net.quant(0.02)
    close(net.end())


def test_the_distance_tells_models_apart():
    """The control of all tests here: with one constant changed, the source is far from what was converted."""
    model = Qdq(IMAGE).begin().end().model()
    graph, distance = steps(model)
    assert distance.max() <= 1
    changed = Qdq(IMAGE, seed=1).begin().end()
    with pytest.raises(AssertionError, match="steps"):
        close_to(graph, changed.model())


def close_to(graph: Graph, model: onnx.ModelProto) -> None:
    distance = steps(model, graph=graph)[1]
    assert distance.max() <= 1, f"{distance.max()} steps"
