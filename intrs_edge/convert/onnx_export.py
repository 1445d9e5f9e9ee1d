# SPDX-License-Identifier: Apache-2.0
"""An int8 graph as the ONNX model that other engines run: in float32, or quantised by Q/DQ pairs (NCHW, free batch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.errors import IntrsError
from intrs_edge.graph.geometry import slices, window
from intrs_edge.graph.ir import Graph, Op, Tensor

OPSET = 13


def to_onnx(graph: Graph, activations: str = "") -> onnx.ModelProto:
    """The graph for other engines, input float32 ``[N, C, H, W]`` of real values, output float32 ``[N, classes]``.

    ``activations`` "int8" or "uint8" puts QuantizeLinear and DequantizeLinear around every value with the graph's
    own scales (weights int8 per channel; uint8 moves zero points by 128); "" is float32. IntrsError for an operator
    without a counterpart here.
    """
    writer = _Writer(graph, activations)
    writer.value[graph.inputs[0]] = "input"
    writer.settle(graph.inputs[0], "input")
    for op in graph.ops:
        if op.kind not in _OPS:
            raise IntrsError(f"{op.kind} has no counterpart in this comparison")
        out = _OPS[op.kind](writer, op, f"t{op.outputs[0]}")
        out = writer.activation(op, out)
        writer.settle(op.outputs[0], out)
    _, h, w, c = graph.tensors[graph.inputs[0]].shape
    end = writer.value[graph.outputs[0]]
    model = helper.make_model(
        helper.make_graph(
            writer.nodes,
            graph.name or "model",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", c, h, w])],
            [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["N", graph.tensors[graph.outputs[0]].elements])],
            writer.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="intrs-edge",
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


@dataclass
class _Writer:
    graph: Graph
    activations: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    value: dict[int, str] = field(default_factory=dict)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_{kind}", **attributes))
        return output

    def constant(self, name: str, data: npt.ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.array(data), name))
        return name

    def settle(self, tensor: int, name: str) -> None:
        """The value of a tensor: as it is, or through a Q/DQ pair."""
        t = self.graph.tensors[tensor]
        if self.activations and t.quant is not None:
            pair = [self.constant(f"{name}_scale", t.quant.scale[0]), self.constant(f"{name}_zero", self.zero(t))]
            self.node("QuantizeLinear", [name, *pair], f"{name}_q")
            name = self.node("DequantizeLinear", [f"{name}_q", *pair], f"{name}_dq")
        self.value[tensor] = name

    def zero(self, t: Tensor) -> npt.NDArray[np.generic]:
        """The zero point, in the type that the values have there."""
        assert t.quant is not None
        moved = 128 if self.activations == "uint8" and t.dtype == "int8" else 0
        return np.array(t.quant.zero_point[0] + moved, self.activations)

    def weights(
        self, op: Op, out: str, arrange: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]
    ) -> list[str]:
        """Weight and bias, dequantised here or by nodes; ``arrange`` puts the output channels first."""
        w = self.graph.tensors[op.inputs[1]]
        if w.data is None or w.quant is None:
            raise IntrsError(f"{op.kind} with weights that are not constant has no counterpart in this comparison")
        data, scale = arrange(w.data), w.quant.scale
        source = self.graph.tensors[op.inputs[0]].quant
        assert source is not None
        parts = [("w", data, scale)]
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            bias = self.graph.tensors[op.inputs[2]].data
            assert bias is not None
            parts.append(("b", bias, np.float32(source.scale[0]) * scale))
        names = []
        for what, values, s in parts:
            name = f"{out}_{what}"
            if self.activations:
                per_channel = s.size > 1
                step = s if per_channel else s[0]
                zero = np.zeros(np.shape(step), values.dtype)
                inputs = [
                    self.constant(f"{name}_q", values),
                    self.constant(f"{name}_s", step),
                    self.constant(f"{name}_z", zero),
                ]
                names.append(self.node("DequantizeLinear", inputs, name, **({"axis": 0} if per_channel else {})))
            else:
                shape = (-1,) + (1,) * (values.ndim - 1)
                names.append(self.constant(name, values.astype(np.float32) * s.reshape(shape).astype(np.float32)))
        return names

    def activation(self, op: Op, name: str) -> str:
        kind = str(op.attrs.get("activation", "NONE"))
        if kind == "NONE":
            return name
        if kind == "RELU":
            return self.node("Relu", [name], f"{name}_relu")
        low, high = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[kind]
        limits = [self.constant(f"{name}_low", np.float32(low)), self.constant(f"{name}_high", np.float32(high))]
        return self.node("Clip", [name, *limits], f"{name}_clip")


def _window(w: _Writer, op: Op) -> dict[str, object]:
    win = window(w.graph, op)
    found: dict[str, object] = {
        "kernel_shape": [win.filter_h, win.filter_w],
        "strides": [win.stride_h, win.stride_w],
        "pads": [win.pad_top, win.pad_left, max(0, win.pad_bottom), max(0, win.pad_right)],
    }
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        found["dilations"] = [win.dilation_h, win.dilation_w]
    return found


def _conv(w: _Writer, op: Op, out: str) -> str:
    source, weights = w.graph.tensors[op.inputs[0]], w.graph.tensors[op.inputs[1]]
    if op.kind == "CONV_2D":
        groups, names = source.shape[3] // weights.shape[3], w.weights(op, out, lambda d: d.transpose(0, 3, 1, 2))
    else:
        groups, names = source.shape[3], w.weights(op, out, lambda d: d.transpose(3, 0, 1, 2))
    return w.node("Conv", [w.value[op.inputs[0]], *names], out, group=groups, **_window(w, op))


def _flat(w: _Writer, tensor: int, out: str) -> str:
    """[N, C, H, W] as rows in H, W, C order."""
    name, shape = w.value[tensor], w.graph.tensors[tensor].shape
    if len(shape) == 2:
        return name
    if len(shape) == 4 and shape[1] * shape[2] > 1:
        name = w.node("Transpose", [name], f"{out}_nhwc", perm=[0, 2, 3, 1])
    return w.node("Flatten", [name], f"{out}_flat")


def _linear(w: _Writer, op: Op, out: str) -> str:
    if w.graph.tensors[op.outputs[0]].shape[0] != 1:
        raise IntrsError("FULLY_CONNECTED on several rows has no counterpart in this comparison")
    return w.node("Gemm", [_flat(w, op.inputs[0], out), *w.weights(op, out, lambda d: d)], out, transB=1)


def _reshape(w: _Writer, op: Op, out: str) -> str:
    before, after = w.graph.tensors[op.inputs[0]].shape, w.graph.tensors[op.outputs[0]].shape
    if len(after) != 2 or after[0] != 1 or before[0] != 1:
        raise IntrsError(f"RESHAPE to {list(after)} has no counterpart in this comparison")
    return _flat(w, op.inputs[0], out)


def _add(w: _Writer, op: Op, out: str) -> str:
    if any(w.graph.tensors[i].constant for i in op.inputs[:2]):
        raise IntrsError("ADD of a constant has no counterpart in this comparison")
    return w.node("Add", [w.value[i] for i in op.inputs[:2]], out)


def _pad(w: _Writer, op: Op, out: str) -> str:
    amounts = w.graph.tensors[op.inputs[1]].data
    assert amounts is not None
    nchw = amounts[[0, 3, 1, 2]]
    return w.node("Pad", [w.value[op.inputs[0]], w.constant(f"{out}_pads", nchw.T.reshape(-1).astype(np.int64))], out)


def _slice(w: _Writer, op: Op, out: str) -> str:
    taken = slices(w.graph, op)
    if len(taken.ranges) != 4 or len(taken.shape) != 4 or any(r.step < 1 for r in taken.ranges):
        raise IntrsError(f"{op.kind} to {list(taken.shape)} has no counterpart in this comparison")
    nchw = [taken.ranges[k] for k in (0, 3, 1, 2)][1:]  # the batch is free
    ends = [r.start + (r.count - 1) * r.step + 1 for r in nchw]
    columns = {"starts": [r.start for r in nchw], "ends": ends, "axes": [1, 2, 3],
               "steps": [r.step for r in nchw]}  # fmt: skip
    names = [w.constant(f"{out}_{name}", np.array(values, np.int64)) for name, values in columns.items()]
    return w.node("Slice", [w.value[op.inputs[0]], *names], out)


def _pool(w: _Writer, op: Op, out: str) -> str:
    kind = "AveragePool" if op.kind == "AVERAGE_POOL_2D" else "MaxPool"
    return w.node(kind, [w.value[op.inputs[0]]], out, **_window(w, op))


def _mean(w: _Writer, op: Op, out: str) -> str:
    axes = w.graph.tensors[op.inputs[1]].data
    keep = bool(op.attrs.get("keep_dims", False))
    if axes is None or sorted(int(a) % 4 for a in axes.reshape(-1)) != [1, 2]:
        raise IntrsError("MEAN over other axes than the spatial ones has no counterpart in this comparison")
    return w.node("ReduceMean", [w.value[op.inputs[0]]], out, axes=[2, 3], keepdims=int(keep))


def _softmax(w: _Writer, op: Op, out: str) -> str:
    return w.node("Softmax", [w.value[op.inputs[0]]], out, axis=-1)


_OPS: dict[str, Callable[[_Writer, Op, str], str]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _linear,
    "RESHAPE": _reshape,
    "ADD": _add,
    "PAD": _pad,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "SOFTMAX": _softmax,
}
