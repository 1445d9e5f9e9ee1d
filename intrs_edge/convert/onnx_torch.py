# SPDX-License-Identifier: Apache-2.0
"""Runs a float ONNX model of `onnx_export` in PyTorch, eagerly, as a user's module would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional as F

Values = dict[str, Any]


def module_of(model: onnx.ModelProto) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from float32 ``[N, C, H, W]`` to logits; the nodes that `to_onnx` writes, in float32."""
    constants: Values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
    steps = [
        (
            _NODES[node.op_type],
            list(node.input),
            node.output[0],
            {a.name: helper.get_attribute_value(a) for a in node.attribute},
        )
        for node in model.graph.node
    ]
    end = model.graph.output[0].name

    def run(x: torch.Tensor) -> torch.Tensor:
        values = {**constants, "input": x}
        for step, inputs, output, attributes in steps:
            values[output] = step([values[name] for name in inputs], attributes)
        result: torch.Tensor = values[end]
        return result

    return run


def _padded(x: torch.Tensor, pads: list[int], value: float = 0.0) -> tuple[torch.Tensor, tuple[int, int]]:
    """Symmetric padding is left to the operator; any other is made here."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _conv(v: list[Any], a: Values) -> torch.Tensor:
    x, padding = _padded(v[0], a["pads"])
    bias = v[2] if len(v) > 2 else None
    return F.conv2d(x, v[1], bias, a["strides"], padding, a["dilations"], a["group"])


def _average(v: list[Any], a: Values) -> torch.Tensor:
    top, left, bottom, right = a["pads"]
    if (top, left) != (bottom, right):
        raise NotImplementedError("asymmetric average pooling")
    return F.avg_pool2d(v[0], a["kernel_shape"], a["strides"], (top, left), count_include_pad=False)


def _max(v: list[Any], a: Values) -> torch.Tensor:
    x, padding = _padded(v[0], a["pads"], float("-inf"))
    return F.max_pool2d(x, a["kernel_shape"], a["strides"], padding)


def _pad(v: list[Any], a: Values) -> torch.Tensor:
    n, c, top, left, *after = (int(p) for p in v[1])
    if n or after[0]:
        raise NotImplementedError("padding of the batch")
    return F.pad(v[0], (left, after[3], top, after[2], c, after[1]))


def _slice(v: list[Any], a: Values) -> torch.Tensor:
    x = v[0]
    for start, end, axis, step in zip(*(part.tolist() for part in v[1:]), strict=True):
        x = x[(slice(None),) * axis + (slice(start, end, step),)]
    return x


_NODES: dict[str, Callable[[list[Any], Values], torch.Tensor]] = {
    "Conv": _conv,
    "Gemm": lambda v, a: F.linear(v[0], v[1], v[2] if len(v) > 2 else None),
    "Relu": lambda v, a: F.relu(v[0]),
    "Clip": lambda v, a: torch.clamp(v[0], float(v[1]), float(v[2])),
    "Add": lambda v, a: v[0] + v[1],
    "AveragePool": _average,
    "MaxPool": _max,
    "Pad": _pad,
    "Flatten": lambda v, a: v[0].flatten(1),
    "Transpose": lambda v, a: v[0].permute(a["perm"]),
    "ReduceMean": lambda v, a: v[0].mean((2, 3), keepdim=bool(a["keepdims"])),
    "Slice": _slice,
    "Softmax": lambda v, a: F.softmax(v[0], -1),
}
