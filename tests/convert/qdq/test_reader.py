"""QDQ ONNX from another tool: ONNX Runtime's static quantiser over float models made here node by node."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.convert import agreement, from_qdq_onnx, load_model
from intrs_edge.errors import IntrsError

from ..conftest import check_contract

quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")


class Net:
    """A float model under construction; the last value made is the current one."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape = shape
        self.current = "x"

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, *shape: int) -> str:
        fan = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        return self.constant((self.rng.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32))

    def vector(self, n: int, low: float = -0.2, high: float = 0.2) -> str:
        return self.constant(self.rng.uniform(low, high, n).astype(np.float32))

    def node(self, kind: str, *inputs: str, source: str | None = None, outputs: int = 1, **attributes: object) -> str:
        names = [f"{kind.lower()}{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        values = [self.current if source is None else source, *inputs]
        self.nodes.append(helper.make_node(kind, values, names, name=names[0], **attributes))
        self.current = names[0]
        return names[0]

    def conv(self, i: int, o: int, k: int = 3, group: int = 1, **attributes: object) -> str:
        attributes.setdefault("pads", [k // 2] * 4)
        return self.node(
            "Conv", self.weight(o, i // group, k, k), self.vector(o), group=group, kernel_shape=[k, k], **attributes
        )

    def model(self, opset: int = 13) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape])],
            [helper.make_tensor_value_info(self.current, TensorProto.FLOAT, ["N", "K"])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8 if opset < 19 else 10
        return model


class Images(quantization.CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(3)
        self.left = iter([{"x": rng.random((1, *shape), dtype=np.float32)} for _ in range(8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def quantised(net: Net, folder: Path, opset: int = 13, activations: str = "int8", **options: object) -> Path:
    source, out = folder / "float.onnx", folder / "qdq.onnx"
    model = net.model(opset)
    onnx.checker.check_model(model)
    onnx.save(model, source)
    types = {"int8": quantization.QuantType.QInt8, "uint8": quantization.QuantType.QUInt8}
    settings = {"per_channel": True, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(
            str(source), str(out), Images(net.shape), quant_format=quantization.QuantFormat.QDQ,
            activation_type=types[activations], weight_type=quantization.QuantType.QInt8, **settings,
        )  # fmt: skip
    return out


def check(net: Net, folder: Path, top1: float = 0.9, steps: int = 6, **options: object) -> set[str]:
    """The converted model equals the contract everywhere and its source nearly; gives the kinds of its ops."""
    path = quantised(net, folder, **options)
    graph = load_model(path)
    check_contract(graph, 10)
    c, h, w = net.shape
    images = np.random.default_rng(4).integers(0, 256, (20, h, w, c)).astype(np.uint8)
    found = agreement(graph, path, images)
    assert found.top1 >= top1, str(found)
    assert found.max_steps <= steps, str(found)
    return {op.kind for op in graph.ops}


def small(net: Net) -> Net:
    """conv, relu, strided conv, residual add, pool, classifier."""
    net.conv(net.shape[0], 8)
    skip = net.node("Relu")
    net.conv(8, 8)
    net.node("Add", skip)
    net.node("Relu")
    net.conv(8, 16, strides=[2, 2])
    net.node("Relu")
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(16, 12), net.vector(12))
    return net


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize("activations", ["int8", "uint8"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_static_quantisation(tmp_path: Path, opset: int, activations: str, per_channel: bool):
    kinds = check(small(Net((3, 12, 12))), tmp_path, opset=opset, activations=activations, per_channel=per_channel)
    assert {"CONV_2D", "ADD"} <= kinds


def test_symmetric_activations(tmp_path: Path):
    check(small(Net((3, 12, 12))), tmp_path, extra_options={"ActivationSymmetric": True})


def test_activation_types_give_the_same_graph(tmp_path: Path):
    """uint8 with zero point z and int8 with z - 128 are one lattice."""
    files = []
    for kind in ("int8", "uint8"):
        (tmp_path / kind).mkdir()
        files.append(load_model(quantised(small(Net((3, 12, 12))), tmp_path / kind, activations=kind)))
    a, b = files
    assert [op.kind for op in a.ops] == [op.kind for op in b.ops]
    for s, t in zip(a.tensors, b.tensors, strict=True):
        if s.quant is not None and s.dtype == "int8" and not s.constant:
            assert abs(int(s.quant.zero_point[0]) - int(t.quant.zero_point[0])) <= 1


def test_batch_norm_is_folded_with_negative_gains_too(tmp_path: Path):
    """Put between a Conv and its QuantizeLinear, as exporters that do not fold leave it."""
    net = Net((3, 10, 10))
    net.conv(3, 8)
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(8, 11), net.vector(11))
    path = quantised(net, tmp_path)
    model = onnx.load(path)
    at = next(i for i, n in enumerate(model.graph.node) if n.op_type == "Conv")
    conv = model.graph.node[at]
    parts = {
        "gamma": np.array([1, -1, 0.5, -0.5, 0.9, 0, 0.7, -0.8]), "beta": np.linspace(-0.1, 0.1, 8),
        "mean": np.linspace(0.1, -0.2, 8), "var": np.linspace(0.8, 1.5, 8),
    }  # fmt: skip
    model.graph.initializer.extend(numpy_helper.from_array(v.astype(np.float32), k) for k, v in parts.items())
    out = conv.output[0]
    conv.output[0] = "raw"
    model.graph.node.insert(at + 1, helper.make_node("BatchNormalization", ["raw", *parts], [out], name="bn"))
    onnx.save(model, path)
    graph = load_model(path)
    check_contract(graph, 5)
    images = np.random.default_rng(4).integers(0, 256, (20, 10, 10, 3)).astype(np.uint8)
    assert agreement(graph, path, images).max_steps <= 3
    # the control: without the batch norm it is another model
    (tmp_path / "plain").mkdir()
    assert agreement(load_model(quantised(net, tmp_path / "plain")), path, images).max_steps > 3


def test_flatten_of_an_image_permutes_the_weights(tmp_path: Path):
    net = Net((2, 6, 5))
    net.conv(2, 4)
    net.node("Relu")
    net.node("Flatten")
    net.node("Gemm", net.weight(4 * 30, 12), net.vector(12))
    assert "TRANSPOSE" not in check(net, tmp_path)


def test_reshape_matmul_and_bias_by_add(tmp_path: Path):
    net = Net((2, 6, 6))
    net.conv(2, 4, strides=[2, 2])
    net.node("Relu")
    net.node("Reshape", net.constant(np.array([-1, 36], np.int64)))
    net.node("MatMul", net.weight(36, 14))
    check(net, tmp_path, per_channel=False)


def test_depthwise_grouped_dilated_and_odd_paddings(tmp_path: Path):
    net = Net((4, 13, 11))
    net.conv(4, 8, group=4)
    net.node("Relu")
    net.conv(8, 8, group=2, dilations=[2, 2], pads=[2, 2, 2, 2])
    net.node("Relu")
    net.conv(8, 8, pads=[0, 1, 2, 1], strides=[2, 1])
    net.node("Clip", net.constant(np.float32(0.0)), net.constant(np.float32(6.0)))
    net.node("Flatten")
    net.node("Gemm", net.weight(8 * 7 * 11, 10), net.vector(10))
    assert "DEPTHWISE_CONV_2D" in check(net, tmp_path)


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad(tmp_path: Path, auto: str):
    net = Net((3, 9, 8))
    net.node("Conv", net.weight(6, 3, 3, 3), net.vector(6), auto_pad=auto, strides=[2, 2])
    net.node("Relu")
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(6, 10), net.vector(10))
    check(net, tmp_path)


def test_pools_concat_split_pad_and_slice(tmp_path: Path):
    net = Net((3, 12, 12))
    net.conv(3, 8)
    x = net.node("Relu")
    a = net.node("MaxPool", source=x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    b = net.node("AveragePool", source=x, kernel_shape=[2, 2], strides=[2, 2])
    net.node("Concat", b, source=a, axis=1)
    first = net.node("Split", outputs=2, axis=1)
    second = f"{first}_1"
    net.node("Sub", second, source=first)
    net.node("Pad", net.constant(np.array([0, 0, 1, 0, 0, 0, 0, 2], np.int64)))
    ints = [net.constant(np.array(v, np.int64)) for v in ([0, 1], [7, 8], [2, 3], [2, 1])]
    net.node("Slice", *ints)
    net.node("Flatten")
    net.node("Gemm", net.weight(8 * 4 * 7, 10), net.vector(10))
    kinds = check(net, tmp_path)
    assert {"MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "STRIDED_SLICE", "PAD", "SUB"} <= kinds


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "HardSwish", "LeakyRelu"])
def test_other_activations(tmp_path: Path, kind: str):
    net = Net((3, 8, 8))
    net.conv(3, 8)
    net.node(kind)
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(8, 10), net.vector(10))
    check(net, tmp_path, opset=14)


def test_final_softmax_is_dropped(tmp_path: Path):
    net = small(Net((3, 12, 12)))
    net.node("Softmax")
    graph = load_model(quantised(net, tmp_path))
    assert "SOFTMAX" not in {op.kind for op in graph.ops}
    check_contract(graph, 3)


def test_nhwc_model_behind_a_transpose(tmp_path: Path):
    """tf2onnx's habit: the input is NHWC and the first node transposes it."""
    net = Net((12, 10, 3))
    net.node("Transpose", perm=[0, 3, 1, 2])
    net.conv(3, 8)
    net.node("Relu")
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(8, 10), net.vector(10))
    path = quantised(net, tmp_path)
    graph = load_model(path)
    assert graph.tensors[graph.inputs[0]].shape == (1, 12, 10, 3)
    assert "TRANSPOSE" not in {op.kind for op in graph.ops}
    check_contract(graph, 3)
    images = np.random.default_rng(4).integers(0, 256, (10, 12, 10, 3)).astype(np.uint8)
    assert agreement(graph, path, images).max_steps <= 4


def test_every_unsupported_node_is_listed_at_once(tmp_path: Path):
    net = Net((3, 8, 8))
    net.conv(3, 8)
    net.node("Elu")
    net.node("Relu")
    net.node("Erf")
    net.conv(8, 8)
    net.node("GlobalAveragePool")
    net.node("Flatten")
    path = quantised(net, tmp_path)
    with pytest.raises(IntrsError) as error:
        load_model(path)
    assert "Elu 'elu1'" in str(error.value)
    assert "Erf 'erf3'" in str(error.value)
    assert "\n" not in str(error.value)


def test_asymmetric_weights_are_refused_by_name(tmp_path: Path):
    path = quantised(small(Net((3, 12, 12))), tmp_path, per_channel=False, extra_options={"WeightSymmetric": False})
    with pytest.raises(IntrsError, match="quantise weights symmetrically"):
        load_model(path)


def test_float_model_and_missing_pairs(tmp_path: Path):
    net = small(Net((3, 12, 12)))
    onnx.save(net.model(), tmp_path / "f.onnx")
    with pytest.raises(IntrsError, match="a float model; quantise it first"):
        load_model(tmp_path / "f.onnx")
    with pytest.raises(IntrsError, match="reads the float input before it is quantised"):
        from_qdq_onnx(net.model())
