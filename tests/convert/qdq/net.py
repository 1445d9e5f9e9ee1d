"""QDQ networks written node by node, and how far a converted one is from ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from intrs_edge.convert import from_qdq_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.ir import Graph

from ..conftest import run_builtin_ref

FLOAT = TensorProto.FLOAT
IMAGE = (1, 3, 8, 8)


class Qdq:
    """A network under construction; ``at`` is the value made last."""

    def __init__(self, shape: tuple[int, ...], opset: int = 17, seed: int = 0, kind: int = FLOAT) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape, self.opset, self.kind, self.at = shape, opset, kind, "x"

    def const(self, value: object, dtype: object = None) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(
        self, kind: str, *inputs: str, source: str | None = None, outputs: int = 1, domain: str = "", **attrs
    ) -> str:
        number = len(self.nodes)
        names = [f"{kind.lower()}{number}" + (f"_{i}" if i else "") for i in range(outputs)]
        values = [self.at if source is None else source, *inputs]
        self.nodes.append(helper.make_node(kind, values, names, name=names[0], domain=domain, **attrs))
        self.at = names[0]
        return names[0]

    def quant(self, scale: float, zero: int = 0, dtype: type = np.int8, *, omit: bool = False, only_q: bool = False,
              domain: str = "", **attrs) -> str:  # fmt: skip
        """QuantizeLinear and DequantizeLinear."""
        pair = [self.const(scale, np.float32), *([] if omit else [self.const(zero, dtype)])]
        self.node("QuantizeLinear", *pair, domain=domain, **attrs)
        return self.at if only_q else self.node("DequantizeLinear", *pair, domain=domain)

    def codes(self, q: object, scale: object, zero: int | None = 0, dtype: type = np.int8, **attrs) -> str:
        """A constant behind a DequantizeLinear; leaves ``at`` where it is."""
        at, scale = self.at, np.asarray(scale, np.float32)
        pair = [self.const(scale), *([] if zero is None else [self.const(np.full(scale.shape, zero, dtype))])]
        name = self.node("DequantizeLinear", *pair, source=self.const(q, dtype), **attrs)
        self.at = at
        return name

    def weight(self, *shape: int, scale: float = 0.004) -> str:
        return self.codes(self.rng.integers(-127, 128, shape), scale)

    def conv(self, i: int, o: int, k: int = 3, **attrs) -> str:
        attrs.setdefault("pads", [k // 2] * 4)
        return self.node("Conv", self.weight(o, i // attrs.get("group", 1), k, k), kernel_shape=[k, k], **attrs)

    def begin(self, o: int = 8, scale: float = 0.02, zero: int = -128, relu: bool = True) -> Qdq:
        """Quantised input, a convolution, its QuantizeLinear."""
        self.quant(0.0078)
        self.conv(self.shape[1], o)
        if relu:
            self.node("Relu")
        self.quant(scale, zero)
        return self

    def end(self, features: int = 8, classes: int = 5, scale: float = 0.05, pool: bool = True) -> Qdq:
        """Mean, classifier, QuantizeLinear."""
        if pool:
            self.node("GlobalAveragePool")
            self.quant(0.02, -100)
        self.node("Flatten")
        bias = [] if self.opset > 10 else [self.const(np.zeros(classes, np.float32))]
        self.node("Gemm", self.weight(classes, features, scale=0.01), *bias, transB=1)
        self.quant(scale)
        return self

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", self.kind, self.shape)],
            [helper.make_tensor_value_info(self.at, FLOAT, ["N", "K"])], self.constants,
        )  # fmt: skip
        domains = {n.domain for n in self.nodes} | {""}
        sets = [helper.make_opsetid(d, 1 if d else self.opset) for d in sorted(domains)]
        model = helper.make_model(graph, opset_imports=sets)
        model.ir_version = 8 if self.opset < 19 else 10 if self.opset < 23 else 11
        if model.graph.output[0].name.startswith(("quantizelinear", "argmax")):
            model.graph.output[0].type.tensor_type.elem_type = 7 if "argmax" in self.at else TensorProto.INT8
        return model

    def save(self, path: Path) -> Path:
        onnx.save(self.model(), path)
        return path


def inputs_of(graph: Graph, count: int = 24, seed: int = 5) -> np.ndarray:
    """Random int8 inputs for a graph, the least and the largest among them."""
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    x = np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)
    x[0], x[1] = -128, 127
    return x


def steps(
    net: Qdq | onnx.ModelProto, at: str | None = None, notes: list[str] | None = None, graph: Graph | None = None
) -> tuple[Graph, np.ndarray]:
    """(graph, distance in output steps of every logit from ONNX Runtime's, not clipped).

    at: the source's value to compare with, its output unless given. graph: what to compare, the converted model unless
    given; it equals BUILTIN_REF on the same inputs.
    """
    model = net.model() if isinstance(net, Qdq) else net
    graph = graph or from_qdq_onnx(model, "net", notes)
    x = inputs_of(graph)
    ours = reference.run(graph, x)
    np.testing.assert_array_equal(ours, run_builtin_ref(graph, x))
    model = onnx.ModelProto.FromString(model.SerializeToString())
    if at is not None:
        model.graph.output.append(helper.make_tensor_value_info(at, FLOAT, None))
    run, source = runner(model), model.graph.input[0]
    dims, kind = [d.dim_value for d in source.type.tensor_type.shape.dim], source.type.tensor_type.elem_type
    quant = graph.tensors[graph.inputs[0]].quant
    real = ((x.astype(np.float32) - np.float32(quant.zero_point[0])) * quant.scale[0]).astype(np.float32)
    if kind != FLOAT:
        real = x if kind == TensorProto.INT8 else (x.astype(np.int16) + 128).astype(np.uint8)
    wanted = []
    moved = real.ndim > 2 and tuple(dims[1:]) != real.shape[1:]
    for row in np.moveaxis(real, -1, 1) if moved else real:
        wanted.append(run(None, {source.name: row.reshape(dims)})[-1].reshape(-1))
    out = graph.tensors[graph.outputs[0]].quant
    theirs = np.stack(wanted)
    if theirs.dtype.kind == "f":
        theirs = np.rint(theirs.astype(np.float64) / out.scale[0]) + out.zero_point[0]
    assert theirs.std() > 0  # one value everywhere would show nothing
    return graph, np.abs(theirs.astype(int) - ours.reshape(len(ours), -1).astype(int))


def runner(model: onnx.ModelProto) -> Callable[..., list[np.ndarray]]:
    """ONNX Runtime without optimisation; onnx's own evaluator for opsets that are newer than it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options).run
    except (
        onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
        onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    ):
        return ReferenceEvaluator(model).run


def close(net: Qdq | onnx.ModelProto, at: str | None = None, most: int = 1, share: float = 0.15) -> list[str]:
    """Asserts that only ties differ; gives the kinds of ops."""
    graph, distance = steps(net, at)
    assert distance.max() <= most, f"{distance.max()} steps"
    assert (distance > 0).mean() <= share, f"{(distance > 0).mean():.1%} of the values differ"
    return [op.kind for op in graph.ops]


def refused(net: Qdq, says: str) -> None:
    """Asserts that the network is refused in one line that matches."""
    with pytest.raises(IntrsError, match=says) as error:
        from_qdq_onnx(net.model())
    assert "\n" not in str(error.value)
