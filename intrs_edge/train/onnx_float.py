# SPDX-License-Identifier: Apache-2.0
"""Writes a network that stayed fp32 as a plain float ONNX model: pixels in [0, 1] in, logits out, batch norm folded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.files import write_atomically
from intrs_edge.train.architecture import INPUT, Layer
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.operators import OPERATORS
from intrs_edge.train.quantise import QatWeights

OPSET = 13


def export_float(network: QatNetwork, path: Path) -> Path:
    """Writes ``path``: input float [N, C, H, W] in [0, 1] (pixel / 255, noise added there), output logits [N, classes].

    Mean and std of the training lie within the model. Metadata: ``intrs.sigma`` ([0,1] pixels) and ``intrs.classes``.
    The same network gives the same bytes; the file appears whole or not at all.
    """
    writer = _FloatWriter(network)
    model = writer.model()
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString(deterministic=True), "model")
    return path


class _FloatWriter:
    """What `operators` asks of a writer, in float."""

    def __init__(self, network: QatNetwork) -> None:
        self.network, self.opset = network, OPSET
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Adds a node with one output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        """Adds an initialiser."""
        self.initializers.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def quantised(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """A constant, as it is."""
        return self.constant(name, value)

    def weights(self, layer: Layer) -> list[str]:
        """Weight and bias with batch norm folded in; a PReLU's slopes."""
        module = self.network.modules_by_layer[layer.name]
        with torch.no_grad():
            if not isinstance(module, QatWeights):
                slopes = module.weight.numpy().reshape(-1, *[1] * (len(layer.shape) - 1))
                return [self.constant(f"{layer.name}_weight", slopes)]
            weight, bias, _ = module.folded(torch.ones(()))
            parts = (("weight", weight), ("bias", bias))
            return [self.constant(f"{layer.name}_{part}", value.contiguous().numpy()) for part, value in parts]

    def model(self) -> onnx.ModelProto:
        """The whole."""
        arch = self.network.arch
        values = {INPUT: self._normalised()}
        for layer in arch.layers:
            operator = OPERATORS[layer.kind]
            self.opset = max(self.opset, operator.opset)
            out = operator.emit(self, layer, [values[name] for name in layer.inputs], f"{layer.name}_raw")
            if layer.activation == "relu":
                out = self.node("Relu", [out], f"{layer.name}_relu")
            elif layer.activation:
                limits = [self.constant(f"{layer.name}_{n}", np.float32(v)) for n, v in (("low", 0), ("high", 6))]
                out = self.node("Clip", [out, *limits], f"{layer.name}_relu6")
            values[layer.name] = out
        self.node("Identity", [values[arch.layers[-1].name]], "logits")
        graph = helper.make_graph(
            self.nodes,
            arch.name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", *arch.input])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", arch.classes])],
            self.initializers,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="intrs-edge"
        )
        model.ir_version = 8 if self.opset <= 18 else 10  # what the opset's contemporaries read
        said = {"range": "0..1"} | ({"resize": self.network.resize} if self.network.resize else {})
        metadata = {"intrs.sigma": repr(float(self.network.sigma)), "intrs.input": json.dumps(said)}
        if self.network.classes:
            metadata["intrs.classes"] = json.dumps(list(self.network.classes))
        helper.set_model_props(model, metadata)
        return model

    def _normalised(self) -> str:
        """The input, less the mean and over the std where there are any."""
        mean, std = (self.network.per_channel(v) for v in (self.network.mean, self.network.std))
        if not mean.any() and (std == 1).all():
            return "input"
        less = self.node("Sub", ["input", self.constant("input_mean", mean)], "input_less_mean")
        return self.node("Div", [less, self.constant("input_std", std)], "input_normalised")
