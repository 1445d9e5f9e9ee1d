# SPDX-License-Identifier: Apache-2.0
"""Layers with weights: convolutions, matrix products, batch norm, PReLU; as modules, and as functions of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx, nn

from intrs_edge.train.tracing.values import Unsupported, Value, axes_of, one

if TYPE_CHECKING:
    from intrs_edge.train.tracing.graph import Builder as Tracer


def conv(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Conv1d and nn.Conv2d."""
    if m.padding_mode != "zeros":
        raise Unsupported(f"padding_mode {m.padding_mode!r} is not supported; use zeros")
    return convolve(t, node, x, m.weight, m.bias, m.stride, m.padding, m.dilation, m.groups)


def convolve(
    t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    """F.conv1d and F.conv2d."""
    kernel = tuple(_constant(weight).shape[2:])
    dilation = axes_of(dilation, len(kernel))
    if isinstance(padding, str):
        totals = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        pad = (*(n // 2 for n in totals), *(n - n // 2 for n in totals))
    else:
        pad = axes_of(padding, len(kernel)) * 2
    y = t.layer(
        node, "conv", (_in_batches(x, len(kernel) + 1),), kernel=kernel, stride=axes_of(stride, len(kernel)), pad=pad,
        dilation=dilation, groups=groups, norm=False, bias=bias is not None,
    )  # fmt: skip
    return weighted(t, y, weight, bias)


def conv_transpose(t: Tracer, node: fx.Node, m: nn.Module, x: Any, output_size: Any = None) -> Value:
    """nn.ConvTranspose2d."""
    more = tuple(m.output_padding)
    if output_size is not None:
        made = [
            (n - 1) * s - 2 * p + k
            for n, s, p, k in zip(one(x).shape[1:], m.stride, m.padding, m.kernel_size, strict=True)
        ]
        more = tuple(n - least for n, least in zip(t.whole(t.result)[1:], made, strict=True))
    return convolve_transposed(t, node, x, m.weight, m.bias, m.stride, m.padding, more, m.groups, m.dilation)


def convolve_transposed(
    t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    """F.conv_transpose2d."""
    if groups != 1 or set(axes_of(dilation, 2)) != {1}:
        raise Unsupported("a transposed convolution has one group and no dilation; use upsampling and a convolution")
    y = t.layer(
        node, "conv_transpose", (_in_batches(x, 3),), kernel=tuple(_constant(weight).shape[2:]),
        stride=axes_of(stride, 2), pad=axes_of(padding, 2) * 2, output_pad=axes_of(output_padding, 2), norm=False,
        bias=bias is not None,
    )  # fmt: skip
    return weighted(t, y, weight, bias)


def linear(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Linear, on vectors or rows."""
    return matrix(t, node, x, m.weight, m.bias)


def matrix(t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any = None) -> Value:
    """F.linear."""
    y = t.layer(node, "linear", (one(x),), norm=False, bias=bias is not None)
    return weighted(t, y, weight, bias)


def weighted(t: Tracer, y: Value, weight: Any, bias: Any) -> Value:
    """Gives a layer the tensors that it begins with; what the module has frozen does not require a gradient."""
    parts = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    for name, value in parts.items():
        frozen = isinstance(value, nn.Parameter) and not value.requires_grad
        t.weights.setdefault(y.layer, {})[name] = _constant(value).detach().requires_grad_(not frozen)
    return y


def _constant(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unsupported("weights that depend on the input; use weights of the layer's own")
    return value


def _in_batches(x: Any, rank: int) -> Value:
    v = one(x)
    if len(v.shape) != rank:
        raise Unsupported("mixes the images of a batch; keep the first axis for the batch")
    return v


def batch_norm(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.BatchNorm1d and 2d: folded, or a depthwise convolution of its own."""
    if m.running_mean is None:
        raise Unsupported("batch norm without running statistics cannot be folded; track_running_stats=True")
    y = t.layer(node, "batch_norm", (one(x),))
    t.norms[y.layer] = m
    return y


def normalise(
    t: Tracer, node: fx.Node, x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Value:  # fmt: skip
    """F.batch_norm."""
    if training or running_mean is None:
        raise Unsupported("batch norm by the batch's own statistics cannot be folded; pass training=self.training")
    if (weight is None) != (bias is None):
        raise Unsupported("batch norm with only one of weight and bias; give both or none")
    kind = (nn.BatchNorm1d, nn.BatchNorm2d)[len(one(x).shape) == 3]
    m = kind(len(running_mean), eps, momentum, weight is not None)
    state = {"running_mean": running_mean, "running_var": running_var}
    m.load_state_dict(state if weight is None else {**state, "weight": weight, "bias": bias}, strict=False)
    return batch_norm(t, node, m, x)


def normalise_aten(
    t: Tracer, node: fx.Node, x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, *_: Any,
) -> Value:  # fmt: skip
    """The same in the order of torch.export."""
    return normalise(t, node, x, running_mean, running_var, weight, bias, training, momentum, eps)


def prelu(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.PReLU."""
    return slopes(t, node, x, m.weight)


def slopes(t: Tracer, node: fx.Node, x: Any, weight: Any) -> Value:
    """F.prelu."""
    v, count = one(x), _constant(weight).numel()
    if count not in (1, v.shape[0]):
        raise Unsupported("one slope, or one a channel")
    y = t.layer(node, "prelu", (v,), channels=count)
    return weighted(t, y, weight.reshape(-1), None)
