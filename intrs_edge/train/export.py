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

OPSET = 13


def export_qdq(network: QatNetwork, path: Path) -> Path:
    """Writes ``path`` (opset 13; input float [N, C, H, W] of real values pixel / 255, output logits [N, classes]).

    The same network gives the same bytes. The file appears whole or not at all.
    """
    model = to_onnx(freeze(network))
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString(deterministic=True), "model")
    return path


def to_onnx(frozen: FrozenNetwork) -> onnx.ModelProto:
    """The QDQ model of a frozen network."""
    writer = _Writer(frozen)
    writer.quantise("input", INPUT)
    for layer in frozen.arch.layers:
        writer.layer(layer)
    h, w, c = frozen.arch.input_shape
    graph = helper.make_graph(
        writer.nodes,
        frozen.arch.name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", c, h, w])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", frozen.arch.classes])],
        writer.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="intrs-edge")
    model.ir_version = 8  # what opset 13's contemporaries read
    helper.set_model_props(model, dict(frozen.metadata))
    return model


class _Writer:
    """Nodes and initialisers; the dequantised value of layer x is called ``x_dq`` (``logits`` for the last)."""

    def __init__(self, frozen: FrozenNetwork) -> None:
        self.frozen = frozen
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

    def weights(self, layer: Layer) -> list[str]:
        """The dequantised weight and bias of a layer."""
        w: Weights = self.frozen.weights[layer.name]
        weight = w.weight
        if layer.kind == "linear":  # rows in H, W, C order become C, H, W
            height, width, channels = self.frozen.arch.shape(layer.inputs[0])
            weight = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(weight), -1)
        else:
            weight = weight.transpose(0, 3, 1, 2)
        per_tensor = w.scale.size == 1
        scale = w.scale[0] if per_tensor else w.scale
        bias_scale = np.float32(self.frozen.quant[layer.inputs[0]][0]) * scale
        names = []
        for part, data, real in (("weight", weight, scale), ("bias", w.bias, bias_scale)):
            s = np.asarray(real, np.float32)
            inputs = [
                self.constant(f"{layer.name}_{part}_q", data),
                self.constant(f"{layer.name}_{part}_scale", s),
                self.constant(f"{layer.name}_{part}_zero", np.zeros(s.shape, data.dtype)),
            ]
            axis = {} if per_tensor else {"axis": 0}
            names.append(self.node("DequantizeLinear", inputs, f"{layer.name}_{part}", **axis))
        return names

    def layer(self, layer: Layer) -> None:
        inputs = [self.value(name) for name in layer.inputs]
        out = f"{layer.name}_raw"
        top, bottom, left, right = layer.pad
        window = {"kernel_shape": layer.kernel, "strides": [layer.stride] * 2, "pads": [top, left, bottom, right]}
        if layer.kind in ("conv", "depthwise"):
            group = layer.shape[2] if layer.kind == "depthwise" else 1
            self.node("Conv", inputs + self.weights(layer), out, group=group, **window)
        elif layer.kind == "linear":
            flat = self.node("Flatten", inputs, f"{layer.name}/flat")
            self.node("Gemm", [flat, *self.weights(layer)], out, transB=1)
        elif layer.kind == "add":
            self.node("Add", inputs, out)
        elif layer.kind == "average_pool":
            self.node("GlobalAveragePool", inputs, out)
        elif layer.kind == "max_pool":
            self.node("MaxPool", inputs, out, **window)
        else:
            self.subsample(layer, inputs[0], out)
        if layer.relu:
            out = self.node("Relu", [out], f"{layer.name}_relu")
        self.quantise(out, layer.name)

    def subsample(self, layer: Layer, source: str, out: str) -> None:
        h, w, c = self.frozen.arch.shape(layer.inputs[0])
        before = (layer.shape[2] - c) // 2
        pads = np.array([0, before, 0, 0, 0, layer.shape[2] - c - before, 0, 0], np.int64)
        name = layer.name
        arguments = {"starts": [0, 0], "ends": [h, w], "axes": [2, 3], "steps": [layer.stride] * 2}
        inputs = [self.constant(f"{name}_{key}", np.array(value, np.int64)) for key, value in arguments.items()]
        self.node("Slice", [source, *inputs], f"{name}/slice")
        self.node("Pad", [f"{name}/slice", self.constant(f"{name}_pads", pads)], out)
