"""Convolutions, matrix products, and the batch norm behind them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from intrs_edge.convert import qdq_layout as layout
from intrs_edge.convert.qdq_context import Context, Inputs, extents, window
from intrs_edge.convert.values import Activation, Affine, Constant, Pending, Unsupported, Value
from intrs_edge.graph.ir import Quant


def affine(ctx: Context, weight: Value | None, bias: Value | None, x: Activation, channel_axis: int) -> Affine:
    """Quantised weights with the output channel moved to the front, and the bias."""
    if not isinstance(weight, Constant) or weight.lattice is None:
        raise Unsupported("its weights are not quantised constants; export a fully quantised (QDQ) model")
    lattice = weight.lattice
    if lattice.q.dtype != np.int8 or np.any(lattice.zero_point != 0):
        raise Unsupported("its weights are not symmetric int8 (zero point 0); quantise weights symmetrically")
    if lattice.scale.size > 1 and lattice.axis != channel_axis:
        raise Unsupported("its weights are quantised along another axis than the output channel")
    q = np.ascontiguousarray(np.moveaxis(lattice.q, channel_axis, 0))
    scale, channels = lattice.scale.astype(np.float64), q.shape[0]
    if bias is None:
        return Affine(q, scale, np.zeros(channels), np.zeros(channels, np.int32))
    if not isinstance(bias, Constant):
        raise Unsupported("its bias is not a constant")
    if bias.value.size != channels:
        raise Unsupported(f"{bias.value.size} bias values for {channels} channels; the file is damaged")
    kept = None
    unit = np.float64(ctx.quant(x).scale[0]) * scale
    integers = bias.lattice
    if integers is not None and integers.q.dtype == np.int32 and not np.any(integers.zero_point):  # noqa: SIM102
        if np.allclose(integers.scale, unit, rtol=1e-5, atol=0):
            kept = integers.q.reshape(-1).astype(np.int32)
    real = bias.value.astype(np.float64).reshape(-1)
    if not np.all(np.isfinite(real)):
        raise Unsupported("its bias is not finite; the file is damaged")
    return Affine(q, scale, real, kept)


def conv(ctx: Context, inputs: Inputs) -> list[Value]:
    """Conv: CONV_2D, or DEPTHWISE_CONV_2D when every channel is its own group."""
    x = layout.image(ctx.emit, ctx.activation(inputs[0]))
    first = affine(ctx, inputs[1], inputs[2] if len(inputs) > 2 else None, x, 0)
    if first.weight.ndim != 4:
        raise Unsupported("only 2-D convolutions are supported; reshape the input to an image of height 1")
    channels, group = x.shape[1], int(ctx.attrs.get("group", 1))
    out, depth, kh, kw = first.weight.shape
    if group < 1 or depth * group != channels or out % group:
        raise Unsupported(f"weights {list(first.weight.shape)} in {group} groups do not fit {channels} input channels")
    stride, dilation, pad = window(ctx, (kh, kw), x.shape)
    depthwise = group == channels and group > 1
    oh, ow = extents(x.shape, (kh, kw), stride, dilation, pad)

    def finish(quant: Quant, activation: str, a: Affine | None) -> Activation:
        assert a is not None
        weight = np.ascontiguousarray(a.weight.transpose(0, 2, 3, 1))
        bias = a.bias_int32(ctx.quant(x).scale[0])
        index = ctx.emit.conv(
            x.index, weight, a.scale.astype(np.float32), bias, quant, ctx.name,
            stride=stride, dilation=dilation, pad=pad, depthwise=depthwise, activation=activation,
        )  # fmt: skip
        return Activation(index, (1, out, oh, ow), layout.NHWC)

    return [Pending("Conv", ctx.name, (1, out, oh, ow), finish, affine=first)]


def gemm(ctx: Context, inputs: Inputs) -> list[Value]:
    """Gemm with constant B and C."""
    if ctx.attrs.get("alpha", 1.0) != 1.0 or ctx.attrs.get("beta", 1.0) != 1.0 or ctx.attrs.get("transA", 0):
        raise Unsupported("alpha, beta or transA differ from 1, 1 and 0; fold them into the weights")
    return _product(
        ctx, inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None, 0 if ctx.attrs.get("transB", 0) else 1
    )


def matmul(ctx: Context, inputs: Inputs) -> list[Value]:
    """MatMul of one row with constant weights [I, O]."""
    return _product(ctx, inputs[0], inputs[1], None, 1)


def _product(ctx: Context, a: Value | None, b: Value | None, bias: Value | None, channel_axis: int) -> list[Value]:
    x = ctx.activation(a)
    first = affine(ctx, b, bias, x, channel_axis)
    if first.weight.ndim != 2 or math.prod(x.shape[:-1]) != 1:
        raise Unsupported(
            "only the product of one row [1, I] with a constant matrix is supported; flatten the value before"
        )
    out, depth = first.weight.shape
    if depth != x.shape[-1]:
        raise Unsupported(f"a row of {x.shape[-1]} values meets weights for {depth}; the file is damaged")
    shape = (*x.shape[:-1], out)

    def finish(quant: Quant, activation: str, w: Affine | None) -> Activation:
        assert w is not None
        row = ctx.emit.reshape(x.index, (1, depth), f"{ctx.name}/row")
        weight, bias_q = layout.columns(w.weight, x), w.bias_int32(ctx.quant(x).scale[0])
        y = ctx.emit.fully_connected(row, weight, w.scale.astype(np.float32), bias_q, quant, ctx.name, activation)
        return Activation(ctx.emit.reshape(y, shape, f"{ctx.name}/shape"), shape, tuple(range(len(shape))))

    return [Pending("MatMul", ctx.name, shape, finish, affine=first)]


def batch_norm(ctx: Context, inputs: Inputs) -> list[Value]:
    """BatchNormalization right behind a convolution or matrix product: folded."""
    y = inputs[0]
    if not isinstance(y, Pending) or y.affine is None or y.activation != "NONE" or y.clip:
        raise Unsupported(
            "it does not follow a convolution directly; fold batch norm into the convolution before quantising"
        )
    parts = [v.value.astype(np.float64).reshape(-1) for v in inputs[1:5] if isinstance(v, Constant)]
    channels = len(y.affine.weight)
    if len(parts) != 4 or any(p.size != channels for p in parts):
        raise Unsupported("its parameters are not constants of one value per channel")
    gamma, beta, mean, var = parts
    with np.errstate(all="ignore"):
        gain = gamma / np.sqrt(var + float(ctx.attrs.get("epsilon", 1e-5)))
    if not np.all(np.isfinite(gain)) or not np.all(np.isfinite(beta - mean * gain)):
        raise Unsupported("its parameters give no finite factor; the file is damaged")
    return [replace(y, affine=y.affine.scaled(gain, beta - mean * gain))]
