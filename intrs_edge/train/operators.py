# SPDX-License-Identifier: Apache-2.0
"""What each kind of layer computes in torch, what it becomes in ONNX, and on which lattice its output lies.

One row a kind. ``lattice`` says whose quantisation the output has: ``own`` (observed), ``kept`` (the first input's,
because values are only moved or selected), ``averaged`` (the first input's too, but values are rounded into it), or a
fixed (low, high) that TFLite prescribes or the layer itself implies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.train.architecture import Layer
from intrs_edge.train.quantise import QatConv, QatConvTranspose, QatLinear, QatPrelu, fake_quantise_weight

Inputs = list[Tensor]
Window = tuple[int, ...]


class Emit(Protocol):
    """What the ONNX writer offers: nodes, constants and the weights of a layer."""

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Adds a node with one output and gives the output's name."""

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        """Adds an initialiser and gives its name."""

    def quantised(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """Adds a constant as int8, symmetric and per tensor, and gives the name of its dequantised value."""

    def weights(self, layer: Layer) -> list[str]:
        """The dequantised weight of a layer, and its bias."""


@dataclass(frozen=True)
class Operator:
    """A kind of layer. run: the inputs' real values -> the output's, before activation and rounding. emit: adds ONNX
    nodes and gives the output's name (``opset`` is the least that has them). module: makes the trained part."""

    run: Callable[[Layer, Inputs], Tensor] | None
    emit: Callable[[Emit, Layer, list[str], str], str]
    lattice: str | tuple[float, float] = "own"
    module: Callable[[Layer, tuple[int, ...]], nn.Module] | None = None
    opset: int = 13


def _conv(layer: Layer, source: tuple[int, ...]) -> nn.Module:
    o = layer.options
    module = QatConv(
        source[0], layer.shape[0], o["kernel"], o["stride"], o["pad"], o["dilation"], o["groups"], o["norm"], o["bias"]
    )
    for name in ("eps", "momentum"):
        if name in o and module.bn is not None:
            setattr(module.bn, name, o[name])
    return module


def _emit_conv(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    o = layer.options
    return e.node("Conv", inputs + e.weights(layer), out, group=o["groups"], **_window(layer))


def _conv_transpose(layer: Layer, source: tuple[int, ...]) -> nn.Module:
    o = layer.options
    return QatConvTranspose(
        source[0], layer.shape[0], o["kernel"], o["stride"], o["pad"][:2], o["output_pad"], o["norm"], o["bias"]
    )


def _emit_conv_transpose(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    o = layer.options
    window = {"kernel_shape": list(o["kernel"]), "strides": list(o["stride"]), "pads": list(o["pad"])}
    return e.node("ConvTranspose", inputs + e.weights(layer), out, output_padding=list(o["output_pad"]), **window)


def _linear(layer: Layer, source: tuple[int, ...]) -> nn.Module:
    return QatLinear(source[-1], layer.shape[-1], layer.options["norm"], layer.options["bias"])


def _emit_linear(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    weight, bias = e.weights(layer)
    if len(layer.shape) == 1:
        return e.node("Gemm", [*inputs, weight, bias], out, transB=1)
    columns = e.node("Transpose", [weight], f"{layer.name}_columns", perm=[1, 0])
    return e.node("Add", [e.node("MatMul", [*inputs, columns], f"{layer.name}_product"), bias], out)


def _second(layer: Layer, inputs: Inputs) -> Tensor:
    """The other operand: a value, or a constant of the layer rounded to int8 as the file holds it (``exact``: not)."""
    if len(inputs) > 1:
        return inputs[1]
    value = torch.as_tensor(layer.options["constant"], dtype=inputs[0].dtype, device=inputs[0].device)
    if layer.options.get("exact"):
        return value
    scale = (value.abs().amax().reshape(1) / 127.0).clamp(min=1e-8)
    return fake_quantise_weight(value, scale)


def _binary(kind: str, function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def run(layer: Layer, inputs: Inputs) -> Tensor:
        a, b = inputs[0], _second(layer, inputs)
        return function(b, a) if layer.options.get("swapped") else function(a, b)

    def emit(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
        if len(inputs) == 1:
            inputs = [*inputs, e.quantised(f"{layer.name}_constant", np.asarray(layer.options["constant"], np.float32))]
        return e.node(kind, inputs[::-1] if layer.options.get("swapped") else inputs, out)

    return Operator(run, emit)


def _unary(
    kind: str,
    function: Callable[..., Tensor],
    names: tuple[str, ...] = (),
    lattice: str | tuple[float, float] = "own",
    opset: int = 13,
) -> Operator:
    """An element-wise function; ``names`` are options that both torch and ONNX take."""

    def run(layer: Layer, inputs: Inputs) -> Tensor:
        return function(inputs[0], *(layer.options[n] for n in names))

    def emit(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
        return e.node(kind, inputs, out, **{n: float(layer.options[n]) for n in names})

    return Operator(run, emit, lattice, opset=opset)


def _emit_clip(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    limits = [e.constant(f"{layer.name}_{n}", np.float32(layer.options[n])) for n in ("low", "high")]
    return e.node("Clip", [*inputs, *limits], out)


def _emit_prelu(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    return e.node("PRelu", [*inputs, *e.weights(layer)[:1]], out)


def _max_pool(layer: Layer, inputs: Inputs) -> Tensor:
    """Nothing of the border ever wins."""
    o, x = layer.options, inputs[0]
    axes = len(o["kernel"])
    if any(o["pad"]):
        x = F.pad(x, _torch_pad(o["pad"]), value=float("-inf"))
    pool = F.max_pool2d if axes == 2 else F.max_pool1d
    return pool(x, o["kernel"], o["stride"], 0, o["dilation"])


def _average_pool(layer: Layer, inputs: Inputs) -> Tensor:
    o, x = layer.options, inputs[0]
    axes = len(o["kernel"])
    pool = F.avg_pool2d if axes == 2 else F.avg_pool1d
    pad = o["pad"][:axes]
    return pool(x, o["kernel"], o["stride"], pad, count_include_pad=o["count_include_pad"])


def _emit_pool(kind: str) -> Callable[[Emit, Layer, list[str], str], str]:
    def emit(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
        attributes = _window(layer)
        if kind == "AveragePool":
            del attributes["dilations"]
            attributes["count_include_pad"] = int(layer.options["count_include_pad"])
        elif all(d == 1 for d in layer.options["dilation"]):
            del attributes["dilations"]
        return e.node(kind, inputs, out, **attributes)

    return emit


def _reshape(layer: Layer, inputs: Inputs) -> Tensor:
    return inputs[0].reshape(len(inputs[0]), *layer.shape)


def _emit_reshape(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    if len(layer.shape) == 1:
        return e.node("Flatten", inputs, out)
    shape = e.constant(f"{layer.name}_shape", np.array([-1, *layer.shape], np.int64))
    return e.node("Reshape", [*inputs, shape], out)


def _slice(layer: Layer, inputs: Inputs) -> Tensor:
    o, x = layer.options, inputs[0]
    for axis, start, end, step in zip(o["axes"], o["starts"], o["ends"], o["steps"], strict=True):
        x = x.narrow(axis, start, end - start)[(slice(None),) * axis + (slice(None, None, step),)]
    return x


def _emit_slice(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    o = layer.options
    names = ("starts", "ends", "axes", "steps")
    return e.node("Slice", inputs + [e.constant(f"{layer.name}_{n}", np.array(o[n], np.int64)) for n in names], out)


def _pad(layer: Layer, inputs: Inputs) -> Tensor:
    return F.pad(inputs[0], _torch_pad(layer.options["pad"]))


def _emit_pad(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    pad = layer.options["pad"]
    half = len(pad) // 2
    pads = np.array([0, *pad[:half], 0, *pad[half:]], np.int64)
    return e.node("Pad", [*inputs, e.constant(f"{layer.name}_pads", pads)], out)


def _resize(layer: Layer, inputs: Inputs) -> Tensor:
    size, mode = layer.shape[1:], layer.options["mode"]
    if mode == "nearest":
        return F.interpolate(inputs[0], size, mode="nearest")
    return F.interpolate(inputs[0], size, mode="bilinear", align_corners=layer.options["align_corners"])


def _emit_resize(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    scales = layer.options["scales"]
    if all(float(np.float32(s)) == s for s in scales):  # for any batch; rounded scales might pick other pixels
        target = ["", e.constant(f"{layer.name}_scales", np.array([1, 1, *scales], np.float32))]
    else:
        target = ["", "", e.constant(f"{layer.name}_sizes", np.array([1, *layer.shape], np.int64))]
    if layer.options["mode"] == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        corners = "align_corners" if layer.options["align_corners"] else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    return e.node("Resize", [*inputs, *target], out, **how)


def _permute(layer: Layer, inputs: Inputs) -> Tensor:
    return inputs[0].permute(0, *layer.options["perm"])


def _emit_permute(e: Emit, layer: Layer, inputs: list[str], out: str) -> str:
    return e.node("Transpose", inputs, out, perm=[0, *layer.options["perm"]])


def _window(layer: Layer) -> dict[str, Any]:
    o = layer.options
    names = {"kernel_shape": "kernel", "strides": "stride", "pads": "pad", "dilations": "dilation"}
    return {theirs: list(o[ours]) for theirs, ours in names.items()}


def _torch_pad(pad: Window) -> list[int]:
    """(begins..., ends...) as torch wants it, the last axis first."""
    axes = len(pad) // 2
    return [p for a in reversed(range(axes)) for p in (pad[a], pad[axes + a])]


OPERATORS: dict[str, Operator] = {
    # options: kernel, stride, dilation (one number an axis), pad (begins..., ends...), groups, norm, bias,
    # perhaps eps and momentum of the norm
    "conv": Operator(None, _emit_conv, module=_conv),
    # options: kernel, stride, pad, output_pad, norm, bias
    "conv_transpose": Operator(None, _emit_conv_transpose, module=_conv_transpose),
    # options: norm, bias
    "linear": Operator(None, _emit_linear, module=_linear),
    "prelu": Operator(None, _emit_prelu, module=lambda layer, source: QatPrelu(layer.options["channels"])),
    # options of the three: constant (array) where there is one input, swapped
    "add": _binary("Add", torch.add),
    "sub": _binary("Sub", torch.sub),
    "mul": _binary("Mul", torch.mul),
    "relu": _unary("Relu", F.relu),
    "leaky_relu": _unary("LeakyRelu", F.leaky_relu, ("alpha",)),
    "sigmoid": _unary("Sigmoid", torch.sigmoid, lattice=(0.0, 255 / 256)),
    "tanh": _unary("Tanh", torch.tanh, lattice=(-1.0, 127 / 128)),
    "hard_swish": _unary("HardSwish", F.hardswish, opset=14),
    "hard_sigmoid": Operator(
        lambda layer, inputs: F.hardsigmoid(inputs[0]),
        lambda e, layer, inputs, out: e.node("HardSigmoid", inputs, out, alpha=1 / 6, beta=0.5),
        (0.0, 1.0),
    ),
    "gelu": Operator(
        lambda layer, inputs: F.gelu(inputs[0], approximate=layer.options["approximate"]),
        lambda e, layer, inputs, out: e.node("Gelu", inputs, out, approximate=layer.options["approximate"]),
        opset=20,
    ),
    # options: low, high
    "clip": Operator(
        lambda layer, inputs: inputs[0].clamp(layer.options["low"], layer.options["high"]), _emit_clip, "limits"
    ),
    # options: kernel, stride, pad, dilation
    "max_pool": Operator(_max_pool, _emit_pool("MaxPool"), "kept"),
    # options: kernel, stride, pad, dilation (ones), count_include_pad
    "average_pool": Operator(_average_pool, _emit_pool("AveragePool"), "averaged"),
    "global_average_pool": Operator(
        lambda layer, inputs: inputs[0].mean(tuple(range(2, inputs[0].dim())), True),
        lambda e, layer, inputs, out: e.node("GlobalAveragePool", inputs, out),
        "averaged",
    ),
    # options: axis, with the batch
    "concat": Operator(
        lambda layer, inputs: torch.cat(inputs, layer.options["axis"]),
        lambda e, layer, inputs, out: e.node("Concat", inputs, out, axis=layer.options["axis"]),
    ),
    "reshape": Operator(_reshape, _emit_reshape, "kept"),
    # options: perm, of the axes 1, 2, ... with the batch staying in front
    "permute": Operator(_permute, _emit_permute, "kept"),
    # options: axes (with the batch), starts, ends, steps
    "slice": Operator(_slice, _emit_slice, "kept"),
    # options: pad (begins..., ends...), without the batch; zeros
    "pad": Operator(_pad, _emit_pad, "kept"),
    # options: mode (nearest or bilinear), align_corners, scales (output by input pixels, as exact fractions)
    "resize": Operator(_resize, _emit_resize, "averaged"),
}
