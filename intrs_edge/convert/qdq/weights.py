# SPDX-License-Identifier: Apache-2.0
"""Convolutions, matrix products, and what per channel is folded into them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.axes import batch_matmul
from intrs_edge.convert.qdq.context import Context, Inputs, extents, window
from intrs_edge.convert.qdq.finish import fusing, reach
from intrs_edge.convert.qdq.values import NO_CLIP, Activation, Affine, Constant, Pending, Range, Value
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant


def affine(ctx: Context, weight: Value | None, bias: Value | None, x: Activation, channel_axis: int) -> Affine:
    """Quantised weights with the output channel moved to the front, and the bias."""
    if not isinstance(weight, Constant) or weight.lattice is None:
        raise Unsupported("its weights are not quantised constants; export a fully quantised (QDQ) model")
    lattice = weight.lattice
    if lattice.q.dtype != np.int8 or np.any(lattice.zero_point != 0):
        raise Unsupported("its weights are not symmetric int8 (zero point 0); quantise weights symmetrically")
    if not -lattice.q.ndim <= channel_axis < lattice.q.ndim:
        raise Unsupported(f"its weights have {lattice.q.ndim} axes; the file is damaged")
    if lattice.scale.size > 1 and lattice.axis != channel_axis:
        raise Unsupported("its weights are quantised along another axis than the output channel")
    q = np.ascontiguousarray(np.moveaxis(lattice.q, channel_axis, 0))
    scale, channels = lattice.scale.astype(np.float64), q.shape[0]
    if bias is None:
        return Affine(q, scale, np.zeros(channels), np.zeros(channels, np.int32))
    if not isinstance(bias, Constant):
        raise Unsupported("its bias is not a constant")
    if bias.value.size not in (1, channels):
        raise Unsupported(f"{bias.value.size} bias values for {channels} channels; the file is damaged")
    kept = None
    unit = np.float64(ctx.quant(x).scale[0]) * scale
    integers = bias.lattice
    if integers is not None and integers.q.dtype == np.int32 and not np.any(integers.zero_point):  # noqa: SIM102
        if bias.value.size == channels and np.allclose(integers.scale, unit, rtol=1e-5, atol=0):
            kept = integers.q.reshape(-1).astype(np.int32)
    real = np.broadcast_to(bias.value.astype(np.float64).reshape(-1), (channels,))
    if not np.all(np.isfinite(real)):
        raise Unsupported("its bias is not finite; the file is damaged")
    return Affine(q, scale, real, kept)


def span(ctx: Context, x: Activation, w: Affine | None) -> Range:
    """Bounds of a convolution or product of ``x``, whatever its input: of all output channels together."""
    assert w is not None
    low, high = reach(ctx.emit, x.index)
    rows = w.weight.reshape(len(w.weight), -1).astype(np.float64) * np.broadcast_to(w.scale, w.bias.shape)[:, None]
    up, down = np.maximum(rows, 0).sum(1), np.minimum(rows, 0).sum(1)
    return float((up * low + down * high + w.bias).min()), float((up * high + down * low + w.bias).max())


def conv(ctx: Context, inputs: Inputs) -> list[Value]:
    """Conv on images and signals: CONV_2D, or DEPTHWISE_CONV_2D when every channel is its own group."""
    given = ctx.activation(inputs[0])
    x = layout.image(ctx.emit, given)
    first = affine(ctx, inputs[1], inputs[2] if len(inputs) > 2 else None, x, 0)
    if first.weight.ndim != len(given.shape):
        raise Unsupported(
            f"weights of {first.weight.ndim} axes meet a value of {len(given.shape)}; the file is damaged"
        )
    if first.weight.ndim == 3:
        first = replace(first, weight=first.weight[:, :, None, :])
    channels, group = x.shape[1], int(ctx.attrs.get("group", 1))
    out, depth, kh, kw = first.weight.shape
    if group < 1 or depth * group != channels or out % group:
        raise Unsupported(f"weights {list(first.weight.shape)} in {group} groups do not fit {channels} input channels")
    w = window(ctx, (kh, kw), x.shape)
    depthwise = group == channels and group > 1
    oh, ow = extents(x.shape, (kh, kw), w)

    def make(quant: Quant, activation: str, a: Affine | None) -> Activation:
        assert a is not None
        a = a.fitted(ctx.quant(x).scale[0])
        weight = np.ascontiguousarray(a.weight.transpose(0, 2, 3, 1))
        bias = a.bias_int32(ctx.quant(x).scale[0])
        index = ctx.emit.conv(
            x.index, weight, a.scale.astype(np.float32), bias, quant, ctx.name,
            stride=w.stride, dilation=w.dilation, pad=w.padded, depthwise=depthwise, activation=activation,
        )  # fmt: skip
        return layout.signal(ctx.emit, Activation(index, (1, out, oh, ow), layout.NHWC), len(given.shape))

    shape = (1, out, oh, ow) if len(given.shape) == 4 else (1, out, ow)
    return [
        Pending(
            "Conv", ctx.name, shape, fusing(ctx.emit, make), affine=first, axis=1, span=lambda a: span(ctx, x, a)
        )
    ]  # fmt: skip


def gemm(ctx: Context, inputs: Inputs) -> list[Value]:
    """Gemm with constant B and C; alpha and beta go into the scales and the bias."""
    if ctx.attrs.get("transA", 0):
        raise Unsupported("transA is set; transpose the value before it, or export with transA=0")
    y = _product(
        ctx, inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None, 0 if ctx.attrs.get("transB", 0) else 1
    )
    alpha, beta = float(ctx.attrs.get("alpha", 1.0)), float(ctx.attrs.get("beta", 1.0))
    if not math.isfinite(alpha) or not math.isfinite(beta):
        raise Unsupported("its alpha or beta is not finite; the file is damaged")
    assert y.affine is not None
    if alpha == 1 and (beta == 1 or not np.any(y.affine.bias)):
        return [y]
    bare = replace(y.affine, bias=np.zeros_like(y.affine.bias), bias_q=None)
    return [replace(y, affine=bare.scaled(np.full(len(bare.bias), alpha), beta * y.affine.bias))]


def matmul(ctx: Context, inputs: Inputs) -> list[Value]:
    """MatMul of rows with constant weights [I, O], or of any two values."""
    if not isinstance(inputs[1], Constant) or inputs[1].value.ndim > 2:
        return batch_matmul(ctx, inputs)
    return [_product(ctx, inputs[0], inputs[1], None, 1)]


def _product(ctx: Context, a: Value | None, b: Value | None, bias: Value | None, channel_axis: int) -> Pending:
    x = ctx.activation(a)
    first = affine(ctx, b, bias, x, channel_axis)
    if first.weight.ndim != 2 or len(x.shape) < 1:
        raise Unsupported("only the product of rows [.., I] with a constant matrix [I, O] is supported")
    out, depth = first.weight.shape
    if depth != x.shape[-1]:
        raise Unsupported(f"a row of {x.shape[-1]} values meets weights for {depth}; the file is damaged")
    shape, rows = (*x.shape[:-1], out), math.prod(x.shape[:-1])
    if rows > 1:  # weights of a flattened value cannot be permuted for several rows
        x = layout.plain(ctx.emit, x)

    def make(quant: Quant, activation: str, w: Affine | None) -> Activation:
        assert w is not None
        w = w.fitted(ctx.quant(x).scale[0])
        row = ctx.emit.reshape(x.index, (rows, depth), f"{ctx.name}/row")
        weight, bias_q = layout.columns(w.weight, x), w.bias_int32(ctx.quant(x).scale[0])
        y = ctx.emit.fully_connected(row, weight, w.scale.astype(np.float32), bias_q, quant, ctx.name, activation)
        return Activation(ctx.emit.reshape(y, shape, f"{ctx.name}/shape"), shape, tuple(range(len(shape))))

    return Pending(
        "MatMul", ctx.name, shape, fusing(ctx.emit, make),
        affine=first, axis=len(shape) - 1, span=lambda w: span(ctx, x, w),
    )  # fmt: skip


def batch_norm(ctx: Context, inputs: Inputs) -> list[Value]:
    """BatchNormalization: folded into the convolution or product right before it, else a convolution of its own."""
    y = as_affine(ctx, inputs[0], 1)
    assert y.affine is not None
    parts = [v.value.astype(np.float64).reshape(-1) for v in inputs[1:5] if isinstance(v, Constant)]
    channels = len(y.affine.bias)
    if len(parts) != 4 or any(p.size != channels for p in parts):
        raise Unsupported("its parameters are not constants of one value per channel")
    gamma, beta, mean, var = parts
    with np.errstate(all="ignore"):
        gain = gamma / np.sqrt(var + float(ctx.attrs.get("epsilon", 1e-5)))
    return [folded(y, gain, beta - mean * gain)]


def folded(y: Pending, gain: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Pending:
    """gain * y + offset, one value per channel [C]."""
    assert y.affine is not None
    if not np.all(np.isfinite(gain)) or not np.all(np.isfinite(offset)):
        raise Unsupported("its parameters give no finite factor; the file is damaged")
    return replace(y, affine=y.affine.scaled(gain, offset))


def as_affine(ctx: Context, value: Value | None, axis: int) -> Pending:
    """A value into which factors and offsets along an axis can be folded: a convolution or product that still waits
    for its scale, or one that leaves a quantised value as it is: MUL and ADD where all channels come to share their
    factor and offset, else a 1x1 DEPTHWISE_CONV_2D."""
    if isinstance(value, Pending):
        if value.affine is None or value.clip != NO_CLIP or value.axis != axis % len(value.shape):
            raise Unsupported(
                f"it changes the result of {value.kind} {value.name!r} before that is quantised; "
                "put a QuantizeLinear and DequantizeLinear between"
            )
        return value
    x = ctx.activation(value)
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise Unsupported(f"it reads a value of shape {list(x.shape)}, which has no axis {axis}")
    axis %= rank
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    if x.order[-1] != axis:
        x = layout.arrange(ctx.emit, x, (*(i for i in x.order if i != axis), axis))
    channels, source = x.shape[axis], x
    ones = Affine(np.full((channels, 1, 1, 1), 127, np.int8), np.full(1, 1 / 127), np.zeros(channels))

    def make(quant: Quant, activation: str, a: Affine | None) -> Activation:
        assert a is not None
        stored, scale = ctx.emit.shape(source.index), ctx.quant(source).scale[0]
        gains = a.weight.reshape(-1) * a.scale
        if gains[0] != 0 and np.all(gains == gains[0]) and np.all(a.bias == a.bias[0]):
            index = _shared(ctx, source.index, float(gains[0]), float(a.bias[0]), quant, activation)
            return replace(source, index=index, code="")
        a = a.fitted(scale)
        shape = stored if len(stored) == 4 and stored[0] == 1 else (1, 1, math.prod(stored[:-1]), channels)
        image = ctx.emit.reshape(source.index, shape, f"{ctx.name}/image")
        weight = np.ascontiguousarray(a.weight.transpose(0, 2, 3, 1))
        index = ctx.emit.conv(
            image, weight, a.scale.astype(np.float32), a.bias_int32(scale), quant, ctx.name,
            depthwise=True, activation=activation,
        )  # fmt: skip
        return replace(source, index=ctx.emit.reshape(index, stored, f"{ctx.name}/shape"), code="")

    def bounds(a: Affine | None) -> Range:
        assert a is not None
        return span(ctx, source, a)

    return Pending("Affine", ctx.name, x.shape, fusing(ctx.emit, make), affine=ones, axis=axis, span=bounds)


def _shared(ctx: Context, x: int, gain: float, offset: float, quant: Quant, activation: str) -> int:
    """gain * x + offset, rounded once: with an offset the product only renames x's integers, at the scale |gain| times
    x's, and ADD, whose sum has 20 bits behind the point, rounds."""
    old, unit = ctx.emit.quant(x), [1] * len(ctx.emit.shape(x))
    factor = np.full(unit, int(np.sign(gain)), np.int8)
    by = ctx.emit.constant(f"{ctx.name}/factor", factor, per_tensor(np.float32(abs(gain)), 0))
    if offset == 0:
        return ctx.emit.add(x, by, quant, ctx.name, activation, "MUL")
    zero = int(old.zero_point[0])
    renamed = per_tensor(np.float32(old.scale[0] * np.float32(abs(gain))), zero if gain > 0 else -1 - zero)
    y = x if gain == 1 else ctx.emit.add(x, by, renamed, f"{ctx.name}/scaled", kind="MUL")
    term = np.full(unit, int(np.sign(offset)) * 127, np.int8)
    more = ctx.emit.constant(f"{ctx.name}/offset", term, per_tensor(np.float32(abs(offset) / 127), 0))
    return ctx.emit.add(y, more, quant, ctx.name, activation)
