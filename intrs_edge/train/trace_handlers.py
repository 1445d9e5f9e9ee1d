"""What each torch module, function and method becomes in an `Architecture`: three tables for `trace`.

A handler gets the tracer, the node, the module (for modules) and the arguments, in which values that depend on the
input are `Value`; it gives a `Value` or raises `Unsupported` with a remedy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from intrs_edge.train.trace import _Builder as Tracer

Handler = Callable[..., Any]


class Unsupported(Exception):
    """Why a node has no quantised form, and what to do."""


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the input: the layer that gives it, and its shape without the batch."""

    layer: str
    shape: tuple[int, ...]


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    return tuple(int(v) for v in (values * count if len(values) == 1 else values))


def _one(value: Any) -> Value:
    if not isinstance(value, Value):
        raise Unsupported("an operand does not depend on the input here; compute it before the network")
    return value


# modules with weights


def conv(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Conv1d and nn.Conv2d."""
    axes = len(m.kernel_size)
    if m.padding_mode != "zeros":
        raise Unsupported(f"padding_mode {m.padding_mode!r} is not supported; use zeros")
    if isinstance(m.padding, str):
        totals = [d * (k - 1) if m.padding == "same" else 0 for d, k in zip(m.dilation, m.kernel_size, strict=True)]
        pad = (*(n // 2 for n in totals), *(n - n // 2 for n in totals))
    else:
        pad = (*m.padding, *m.padding)
    y = t.layer(
        node, "conv", (_one(x),), kernel=tuple(m.kernel_size), stride=tuple(m.stride), pad=pad,
        dilation=_tuple(m.dilation, axes), groups=m.groups, norm=False, bias=m.bias is not None,
    )  # fmt: skip
    return _weighted(t, y, m.weight, m.bias)


def conv_transpose(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.ConvTranspose2d."""
    if m.groups != 1 or set(m.dilation) != {1}:
        raise Unsupported("a transposed convolution has one group and no dilation; use upsampling and a convolution")
    y = t.layer(
        node, "conv_transpose", (_one(x),), kernel=tuple(m.kernel_size), stride=tuple(m.stride),
        pad=(*m.padding, *m.padding), output_pad=tuple(m.output_padding), norm=False, bias=m.bias is not None,
    )  # fmt: skip
    return _weighted(t, y, m.weight, m.bias)


def linear(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Linear, on vectors or rows."""
    y = t.layer(node, "linear", (_one(x),), norm=False, bias=m.bias is not None)
    return _weighted(t, y, m.weight, m.bias)


def _weighted(t: Tracer, y: Value, weight: Tensor, bias: Tensor | None) -> Value:
    t.weights[y.layer] = {"weight": weight.detach(), **({} if bias is None else {"bias": bias.detach()})}
    return y


def batch_norm(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.BatchNorm1d and 2d: folded, or a depthwise convolution of its own."""
    if m.running_mean is None:
        raise Unsupported("batch norm without running statistics cannot be folded; track_running_stats=True")
    y = t.layer(node, "batch_norm", (_one(x),))
    t.norms[y.layer] = m
    return y


def prelu(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.PReLU."""
    v = _one(x)
    if m.num_parameters not in (1, v.shape[0]):
        raise Unsupported("one slope, or one a channel")
    y = t.layer(node, "prelu", (v,), channels=m.num_parameters)
    return _weighted(t, y, m.weight, None)


# activations


def _activation(kind: str, *names: str) -> Callable[[Tracer, fx.Node, Value, dict[str, Any]], Value]:
    def make(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
        return t.layer(node, kind, (x,), **{n: options[n] for n in names})

    return make


def _silu(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
    gate = t.layer(node, "sigmoid", (x,), suffix="_gate")
    return t.layer(node, "mul", (x, gate))


def _clip(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
    low, high = options["low"], options["high"]
    if low is None or high is None:
        if low is not None and float(low) == 0.0:
            return t.layer(node, "relu", (x,))
        raise Unsupported("a clamp needs both limits, or 0 and none; give both")
    low, high = float(low), float(high)
    if (low, high) == (0.0, 6.0):
        return t.layer(node, "relu6", (x,))
    if not low <= 0.0 < high:
        raise Unsupported(f"a clamp to {low:g}..{high:g} does not hold 0; choose limits around it")
    return t.layer(node, "clip", (x,), low=low, high=high)


# kind -> how it is made, and the names of the functional form's parameters with their defaults
_ACTIVATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "relu": (_activation("relu"), {}),
    "relu6": (_activation("relu6"), {}),
    "leaky_relu": (_activation("leaky_relu", "alpha"), {"alpha": 0.01}),
    "sigmoid": (_activation("sigmoid"), {}),
    "tanh": (_activation("tanh"), {}),
    "hard_swish": (_activation("hard_swish"), {}),
    "hard_sigmoid": (_activation("hard_sigmoid"), {}),
    "gelu": (_activation("gelu", "approximate"), {"approximate": "none"}),
    "silu": (_silu, {}),
    "clip": (_clip, {"low": None, "high": None}),
    "hardtanh": (_clip, {"low": -1.0, "high": 1.0}),
}
_RENAMED = {"negative_slope": "alpha", "min_val": "low", "max_val": "high", "min": "low", "max": "high"}


def _functional(kind: str) -> Handler:
    make, defaults = _ACTIVATIONS[kind]

    def handler(t: Tracer, node: fx.Node, x: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Value:
        options = {**defaults, **dict(zip(defaults, args, strict=False))}
        options |= {_RENAMED.get(k, k): v for k, v in kwargs.items()}
        return make(t, node, _one(x), options)  # type: ignore[no-any-return]

    return handler


def _module(kind: str, **attributes: str) -> Handler:
    make, defaults = _ACTIVATIONS[kind]

    def handler(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
        options = {**defaults, **{ours: getattr(m, theirs) for ours, theirs in attributes.items()}}
        return make(t, node, _one(x), options)  # type: ignore[no-any-return]

    return handler


# arithmetic


def _binary(kind: str) -> Handler:
    def handler(t: Tracer, node: fx.Node, a: Any, b: Any, alpha: float = 1, **_: Any) -> Value:
        if alpha != 1:
            raise Unsupported("alpha other than 1; multiply before")
        if isinstance(a, Value) and isinstance(b, Value):
            return t.layer(node, kind, (a, b))
        x, other = (a, b) if isinstance(a, Value) else (b, a)
        constant = np.asarray(other.detach().numpy() if isinstance(other, Tensor) else other, np.float32)
        if not np.all(np.isfinite(constant)):
            raise Unsupported("a constant operand is not finite")
        if constant.ndim == len(x.shape) + 1 and constant.shape[0] == 1:
            constant = constant[0]
        options: dict[str, Any] = {"constant": constant}
        if kind == "sub" and x is b:
            options["swapped"] = True
        return t.layer(node, kind, (_one(x),), **options)

    return handler


def divide(t: Tracer, node: fx.Node, a: Any, b: Any, **_: Any) -> Value:
    """Division by a constant."""
    if isinstance(b, Value):
        raise Unsupported("division by a value that depends on the input; divide by a constant")
    inverse = 1.0 / b if isinstance(b, Tensor) else 1.0 / float(b)
    return _binary("mul")(t, node, a, inverse)  # type: ignore[no-any-return]


def concat(t: Tracer, node: fx.Node, values: Any, dim: int = 0, **kwargs: Any) -> Value:
    """torch.cat."""
    dim = kwargs.get("axis", dim)
    parts = tuple(_one(v) for v in values)
    axis = dim % (len(parts[0].shape) + 1)
    if axis == 0:
        raise Unsupported("concatenates the images of a batch; use another axis")
    return t.layer(node, "concat", parts, axis=axis) if len(parts) > 1 else parts[0]


# pools


def _pool_options(kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int) -> dict[str, tuple[int, ...]]:
    kernel, pad = _tuple(kernel, axes), _tuple(padding, axes)
    stride = kernel if stride is None or stride == [] else _tuple(stride, axes)
    return {"kernel": kernel, "stride": stride, "pad": (*pad, *pad), "dilation": _tuple(dilation, axes)}


def _ceil(t: Tracer, x: Value, o: dict[str, tuple[int, ...]], ceil: bool) -> dict[str, tuple[int, ...]]:
    """``ceil_mode`` as padding at the end, so that the result has the shape that torch gave it."""
    if not ceil:
        return o
    out, axes = t.whole(t.result)[1:], len(o["kernel"])
    ends = []
    for a in range(axes):
        reach = (out[a] - 1) * o["stride"][a] + (o["kernel"][a] - 1) * o["dilation"][a] + 1
        ends.append(max(o["pad"][axes + a], reach - x.shape[1 + a] - o["pad"][a]))
    return {**o, "pad": (*o["pad"][:axes], *ends)}


def _max_pool(
    t: Tracer, node: fx.Node, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Value:  # fmt: skip
    if return_indices:
        raise Unsupported("a pool that gives indices is not supported")
    v = _one(x)
    axes = len(v.shape) - 1
    if max(_tuple(dilation, axes)) > 1:
        raise Unsupported("a dilated pool is not supported; pool without dilation")
    options: dict[str, Any] = {**_ceil(t, v, _pool_options(kernel_size, stride, padding, 1, axes), ceil_mode)}
    return t.layer(node, "max_pool", (v,), **options)


def _avg_pool(
    t: Tracer, node: fx.Node, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    v = _one(x)
    if divisor_override is not None:
        raise Unsupported("divisor_override is not supported; leave it out")
    options: dict[str, Any] = _pool_options(kernel_size, stride, padding, 1, len(v.shape) - 1)
    if ceil_mode and _ceil(t, v, options, True) != options:
        raise Unsupported("an average pool whose last window is cut off is not supported; pad before it")
    return t.layer(node, "average_pool", (v,), **options, count_include_pad=bool(count_include_pad))


def _adaptive(kind: str) -> Handler:
    def handler(t: Tracer, node: fx.Node, x: Any, output_size: Any, *_: Any, **__: Any) -> Value:
        v = _one(x)
        spatial, out = v.shape[1:], t.whole(t.result)[1:]
        if set(out) == {1} and kind == "average_pool":
            return t.layer(node, "global_average_pool", (v,))
        if any(i % o for i, o in zip(spatial, out, strict=True)):
            raise Unsupported(f"an adaptive pool from {spatial} to {out} has windows of different sizes; use multiples")
        size = tuple(i // o for i, o in zip(spatial, out, strict=True))
        options: dict[str, Any] = _pool_options(size, size, 0, 1, len(spatial))
        if kind == "average_pool":
            options["count_include_pad"] = True
        return t.layer(node, kind, (v,), **options)

    return handler


def mean(t: Tracer, node: fx.Node, x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    """Mean over all spatial axes."""
    v = _one(x)
    dims = sorted(d % (len(v.shape) + 1) for d in (dim if isinstance(dim, (tuple, list)) else [dim])) if dim else []
    if dims != list(range(2, len(v.shape) + 1)) or not dims:
        raise Unsupported("only a mean over all spatial axes is supported; use an average pool")
    pooled = t.layer(node, "global_average_pool", (v,), suffix="_mean", shape=(v.shape[0], *(1,) * len(dims)))
    return pooled if keepdim else t.layer(node, "reshape", (pooled,))


# moves


def reshape(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Value:
    """Whatever torch made of the shape."""
    v = _one(x)
    return v if t.whole(t.result) == v.shape else t.layer(node, "reshape", (v,))


def _flatten_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    return reshape(t, node, x)


def permute(t: Tracer, node: fx.Node, x: Any, *dims: Any) -> Value:
    """permute(0, ...)."""
    v = _one(x)
    order = [int(d) % (len(v.shape) + 1) for d in (dims[0] if isinstance(dims[0], (tuple, list)) else dims)]
    return _permuted(t, node, v, order)


def transpose(t: Tracer, node: fx.Node, x: Any, dim0: int, dim1: int) -> Value:
    """Two axes exchanged."""
    v = _one(x)
    order = list(range(len(v.shape) + 1))
    a, b = dim0 % len(order), dim1 % len(order)
    order[a], order[b] = order[b], order[a]
    return _permuted(t, node, v, order)


def _permuted(t: Tracer, node: fx.Node, v: Value, order: list[int]) -> Value:
    if order[0] != 0:
        raise Unsupported("moves the batch axis; keep it in front")
    return t.layer(node, "permute", (v,), perm=tuple(order[1:]))


def _part(
    t: Tracer, node: fx.Node, v: Value, axis: int, start: int, end: int, step: int = 1, suffix: str = ""
) -> Value:
    if axis == 0:
        raise Unsupported("takes images out of a batch; slice another axis")
    shape = list(v.shape)
    shape[axis - 1] = max(0, -(-(end - start) // step))
    if not shape[axis - 1]:
        raise Unsupported("an empty slice")
    return t.layer(
        node,
        "slice",
        (v,),
        suffix=suffix,
        shape=tuple(shape),
        axes=(axis,),
        starts=(start,),
        ends=(end,),
        steps=(step,),
    )


def getitem(t: Tracer, node: fx.Node, x: Any, key: Any) -> Any:
    """A slice of a tensor, or an element of a tuple of tensors."""
    if isinstance(x, (tuple, list)):
        return x[key]
    v = _one(x)
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(v.shape) + 2 - len(keys))
    parts = []
    for axis, part in enumerate(keys):
        size = BATCH_AXIS if axis == 0 else v.shape[axis - 1]
        k = slice(part % size, part % size + 1) if isinstance(part, int) and axis else part
        if not isinstance(k, slice):
            raise Unsupported("only slices with a positive step are supported")
        if axis == 0:
            if k != slice(None):
                raise Unsupported("takes images out of a batch; slice another axis")
            continue
        start, end, step = k.indices(size)
        if step < 1:
            raise Unsupported("only slices with a positive step are supported")
        if (start, end, step) != (0, size, 1):
            parts.append((axis, start, end, step))
    if parts:
        axes, starts, ends, steps = (tuple(p[i] for p in parts) for i in range(4))
        shape = list(v.shape)
        for axis, start, end, step in parts:
            shape[axis - 1] = -(-(end - start) // step)
        if min(shape) < 1:
            raise Unsupported("an empty slice")
        v = t.layer(
            node, "slice", (v,), suffix="_part", shape=tuple(shape), axes=axes, starts=starts, ends=ends, steps=steps
        )
    return v if t.whole(t.result) == v.shape else t.layer(node, "reshape", (v,))


BATCH_AXIS = 1 << 30  # a size that no slice of the batch axis may depend on


def split(t: Tracer, node: fx.Node, x: Any, size: Any, dim: int = 0) -> tuple[Value, ...]:
    """torch.split."""
    v = _one(x)
    axis = dim % (len(v.shape) + 1)
    if axis == 0:
        raise Unsupported("splits a batch; use another axis")
    whole = v.shape[axis - 1]
    sizes = list(size) if isinstance(size, (tuple, list)) else [min(size, whole - i) for i in range(0, whole, size)]
    ends = np.cumsum(sizes)
    return tuple(
        _part(t, node, v, axis, int(end - n), int(end), suffix=f"_{i}")
        for i, (n, end) in enumerate(zip(sizes, ends, strict=True))
    )


def chunk(t: Tracer, node: fx.Node, x: Any, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    """torch.chunk."""
    v = _one(x)
    axis = dim % (len(v.shape) + 1)
    return split(t, node, v, -(-v.shape[axis - 1] // chunks) if axis else 1, dim)


def pad(t: Tracer, node: fx.Node, x: Any, amounts: Any, mode: str = "constant", value: Any = None) -> Value:
    """F.pad with zeros."""
    v = _one(x)
    if mode != "constant" or value not in (None, 0, 0.0):
        raise Unsupported("only padding with zeros is supported")
    amounts = [int(a) for a in amounts]
    if min(amounts) < 0:
        raise Unsupported("negative padding; slice instead")
    axes = len(v.shape)
    begins, ends = [0] * axes, [0] * axes
    for i in range(len(amounts) // 2):
        if i == axes:
            raise Unsupported("pads the batch axis")
        begins[axes - 1 - i], ends[axes - 1 - i] = amounts[2 * i], amounts[2 * i + 1]
    return t.layer(node, "pad", (v,), pad=(*begins, *ends)) if any(amounts) else v


def _zero_pad(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    return pad(t, node, x, m.padding, value=getattr(m, "value", 0))


def _interpolate(
    t: Tracer, node: fx.Node, x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, **_: Any,
) -> Value:  # fmt: skip
    v = _one(x)
    if mode not in ("nearest", "bilinear") or len(v.shape) != 3:
        raise Unsupported(
            f"{mode} resizing of rank {len(v.shape) + 1} is not supported; use nearest or bilinear images"
        )
    return t.layer(node, "resize", (v,), mode=mode, align_corners=bool(align_corners))


def _upsample(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    return _interpolate(t, node, x, mode=m.mode, align_corners=m.align_corners)


def same(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Any:
    """Nothing happens at inference."""
    return x


def _same_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Any:
    return x


def softmax(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Value:
    """Dropped at the end: the largest stays the largest."""
    return t.layer(node, "softmax", (_one(x),))


def _softmax_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    return softmax(t, node, x)


def _pool_module(handler: Handler, *names: str) -> Handler:
    def call(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
        return handler(t, node, x, **{n: getattr(m, n) for n in names})  # type: ignore[no-any-return]

    return call


_MAX = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

# subclasses before their bases
MODULES: dict[type[nn.Module], Handler] = {
    nn.Conv2d: conv, nn.Conv1d: conv, nn.ConvTranspose2d: conv_transpose, nn.Linear: linear,
    nn.BatchNorm2d: batch_norm, nn.BatchNorm1d: batch_norm, nn.PReLU: prelu,
    nn.ReLU6: _module("relu6"), nn.ReLU: _module("relu"),
    nn.Hardtanh: _module("hardtanh", low="min_val", high="max_val"),
    nn.LeakyReLU: _module("leaky_relu", alpha="negative_slope"), nn.Sigmoid: _module("sigmoid"),
    nn.Tanh: _module("tanh"), nn.Hardswish: _module("hard_swish"), nn.Hardsigmoid: _module("hard_sigmoid"),
    nn.GELU: _module("gelu", approximate="approximate"), nn.SiLU: _module("silu"),
    nn.MaxPool2d: _pool_module(_max_pool, *_MAX), nn.MaxPool1d: _pool_module(_max_pool, *_MAX),
    nn.AvgPool2d: _pool_module(_avg_pool, *_AVG, "divisor_override"), nn.AvgPool1d: _pool_module(_avg_pool, *_AVG),
    nn.AdaptiveAvgPool2d: _pool_module(_adaptive("average_pool"), "output_size"),
    nn.AdaptiveAvgPool1d: _pool_module(_adaptive("average_pool"), "output_size"),
    nn.AdaptiveMaxPool2d: _pool_module(_adaptive("max_pool"), "output_size"),
    nn.Flatten: _flatten_module, nn.Unflatten: _flatten_module, nn.ZeroPad2d: _zero_pad, nn.ConstantPad2d: _zero_pad,
    nn.Upsample: _upsample, nn.Identity: _same_module, nn.Dropout: _same_module, nn.Dropout2d: _same_module,
    nn.Softmax: _softmax_module, nn.LogSoftmax: _softmax_module,
}  # fmt: skip

FUNCTIONS: dict[Any, Handler] = {
    operator.add: _binary("add"), operator.iadd: _binary("add"), torch.add: _binary("add"),
    operator.sub: _binary("sub"), operator.isub: _binary("sub"), torch.sub: _binary("sub"),
    operator.mul: _binary("mul"), operator.imul: _binary("mul"), torch.mul: _binary("mul"),
    torch.multiply: _binary("mul"), operator.truediv: divide, operator.itruediv: divide, torch.div: divide,
    F.relu: _functional("relu"), torch.relu: _functional("relu"), F.relu6: _functional("relu6"),
    F.leaky_relu: _functional("leaky_relu"), torch.sigmoid: _functional("sigmoid"), F.sigmoid: _functional("sigmoid"),
    torch.tanh: _functional("tanh"), F.tanh: _functional("tanh"), F.hardswish: _functional("hard_swish"),
    F.hardsigmoid: _functional("hard_sigmoid"), F.gelu: _functional("gelu"), F.silu: _functional("silu"),
    F.hardtanh: _functional("hardtanh"), torch.clamp: _functional("clip"), torch.clip: _functional("clip"),
    torch.cat: concat, torch.concat: concat, F.max_pool2d: _max_pool, torch.max_pool2d: _max_pool,
    F.max_pool1d: _max_pool, F.avg_pool2d: _avg_pool, F.avg_pool1d: _avg_pool,
    F.adaptive_avg_pool2d: _adaptive("average_pool"), F.adaptive_avg_pool1d: _adaptive("average_pool"),
    F.adaptive_max_pool2d: _adaptive("max_pool"), torch.mean: mean,
    torch.flatten: reshape, torch.reshape: reshape, torch.squeeze: reshape, torch.unsqueeze: reshape,
    torch.permute: permute, torch.transpose: transpose, operator.getitem: getitem, torch.split: split,
    torch.chunk: chunk, F.pad: pad, F.interpolate: _interpolate, F.dropout: same, F.dropout2d: same,
    F.softmax: softmax, torch.softmax: softmax, F.log_softmax: softmax, torch.log_softmax: softmax,
}  # fmt: skip

METHODS: dict[Any, Handler] = {
    "add": _binary("add"), "add_": _binary("add"), "sub": _binary("sub"), "mul": _binary("mul"), "mul_": _binary("mul"),
    "div": divide, "relu": _functional("relu"), "relu_": _functional("relu"), "sigmoid": _functional("sigmoid"),
    "tanh": _functional("tanh"), "clamp": _functional("clip"), "clamp_": _functional("clip"), "mean": mean,
    "view": reshape, "reshape": reshape, "flatten": reshape, "unflatten": reshape, "squeeze": reshape,
    "unsqueeze": reshape, "permute": permute, "transpose": transpose, "contiguous": same, "clone": same, "float": same,
    "detach": same, "to": same, "chunk": chunk, "split": split, "softmax": softmax, "log_softmax": softmax,
}  # fmt: skip


def _aten() -> dict[Any, Handler]:
    """The same for the operators of torch.export; their weights are attributes of the graph."""
    a = torch.ops.aten

    def conv2d(
        t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Value:  # fmt: skip
        axes = weight.dim() - 2
        if isinstance(padding, str):
            raise Unsupported("padding given as a word; give numbers, or use nn.Conv2d")
        p = _tuple(padding, axes)
        y = t.layer(
            node, "conv", (_one(x),), kernel=tuple(weight.shape[2:]), stride=_tuple(stride, axes), pad=(*p, *p),
            dilation=_tuple(dilation, axes), groups=groups, norm=False, bias=bias is not None,
        )  # fmt: skip
        return _weighted(t, y, weight, bias)

    def matrix(t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any = None) -> Value:
        y = t.layer(node, "linear", (_one(x),), norm=False, bias=bias is not None)
        return _weighted(t, y, weight, bias)

    def norm(
        t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any,
        training: bool, momentum: float, eps: float, *_: Any,
    ) -> Value:  # fmt: skip
        v = _one(x)
        m = (nn.BatchNorm1d, nn.BatchNorm2d)[len(v.shape) == 3](len(running_mean), eps, momentum, weight is not None)
        state = {"running_mean": running_mean, "running_var": running_var}
        m.load_state_dict(state if weight is None else {**state, "weight": weight, "bias": bias}, strict=False)
        return batch_norm(t, node, m, v)

    def hardtanh(t: Tracer, node: fx.Node, x: Any, low: Any = -1.0, high: Any = 1.0) -> Value:
        return _clip(t, node, _one(x), {"low": low, "high": high})

    return {
        F.conv2d: conv2d, F.conv1d: conv2d, F.linear: matrix,
        a.conv2d.default: conv2d, a.conv1d.default: conv2d, a.linear.default: matrix, a.batch_norm.default: norm,
        a.relu.default: _functional("relu"), a.relu_.default: _functional("relu"),
        a.relu6.default: _functional("relu6"),
        a.hardtanh.default: hardtanh, a.hardtanh_.default: hardtanh, a.sigmoid.default: _functional("sigmoid"),
        a.tanh.default: _functional("tanh"), a.hardswish.default: _functional("hard_swish"),
        a.hardswish_.default: _functional("hard_swish"), a.hardsigmoid.default: _functional("hard_sigmoid"),
        a.silu.default: _functional("silu"), a.silu_.default: _functional("silu"), a.gelu.default: _functional("gelu"),
        a.leaky_relu.default: _functional("leaky_relu"), a.add.Tensor: _binary("add"), a.add_.Tensor: _binary("add"),
        a.sub.Tensor: _binary("sub"), a.mul.Tensor: _binary("mul"), a.mul_.Tensor: _binary("mul"),
        a.div.Tensor: divide, a.cat.default: concat, a.max_pool2d.default: _max_pool, a.avg_pool2d.default: _avg_pool,
        a.adaptive_avg_pool2d.default: _adaptive("average_pool"), a.mean.dim: mean, a.flatten.using_ints: reshape,
        a.view.default: reshape, a.reshape.default: reshape, a.permute.default: permute, a.transpose.int: transpose,
        a.chunk.default: chunk, a.dropout.default: same, a.dropout_.default: same, a.contiguous.default: same,
        a.pad.default: pad, a.softmax.int: softmax, a.log_softmax.int: softmax,
    }  # fmt: skip


FUNCTIONS |= _aten()
