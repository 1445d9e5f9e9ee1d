# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions: TFLite's own, or convolutions of an image with zeros between its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.context import Context, Inputs
from intrs_edge.convert.qdq.finish import fusing
from intrs_edge.convert.qdq.values import Activation, Affine, Constant, Lattice, Pending, Value
from intrs_edge.convert.qdq.weights import affine, span
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant

Pair = tuple[int, int]


@dataclass(frozen=True)
class _Geometry:
    """Rows and columns of a transposed convolution. pads: top, left, bottom, right."""

    group: int
    stride: Pair
    dilation: Pair
    pads: tuple[int, ...]
    more: Pair


def conv_transpose(ctx: Context, inputs: Inputs) -> list[Value]:
    """ConvTranspose on images and signals: TRANSPOSE_CONV; with groups or dilation a CONV_2D or DEPTHWISE_CONV_2D of
    the image with zeros between its pixels, the same sums."""
    given = ctx.activation(inputs[0])
    x, rank = layout.image(ctx.emit, given), len(given.shape)
    g = _geometry(ctx, rank - 2)
    first = _weights(ctx, inputs, x, g.group, rank)
    out, _, kh, kw = first.weight.shape
    reach = tuple((k - 1) * d + 1 for k, d in zip((kh, kw), g.dilation, strict=True))
    oh, ow = (
        (n - 1) * s + r - g.pads[a] - g.pads[a + 2] + g.more[a]
        for a, (n, s, r) in enumerate(zip(x.shape[2:], g.stride, reach, strict=True))
    )
    if min(oh, ow) < 1:
        raise Unsupported(f"its pads leave nothing of an image of {x.shape[2]}x{x.shape[3]}; the file is damaged")
    own = g.group == 1 and g.dilation == (1, 1)
    before = reach[0] - 1 - g.pads[0], reach[1] - 1 - g.pads[1]
    if not own and min(before) < 0:
        raise Unsupported(f"its pads {list(g.pads[:2])} reach beyond its window; crop its result instead")

    def make(quant: Quant, activation: str, a: Affine | None) -> Activation:
        assert a is not None
        scale = ctx.quant(x).scale[0]
        a = a.fitted(scale)
        weight, bias = np.ascontiguousarray(a.weight.transpose(0, 2, 3, 1)), a.bias_int32(scale)
        scales = a.scale.astype(np.float32)
        if own:
            index = ctx.emit.transpose_conv(
                x.index, weight, scales, bias, quant, ctx.name,
                stride=g.stride, crop=(g.pads[0], g.pads[1]), size=(oh, ow), activation=activation,
            )  # fmt: skip
        else:
            wide, pad = _between(ctx, x.index, g.stride, before, (oh + reach[0] - 1, ow + reach[1] - 1))
            index = ctx.emit.conv(
                wide, np.ascontiguousarray(weight[:, ::-1, ::-1]), scales, bias, quant, ctx.name,
                dilation=g.dilation, pad=pad, depthwise=g.group == x.shape[1], activation=activation,
            )  # fmt: skip
        return layout.signal(ctx.emit, Activation(index, (1, out, oh, ow), layout.NHWC), rank)

    shape = (1, out, oh, ow) if rank == 4 else (1, out, ow)
    finish = fusing(ctx.emit, make)
    return [Pending("ConvTranspose", ctx.name, shape, finish, affine=first, axis=1, span=lambda a: span(ctx, x, a))]


def _geometry(ctx: Context, axes: int) -> _Geometry:
    """The node's attributes, a signal's as those of an image of height 1."""
    if ctx.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "") or "output_shape" in ctx.attrs:
        raise Unsupported("auto_pad and output_shape are not supported; export with pads")
    stride, dilation = (list(ctx.attrs.get(key, [1] * axes)) for key in ("strides", "dilations"))
    pads, more = list(ctx.attrs.get("pads", [0] * 2 * axes)), list(ctx.attrs.get("output_padding", [0] * axes))
    if [len(stride), len(dilation), len(pads), len(more)] != [axes, axes, 2 * axes, axes]:
        raise Unsupported("its strides, dilations, pads and output_padding do not fit its input; the file is damaged")
    if axes == 1:
        stride, dilation, pads, more = [1, *stride], [1, *dilation], [0, pads[0], 0, pads[1]], [0, *more]
    group = int(ctx.attrs.get("group", 1))
    if min(*stride, *dilation, group) < 1 or min(*pads, *more) < 0 or max(*stride, *dilation, *pads, *more) > 1 << 16:
        raise Unsupported("its group, strides, dilations, pads or output_padding are out of range; the file is damaged")
    return _Geometry(group, (stride[0], stride[1]), (dilation[0], dilation[1]), tuple(pads), (more[0], more[1]))


def _weights(ctx: Context, inputs: Inputs, x: Activation, group: int, rank: int) -> Affine:
    """Weights [C, O / group, h, w] as [O, C / group, h, w], the bias with them."""
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if isinstance(weight, Constant) and weight.lattice is not None:
        lattice = weight.lattice
        channels, parts, *window = lattice.q.shape if lattice.q.ndim == rank else (0, 0)
        if channels != x.shape[1] or channels % group or not parts:
            raise Unsupported(f"weights {list(lattice.q.shape)} in {group} groups do not fit {x.shape[1]} channels")
        grouped = lattice.q.reshape(group, channels // group, parts, *window).swapaxes(1, 2)
        q = np.ascontiguousarray(grouped.reshape(group * parts, channels // group, *window))
        weight = replace(weight, lattice=replace(lattice, q=q, **_scales(lattice, group, channels)))
    first = affine(ctx, weight, bias, x, 0)
    return first if first.weight.ndim == 4 else replace(first, weight=first.weight[:, :, None, :])


def _scales(lattice: Lattice, group: int, channels: int) -> dict[str, Any]:
    """Scales and zero points one an output channel: the file has them by outputs of a group (axis 1), or by inputs
    (axis 0), which is the same where every input is a group."""
    many = lattice.scale.size
    if many == 1:
        return {}
    if lattice.axis == 1:
        at = np.tile(np.arange(many), group)
    elif lattice.axis == 0 and group == channels:
        at = np.repeat(np.arange(many), lattice.q.shape[1])
    else:
        raise Unsupported("its weights are quantised along another axis than the output channel")
    return {"scale": lattice.scale[at], "zero_point": lattice.zero_point[at], "axis": 0}


def _between(ctx: Context, x: int, stride: Pair, before: Pair, wanted: Pair) -> tuple[int, tuple[int, int, int, int]]:
    """(x with stride - 1 zeros behind every row and column, pads that make it ``wanted`` from ``before`` on)."""
    emit = ctx.emit
    n, h, w, c = emit.shape(x)
    for axis, rows, behind in ((1, h * w, c), (0, h, w * stride[1] * c)):
        if stride[axis] > 1:
            apart = emit.reshape(x, (n, rows, 1, behind), f"{ctx.name}/apart")
            x = emit.pad(apart, (0, 0, 0, 0), (0, 0, stride[axis] - 1, 0), f"{ctx.name}/between")
    h, w = h * stride[0], w * stride[1]
    x = emit.reshape(x, (n, h, w, c), f"{ctx.name}/wide")
    kept = min(h, wanted[0] - before[0]), min(w, wanted[1] - before[1])
    if kept != (h, w):
        x = emit.strided_slice(x, (0, 0, 0, 0), (n, *kept, c), (1, 1, 1, 1), f"{ctx.name}/cut")
    return x, (before[0], wanted[0] - before[0] - kept[0], before[1], wanted[1] - before[1] - kept[1])
