# SPDX-License-Identifier: Apache-2.0
"""What each operator of torch.export is in ONNX. Names and defaults of arguments are those of torch's schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from intrs_edge.convert.pt2 import moves
from intrs_edge.convert.pt2.file import Call, Ref
from intrs_edge.convert.pt2.writer import Writer
from intrs_edge.convert.unsupported import Unsupported

Handler = Callable[[Writer, Call], None]
_INTEGERS: dict[int, type[np.integer[Any]]] = {1: np.uint8, 2: np.int8, 4: np.int32}  # torch's numbers of types


### quantising ###


def _parameters(w: Writer, call: Call) -> tuple[list[str], type[np.integer[Any]], tuple[int, int]]:
    """(scale and zero point, the type of the integers, the least and largest of them) of a q or dq call."""
    dtype = _INTEGERS.get(w.get(call, "dtype"))
    if dtype is None:
        raise Unsupported("its integers are not int8, uint8 or int32; choose another quantiser configuration")
    parts = []
    limits = np.iinfo(dtype)
    for key in ("scale", "zero_point"):
        value = call.inputs.get(key, call.inputs.get(f"{key}s"))
        number = w.array(value) if isinstance(value, Ref) else np.asarray(value, np.float64)
        number = number.reshape(()) if "per_tensor" in call.target else number
        if key == "zero_point" and (number.min(initial=0) < limits.min or number.max(initial=0) > limits.max):
            raise Unsupported(f"its zero point is outside {np.dtype(dtype).name}; the file is damaged")
        parts.append(w.constant(number.astype(np.float32 if key == "scale" else dtype)))
    return parts, dtype, (int(w.get(call, "quant_min")), int(w.get(call, "quant_max")))


def _quantise(w: Writer, call: Call) -> None:
    parts, dtype, (low, high) = _parameters(w, call)
    if dtype is np.int32:
        raise Unsupported("it quantises to int32 what is no constant; quantise activations to int8 or uint8")
    name = w.node("QuantizeLinear", [w.value(call.inputs["input"]), *parts], call.outputs[0], **_axis(w, call))[0]
    limits = np.iinfo(dtype)
    if (low, high) != (limits.min, limits.max):  # fewer bits, or a reduced range
        ends = [w.constant(np.asarray(max(limits.min, min(limits.max, v)), dtype)) for v in (low, high)]
        name = w.node("Clip", [name, *ends], f"{name}.clip")[0]
    w.give(call, [name])


def _dequantise(w: Writer, call: Call) -> None:
    parts, dtype, _ = _parameters(w, call)
    source = call.inputs["input"]
    value = w.value(source)
    if w.held(source) and w.array(source).dtype != dtype:  # int8 values kept as int32
        value = w.constant(w.array(source).astype(dtype))
    w.one(call, "DequantizeLinear", [value, *parts], **_axis(w, call))


def _axis(w: Writer, call: Call) -> dict[str, int]:
    return {"axis": int(w.get(call, "axis"))} if "per_channel" in call.target else {}


### products ###


def _pads(w: Writer, call: Call, rank: int) -> dict[str, Any]:
    padding = w.get(call, "padding", 0)
    if padding == "valid":
        return {}
    if padding == "same":  # what is odd goes behind the image
        kernel = w.shape(call.inputs["weight"])[2:]
        whole = [(k - 1) * d for k, d in zip(kernel, _many(w.get(call, "dilation", 1), rank), strict=True)]
        return {"pads": [n // 2 for n in whole] + [n - n // 2 for n in whole]}
    return {"pads": _many(padding, rank) * 2}


def _many(value: Any, rank: int) -> list[int]:
    values = [int(v) for v in value] if isinstance(value, list) else [int(value)]
    return values * rank if len(values) == 1 else values


def _conv(w: Writer, call: Call) -> None:
    rank = len(w.shape(call.inputs["weight"])) - 2
    source = call.inputs["input"]
    operands = [w.value(source), w.value(call.inputs["weight"]), w.value(call.inputs.get("bias"))]
    stride, dilation = (_many(w.get(call, key, 1), rank) for key in ("stride", "dilation"))
    attrs = {"strides": stride, "dilations": dilation, "group": w.get(call, "groups", 1), **_pads(w, call, rank)}
    if w.get(call, "transposed", "transpose" in call.target):
        attrs["output_padding"] = _many(w.get(call, "output_padding", 0), rank)
        w.one(call, "ConvTranspose", operands, **attrs)
    else:
        w.one(call, "Conv", operands, **attrs)


def _linear(w: Writer, call: Call) -> None:
    x, weight, bias = (call.inputs.get(k) for k in ("input", "weight", "bias"))
    name = call.outputs[0]
    if len(w.shape(x)) == 2:
        w.one(call, "Gemm", [w.value(x), w.value(weight), w.value(bias)], transB=1)
        return
    turned = w.node("Transpose", [w.value(weight)], f"{name}.weight", perm=[1, 0])
    product = w.node("MatMul", [w.value(x), *turned], name if bias is None else f"{name}.product")
    w.give(call, product if bias is None else w.node("Add", [*product, w.value(bias)], name))


def _addmm(w: Writer, call: Call) -> None:
    alpha, beta = (float(w.get(call, key, 1)) for key in ("alpha", "beta"))
    parts = [w.value(call.inputs[key]) for key in ("mat1", "mat2", "input" if "input" in call.inputs else "self")]
    w.one(call, "Gemm", parts, alpha=alpha, beta=beta)


def _matmul(w: Writer, call: Call) -> None:
    w.one(call, "MatMul", [w.value(call.itself), w.value(call.inputs.get("mat2", call.inputs.get("other")))])


def _batch_norm(w: Writer, call: Call) -> None:
    if w.get(call, "training", False):
        raise Unsupported("a batch norm in training; call move_exported_model_to_eval (or eval) before it is exported")
    channels = w.shape(call.inputs["running_mean"])[0]
    parts = []
    for key, filler in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
        given = call.inputs.get(key)
        parts.append(w.value(given) if given is not None else w.constant(np.full(channels, filler, np.float32)))
    epsilon = float(w.get(call, "eps", 1e-5))
    w.one(call, "BatchNormalization", [w.value(call.inputs["input"]), *parts], epsilon=epsilon)


### element by element ###


def _unary(kind: str, **attrs: Any) -> Handler:
    return lambda w, call: w.one(call, kind, [w.value(call.itself)], **attrs)


def _binary(kind: str) -> Handler:
    def handler(w: Writer, call: Call) -> None:
        a, b = call.itself, call.inputs["other"]
        if w.get(call, "alpha", 1) != 1 or w.get(call, "rounding_mode") is not None:
            raise Unsupported("its alpha or rounding_mode is not supported; multiply before it")
        w.one(call, kind, [w.value(a), w.value(b)])

    return handler


def _clamp(low: float | None = None, high: float | None = None) -> Handler:
    """The limits of the operator, or those of its arguments (hardtanh's are -1 and 1 unless given)."""

    def handler(w: Writer, call: Call) -> None:
        ends = [
            w.get(call, keys[0], w.get(call, keys[1], default))
            for keys, default in ((("min", "min_val"), low), (("max", "max_val"), high))
        ]
        values = ["" if e is None else w.constant(np.asarray(e, np.float32)) for e in ends]
        w.one(call, "Clip", [w.value(call.itself), *values])

    return handler


def _leaky(w: Writer, call: Call) -> None:
    w.one(call, "LeakyRelu", [w.value(call.itself)], alpha=float(w.get(call, "negative_slope", 0.01)))


def _prelu(w: Writer, call: Call) -> None:
    x, slopes = call.itself, call.inputs["weight"]
    shape = [-1, *[1] * (len(w.shape(x)) - 2)]
    name = call.outputs[0]
    turned = w.node("Reshape", [w.value(slopes), w.integers(shape)], f"{name}.slopes")
    w.one(call, "PRelu", [w.value(x), *turned])


def _gelu(w: Writer, call: Call) -> None:
    w.one(call, "Gelu", [w.value(call.itself)], approximate=str(w.get(call, "approximate", "none")))


def _silu(w: Writer, call: Call) -> None:
    x, name = w.value(call.itself), call.outputs[0]
    w.one(call, "Mul", [x, *w.node("Sigmoid", [x], f"{name}.sigmoid")])


def _softmax(kind: str) -> Handler:
    return lambda w, call: w.one(call, kind, [w.value(call.itself)], axis=int(w.get(call, "dim")))


def _power(w: Writer, call: Call) -> None:
    w.one(call, "Pow", [w.value(call.itself), w.constant(np.asarray(w.get(call, "exponent"), np.float32))])


def _rsqrt(w: Writer, call: Call) -> None:
    w.one(call, "Reciprocal", w.node("Sqrt", [w.value(call.itself)], f"{call.outputs[0]}.root"))


### windows and axes ###


def _pool(kind: str, rank: int) -> Handler:
    def handler(w: Writer, call: Call) -> None:
        kernel = _many(w.get(call, "kernel_size"), rank)
        attrs: dict[str, Any] = {
            "kernel_shape": kernel,
            "strides": _many(w.get(call, "stride", []) or kernel, rank),
            "pads": _many(w.get(call, "padding", 0), rank) * 2,
            "ceil_mode": int(w.get(call, "ceil_mode", False)),
        }
        if kind == "MaxPool":
            attrs["dilations"] = _many(w.get(call, "dilation", 1), rank)
        else:
            attrs["count_include_pad"] = int(w.get(call, "count_include_pad", True))
            if w.get(call, "divisor_override") is not None:
                raise Unsupported("its divisor_override is not supported; multiply behind it")
        w.one(call, kind, [w.value(call.itself)], **attrs)

    return handler


def _adaptive(kind: str) -> Handler:
    """Pools to a given size: of the whole plane, or of windows where the size divides the plane."""

    def handler(w: Writer, call: Call) -> None:
        shape = w.shape(call.itself)
        size = _many(w.get(call, "output_size"), len(shape) - 2)
        plane = shape[len(shape) - len(size) :]
        if any(n < 1 or s % n for s, n in zip(plane, size, strict=True)):
            raise Unsupported(f"its output {size} does not divide its input {list(plane)}; use a pool of fixed windows")
        if all(n == 1 for n in size):
            w.one(call, f"Global{kind}", [w.value(call.itself)])
            return
        windows = [s // n for s, n in zip(plane, size, strict=True)]
        w.one(call, kind, [w.value(call.itself)], kernel_shape=windows, strides=windows)

    return handler


def _reduce(kind: str) -> Handler:
    def handler(w: Writer, call: Call) -> None:
        rank = len(w.shape(call.itself))
        axes = w.get(call, "dim", list(range(rank))) or list(range(rank))
        axes = [int(a) for a in (axes if isinstance(axes, list) else [axes])]
        keep = int(bool(w.get(call, "keepdim", False)))
        w.one(call, kind, [w.value(call.itself), w.integers(axes)], keepdims=keep)

    return handler


def _argmax(w: Writer, call: Call) -> None:
    axis, keep = w.get(call, "dim"), int(bool(w.get(call, "keepdim", False)))
    if axis is None:
        raise Unsupported("an argmax over all axes; name the axis of the classes")
    w.one(call, "ArgMax", [w.value(call.itself)], axis=int(axis), keepdims=keep)


def _resize(mode: str) -> Handler:
    def handler(w: Writer, call: Call) -> None:
        out = w.program.shapes[call.outputs[0]]
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if mode == "linear":
            align = bool(w.get(call, "align_corners", False))
            how = {"coordinate_transformation_mode": "align_corners" if align else "half_pixel"}
        w.one(call, "Resize", [w.value(call.itself), "", "", w.integers(out)], mode=mode, **how)

    return handler


def _shuffle(w: Writer, call: Call) -> None:
    factor = int(w.get(call, "upscale_factor"))
    w.one(call, "DepthToSpace", [w.value(call.itself)], blocksize=factor, mode="CRD")


def _unshuffle(w: Writer, call: Call) -> None:
    """ONNX's SpaceToDepth orders the channels otherwise: spelt out."""
    n, c, h, width = w.shape(call.itself)
    r, name = int(w.get(call, "downscale_factor")), call.outputs[0]
    split = w.node("Reshape", [w.value(call.itself), w.integers([n, c, h // r, r, width // r, r])], f"{name}.split")
    turned = w.node("Transpose", split, f"{name}.turned", perm=[0, 1, 3, 5, 2, 4])
    w.one(call, "Reshape", [*turned, w.integers([n, c * r * r, h // r, width // r])])


def _size(w: Writer, call: Call) -> None:
    w.numbers[call.outputs[0]] = w.shape(call.itself)[int(w.get(call, "dim"))]


def _dynamic(w: Writer, call: Call) -> None:
    raise Unsupported("dynamic quantisation; quantise activations statically (is_dynamic=False)")


_ATEN: dict[str, Handler] = {
    **moves.ATEN,
    "_adaptive_avg_pool2d": _adaptive("AveragePool"), "_log_softmax": _softmax("LogSoftmax"),
    "_native_batch_norm_legit_no_training": _batch_norm, "_softmax": _softmax("Softmax"), "abs": _unary("Abs"),
    "adaptive_avg_pool1d": _adaptive("AveragePool"), "adaptive_avg_pool2d": _adaptive("AveragePool"),
    "adaptive_max_pool2d": _adaptive("MaxPool"), "add": _binary("Add"), "addmm": _addmm, "amax": _reduce("ReduceMax"),
    "argmax": _argmax, "avg_pool1d": _pool("AveragePool", 1), "avg_pool2d": _pool("AveragePool", 2),
    "batch_norm": _batch_norm, "bmm": _matmul, "clamp": _clamp(), "clamp_min": _clamp(), "conv1d": _conv,
    "conv2d": _conv, "conv_transpose1d": _conv, "conv_transpose2d": _conv, "convolution": _conv,
    "div": _binary("Div"), "exp": _unary("Exp"), "gelu": _gelu,
    "hardsigmoid": _unary("HardSigmoid", alpha=1 / 6, beta=0.5), "hardswish": _unary("HardSwish"),
    "hardtanh": _clamp(-1.0, 1.0), "leaky_relu": _leaky, "linear": _linear, "log_softmax": _softmax("LogSoftmax"),
    "matmul": _matmul, "max_pool1d": _pool("MaxPool", 1), "max_pool2d": _pool("MaxPool", 2),
    "max_pool2d_with_indices": _pool("MaxPool", 2), "maximum": _binary("Max"), "mean": _reduce("ReduceMean"),
    "minimum": _binary("Min"), "mm": _matmul, "mul": _binary("Mul"), "native_batch_norm": _batch_norm,
    "neg": _unary("Neg"), "pixel_shuffle": _shuffle, "pixel_unshuffle": _unshuffle, "pow": _power, "prelu": _prelu,
    "relu": _unary("Relu"), "relu6": _clamp(0.0, 6.0), "rsqrt": _rsqrt, "sigmoid": _unary("Sigmoid"), "silu": _silu,
    "softmax": _softmax("Softmax"), "sub": _binary("Sub"), "sum": _reduce("ReduceSum"), "sym_size": _size,
    "tanh": _unary("Tanh"), "upsample_bilinear2d": _resize("linear"), "upsample_nearest2d": _resize("nearest"),
}  # fmt: skip

_Q = {
    "choose_qparams": _dynamic, "choose_qparams_per_token": _dynamic, "dequantize_per_channel": _dequantise,
    "dequantize_per_tensor": _dequantise, "quantize_per_channel": _quantise, "quantize_per_tensor": _quantise,
}  # fmt: skip

CALLS: dict[str, Handler] = {
    **{f"aten.{name}": handler for name, handler in _ATEN.items()},
    **{f"quantized_decomposed.{name}": handler for name, handler in _Q.items()},
}
