"""Ops that move values and compute nothing: they keep the quantisation of what they read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from intrs_edge.convert import qdq_layout as layout
from intrs_edge.convert.qdq_constants import reshaped
from intrs_edge.convert.qdq_context import Context, Handler, Inputs
from intrs_edge.convert.values import Activation, Affine, Constant, Pending, Unsupported, Value, same_quant
from intrs_edge.graph.ir import Attr, Quant


def _integers(value: Value | None, what: str) -> list[int]:
    if not isinstance(value, Constant) or value.value.dtype.kind != "i":
        raise Unsupported(f"its {what} are not constant integers")
    return [int(v) for v in value.value.reshape(-1)]


def _axis(ctx: Context, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} does not exist in a value of {rank} axes; the file is damaged")
    return axis % rank


def _reshaped(ctx: Context, x: Activation, shape: list[int], allow_zero: bool = False) -> list[Value]:
    try:
        new = reshaped(x.shape, shape, allow_zero)
    except (ValueError, IndexError) as error:
        raise Unsupported(f"{error}; export with a batch of 1 or a free batch") from error
    return [layout.reshape(ctx.emit, x, new, ctx.name)]


def reshape(ctx: Context, inputs: Inputs) -> list[Value]:
    """Reshape to a constant shape."""
    x = ctx.activation(inputs[0])
    return _reshaped(ctx, x, _integers(inputs[1], "target shape values"), bool(ctx.attrs.get("allowzero", 0)))


def flatten(ctx: Context, inputs: Inputs) -> list[Value]:
    """Flatten."""
    x = ctx.activation(inputs[0])
    axis = int(ctx.attrs.get("axis", 1))
    axis = axis if axis >= 0 else axis + len(x.shape)
    return _reshaped(ctx, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def squeeze(ctx: Context, inputs: Inputs) -> list[Value]:
    """Squeeze."""
    x = ctx.activation(inputs[0])
    given = _integers(inputs[1], "axes") if len(inputs) > 1 and inputs[1] is not None else []
    axes = {_axis(ctx, a, len(x.shape)) for a in given} or {i for i, s in enumerate(x.shape) if s == 1}
    if any(x.shape[a] != 1 for a in axes):
        raise Unsupported("it removes an axis whose extent is not 1; the file is damaged")
    return _reshaped(ctx, x, [s for i, s in enumerate(x.shape) if i not in axes])


def unsqueeze(ctx: Context, inputs: Inputs) -> list[Value]:
    """Unsqueeze."""
    x = ctx.activation(inputs[0])
    given = _integers(inputs[1] if len(inputs) > 1 else None, "axes")
    rank = len(x.shape) + len(given)
    axes = {_axis(ctx, a, rank) for a in given}
    rest = iter(x.shape)
    return _reshaped(ctx, x, [1 if i in axes else next(rest) for i in range(rank)])


def transpose(ctx: Context, inputs: Inputs) -> list[Value]:
    """Transpose: only the view changes; what needs another order in memory asks for it."""
    x = ctx.activation(inputs[0])
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    perm = [int(p) for p in ctx.attrs.get("perm", range(len(x.shape))[::-1])]
    if sorted(perm) != list(range(len(x.shape))):
        raise Unsupported(f"perm {perm} does not fit a value of {len(x.shape)} axes; the file is damaged")
    return [replace(x, shape=tuple(x.shape[p] for p in perm), order=tuple(perm.index(axis) for axis in x.order))]


def concat(ctx: Context, inputs: Inputs) -> list[Value]:
    """Concat: every part is brought to the output's scale first, as TFLite demands."""
    parts = [ctx.activation(v) for v in inputs]
    rank = len(parts[0].shape)
    if any(len(p.shape) != rank for p in parts):
        raise Unsupported("its parts have different ranks; the file is damaged")
    if any(p.flat is not None for p in parts):
        parts = [layout.plain(ctx.emit, p) for p in parts]
    parts = layout.matched(ctx.emit, parts)
    axis = _axis(ctx, int(ctx.attrs.get("axis", 0)), rank)
    shape = list(parts[0].shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    if any(p.shape[i] != shape[i] for p in parts for i in range(rank) if i != axis):
        raise Unsupported("its parts differ in more than the joined axis; the file is damaged")
    order = parts[0].order

    def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
        same = [ctx.requantised(p, quant).index for p in parts]
        attrs: dict[str, Attr] = {"axis": order.index(axis), "activation": activation}
        index = ctx.emit.op("CONCATENATION", same, layout.stored(tuple(shape), order), quant, ctx.name, attrs)
        return Activation(index, tuple(shape), order)

    first = ctx.quant(parts[0])
    alike = all(same_quant(ctx.quant(p), first) for p in parts)
    return [Pending("Concat", ctx.name, tuple(shape), finish, fallback=first if alike else None)]


def _part(ctx: Context, x: Activation, begin: list[int], end: list[int], step: list[int]) -> Activation:
    """x[begin:end:step] along ONNX's axes."""
    if any(b >= e for b, e in zip(begin, end, strict=True)):
        raise Unsupported("it gives an empty value")
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    b, e, s = ([v[axis] for axis in x.order] for v in (begin, end, step))
    index = ctx.emit.strided_slice(x.index, b, e, s, ctx.name)
    return replace(x, index=index, shape=tuple(-(-(e - b) // s) for b, e, s in zip(begin, end, step, strict=True)))


def slice_(ctx: Context, inputs: Inputs) -> list[Value]:
    """Slice with constant, positive steps."""
    x = ctx.activation(inputs[0])
    starts, ends = _integers(inputs[1], "starts"), _integers(inputs[2], "ends")
    axes = _integers(inputs[3], "axes") if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = _integers(inputs[4], "steps") if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported("its starts, ends, axes and steps differ in number; the file is damaged")
    begin, end, step = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for start, stop, axis, by in zip(starts, ends, axes, steps, strict=True):
        if by < 1:
            raise Unsupported("negative steps are not supported")
        a = _axis(ctx, axis, len(x.shape))
        begin[a], end[a], step[a] = *slice(start, stop).indices(x.shape[a])[:2], by
    return [_part(ctx, x, begin, end, step)]


def split(ctx: Context, inputs: Inputs) -> list[Value]:
    """Split, one STRIDED_SLICE a part."""
    x = ctx.activation(inputs[0])
    axis = _axis(ctx, int(ctx.attrs.get("axis", 0)), len(x.shape))
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = _integers(inputs[1], "sizes")
    else:
        size = -(-x.shape[axis] // ctx.outputs)
        sizes = [size] * (ctx.outputs - 1) + [x.shape[axis] - size * (ctx.outputs - 1)]
    if len(sizes) != ctx.outputs or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise Unsupported(f"sizes {sizes[:8]} do not divide {x.shape[axis]} into {ctx.outputs}; the file is damaged")
    out: list[Value] = []
    start = 0
    for size in sizes:
        begin, end = [0] * len(x.shape), list(x.shape)
        begin[axis], end[axis] = start, start + size
        out.append(_part(ctx, x, begin, end, [1] * len(x.shape)))
        start += size
    return out


def pad(ctx: Context, inputs: Inputs) -> list[Value]:
    """Pad with a constant (PAD for zero, PADV2 otherwise) or by reflection (MIRROR_PAD)."""
    x = ctx.activation(inputs[0])
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    rank, pads = len(x.shape), _integers(inputs[1], "pads")
    axes = (
        [_axis(ctx, a, rank) for a in _integers(inputs[3], "axes")]
        if len(inputs) > 3 and inputs[3] is not None
        else None
    )
    axes = list(range(rank)) if axes is None else axes
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0 or max(pads, default=0) > 1 << 16:
        raise Unsupported("its pads are negative, too large, or do not fit its axes")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[i + len(axes)]
    b, a = [before[axis] for axis in x.order], [after[axis] for axis in x.order]
    shape = tuple(s + lo + hi for s, lo, hi in zip(x.shape, before, after, strict=True))
    mode, quant = ctx.attrs.get("mode", "constant"), ctx.quant(x)
    if mode == "reflect":
        if any(max(lo, hi) >= s for s, lo, hi in zip(x.shape, before, after, strict=True)):
            raise Unsupported("it reflects more than the image holds")
        pairs = ctx.emit.integers(f"{ctx.name}/paddings", [list(p) for p in zip(b, a, strict=True)])
        at = layout.stored(shape, x.order)
        index = ctx.emit.op("MIRROR_PAD", (x.index, pairs), at, quant, ctx.name, {"mode": "REFLECT"})
        return [replace(x, index=index, shape=shape)]
    if mode != "constant":
        raise Unsupported(f"mode {mode!r} is not supported; use constant or reflect")
    value = 0.0
    if len(inputs) > 2 and inputs[2] is not None:
        if not isinstance(inputs[2], Constant) or inputs[2].value.size != 1 or not np.isfinite(inputs[2].value).all():
            raise Unsupported("its value is not a finite constant")
        value = float(inputs[2].value.reshape(-1)[0])
    q = round(value / float(quant.scale[0])) + int(quant.zero_point[0])
    return [replace(x, index=ctx.emit.pad(x.index, b, a, ctx.name, max(-128, min(127, q))), shape=shape)]


def maximum(kind: str) -> Handler:
    """Max or Min of two values, brought to the output's scale first."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        if len(inputs) != 2:
            raise Unsupported("only two operands are supported")
        x, y = layout.matched(ctx.emit, [ctx.activation(v) for v in inputs])
        if x.shape != y.shape:
            raise Unsupported("its operands have different shapes")

        def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
            if activation != "NONE":
                raise Unsupported(f"an activation behind {kind} needs its own QuantizeLinear and DequantizeLinear")
            same = [ctx.requantised(v, quant).index for v in (x, y)]
            return replace(x, index=ctx.emit.op(kind, same, ctx.emit.shape(x.index), quant, ctx.name))

        return [Pending(kind, ctx.name, x.shape, finish)]

    return handler
