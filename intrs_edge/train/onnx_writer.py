# SPDX-License-Identifier: Apache-2.0
"""Writes a frozen network as QDQ ONNX, node by node: the scales in the file are the learned ones, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.files import write_atomically
from intrs_edge.train.architecture import INPUT, Layer
from intrs_edge.train.frozen import FrozenNetwork, Weights, freeze
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.operators import OPERATORS

OPSET = 13


def export_qdq(network: QatNetwork, path: Path) -> Path:
    """Writes ``path`` (opset 13, or the least that has every op; input float [N, C, H, W] of real values pixel / 255,
    output logits [N, classes]).

    The same network gives the same bytes. The file appears whole or not at all.
    """
    model = to_onnx(freeze(network))
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString(deterministic=True), "model")
    return path


export = export_qdq


def to_onnx(frozen: FrozenNetwork) -> onnx.ModelProto:
    """The QDQ model of a frozen network."""
    writer = _Writer(frozen)
    writer.quantise("input", INPUT)
    for layer in frozen.arch.layers:
        writer.layer(layer)
    graph = helper.make_graph(
        writer.nodes,
        frozen.arch.name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", *frozen.arch.input])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", frozen.arch.classes])],
        writer.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", writer.opset)], producer_name="intrs-edge")
    model.ir_version = 8 if writer.opset <= 18 else 10  # what the opset's contemporaries read
    helper.set_model_props(model, dict(frozen.metadata))
    return model


class _Writer:
    """Nodes and initialisers; the dequantised value of layer x is called ``x_dq`` (``logits`` for the last)."""

    def __init__(self, frozen: FrozenNetwork) -> None:
        self.frozen = frozen
        self.opset = OPSET
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        # the op that does a layer's work carries the layer's name
        name = f"{output}/{kind}" if kind == "DequantizeLinear" else output.removesuffix("_raw")
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self.initializers.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def quantise(self, value: str, layer: str) -> None:
        """Q and DQ with the layer's scale; the result is the layer's value."""
        scale, zero = self.frozen.quant[layer]
        pair = [self.constant(f"{layer}_scale", np.float32(scale)), self.constant(f"{layer}_zero", np.int8(zero))]
        self.node("QuantizeLinear", [value, *pair], f"{layer}_q")
        self.node("DequantizeLinear", [f"{layer}_q", *pair], self.value(layer))

    def value(self, layer: str) -> str:
        return "logits" if layer == self.frozen.arch.layers[-1].name else f"{layer}_dq"

    def quantised(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """A constant as int8, symmetric and per tensor, rounded as torch rounds it; the name of its real value."""
        scale = np.float32(max(float(np.abs(value).max()) / 127.0, 1e-8))
        q = np.clip(np.rint(value * np.float32(1.0 / scale)), -127, 127).astype(np.int8)
        parts = [
            self.constant(f"{name}_q", q),
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero", np.int8(0)),
        ]
        return self.node("DequantizeLinear", parts, name)

    def weights(self, layer: Layer) -> list[str]:
        """The dequantised weight and bias of a layer."""
        w: Weights = self.frozen.weights[layer.name]
        per_tensor = w.scale.size == 1
        scale = w.scale[0] if per_tensor else w.scale
        bias_scale = np.float32(self.frozen.quant[layer.inputs[0]][0]) * scale
        weight = w.weight
        if layer.kind == "prelu":  # one slope a channel, along axis 1
            weight = weight.reshape(-1, *[1] * (len(layer.shape) - 1))
        names = []
        for part, data, real, axis in (("weight", weight, scale, w.axis), ("bias", w.bias, bias_scale, 0)):
            if data is None:
                continue
            s = np.asarray(real, np.float32)
            inputs = [
                self.constant(f"{layer.name}_{part}_q", data),
                self.constant(f"{layer.name}_{part}_scale", s),
                self.constant(f"{layer.name}_{part}_zero", np.zeros(s.shape, data.dtype)),
            ]
            along = {} if per_tensor else {"axis": axis}
            names.append(self.node("DequantizeLinear", inputs, f"{layer.name}_{part}", **along))
        return names

    def layer(self, layer: Layer) -> None:
        """The nodes of a layer, its activation, and the pair that gives its scale."""
        operator = OPERATORS[layer.kind]
        self.opset = max(self.opset, operator.opset)
        out = operator.emit(self, layer, [self.value(name) for name in layer.inputs], f"{layer.name}_raw")
        if layer.activation == "relu":
            out = self.node("Relu", [out], f"{layer.name}_relu")
        elif layer.activation:
            limits = [self.constant(f"{layer.name}_{n}", np.float32(v)) for n, v in (("low", 0), ("high", 6))]
            out = self.node("Clip", [out, *limits], f"{layer.name}_relu6")
        self.quantise(out, layer.name)
