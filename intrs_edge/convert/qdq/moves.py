# SPDX-License-Identifier: Apache-2.0
"""Ops that move values and compute nothing: they keep the quantisation of what they read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.axes import along
from intrs_edge.convert.qdq.constants import reshaped
from intrs_edge.convert.qdq.context import Context, Inputs, axes_given, axis_of, integers, moving
from intrs_edge.convert.qdq.finish import plain
from intrs_edge.convert.qdq.values import (
    Activation,
    Affine,
    Constant,
    Pending,
    Range,
    Value,
    code_of,
    same_quant,
)
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.geometry import nearest_sources
from intrs_edge.graph.ir import Attr, Quant
from intrs_edge.integers import ceil_div


def _reshaped(ctx: Context, x: Activation, shape: list[int], allow_zero: bool = False) -> list[Activation]:
    try:
        new = reshaped(x.shape, shape, allow_zero)
    except (ValueError, IndexError) as error:
        raise Unsupported(f"{error}; export with a batch of 1 or a free batch") from error
    return [layout.reshape(ctx.emit, x, new, ctx.name)]


@moving
def reshape(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Reshape to a constant shape."""
    return _reshaped(ctx, x, integers(inputs[1], "target shape values"), bool(ctx.attrs.get("allowzero", 0)))


@moving
def flatten(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Flatten."""
    axis = int(ctx.attrs.get("axis", 1))
    axis = axis if axis >= 0 else axis + len(x.shape)
    return _reshaped(ctx, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


@moving
def squeeze(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Squeeze."""
    given = axes_given(ctx, inputs, [])
    axes = {axis_of(a, len(x.shape)) for a in given} or {i for i, s in enumerate(x.shape) if s == 1}
    if any(x.shape[a] != 1 for a in axes):
        raise Unsupported("it removes an axis whose extent is not 1; the file is damaged")
    return _reshaped(ctx, x, [s for i, s in enumerate(x.shape) if i not in axes])


@moving
def unsqueeze(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Unsqueeze."""
    given = axes_given(ctx, inputs)
    rank = len(x.shape) + len(given)
    axes = {axis_of(a, rank) for a in given}
    if len(axes) != len(given):
        raise Unsupported("it names an axis twice; the file is damaged")
    rest = iter(x.shape)
    return _reshaped(ctx, x, [1 if i in axes else next(rest) for i in range(rank)])


@moving
def transpose(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Transpose: only the view changes; what needs another order in memory asks for it."""
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    perm = [int(p) for p in ctx.attrs.get("perm", range(len(x.shape))[::-1])]
    if sorted(perm) != list(range(len(x.shape))):
        raise Unsupported(f"perm {perm} does not fit a value of {len(x.shape)} axes; the file is damaged")
    return [replace(x, shape=tuple(x.shape[p] for p in perm), order=tuple(perm.index(axis) for axis in x.order))]


def concat(ctx: Context, inputs: Inputs) -> list[Value]:
    """Concat: every part is made at, or brought to, the output's scale, as TFLite demands."""
    shapes = [v.value.shape if isinstance(v, Constant) else getattr(v, "shape", ()) for v in inputs]
    rank = len(shapes[0])
    if any(len(s) != rank for s in shapes):
        raise Unsupported("its parts have different ranks; the file is damaged")
    axis = axis_of(int(ctx.attrs.get("axis", 0)), rank)
    shape = list(shapes[0])
    shape[axis] = sum(s[axis] for s in shapes)
    if any(s[i] != shape[i] for s in shapes for i in range(rank) if i != axis):
        raise Unsupported("its parts differ in more than the joined axis; the file is damaged")
    codes = {getattr(v, "code", "") for v in inputs}

    def join(parts: list[Activation], quant: Quant) -> Activation:
        if any(p.flat is not None for p in parts):
            parts = [layout.plain(ctx.emit, p) for p in parts]
        parts = layout.matched(ctx.emit, parts)
        order = parts[0].order
        attrs: dict[str, Attr] = {"axis": order.index(axis), "activation": "NONE"}
        at = layout.stored(tuple(shape), order)
        index = ctx.emit.op("CONCATENATION", [p.index for p in parts], at, quant, ctx.name, attrs)
        return replace(parts[0], index=index, shape=tuple(shape))

    activations = [v for v in inputs if isinstance(v, Activation)]
    first = ctx.quant(activations[0]) if activations else None
    alike = first is not None and all(isinstance(v, Activation) and same_quant(ctx.quant(v), first) for v in inputs)
    if codes != {""}:
        if not alike or first is None or len(codes) > 1:
            raise Unsupported("it joins integers of different scales; join the real values, before the QuantizeLinear")
        return [join(activations, first)]

    def finish(quant: Quant, clip: Range, _: Affine | None) -> Activation:
        return join([ctx.finisher.at(v, quant, clip) for v in inputs], quant)

    return [Pending("Concat", ctx.name, tuple(shape), finish, fallback=first if alike else None)]


def _part(ctx: Context, x: Activation, begin: list[int], end: list[int], step: list[int]) -> Activation:
    """x[begin:end:step] along ONNX's axes."""
    if any(b >= e for b, e in zip(begin, end, strict=True)):
        raise Unsupported("it gives an empty value")
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    b, e, s = ([v[axis] for axis in x.order] for v in (begin, end, step))
    index = ctx.emit.strided_slice(x.index, b, e, s, ctx.name)
    return replace(x, index=index, shape=tuple(ceil_div(e - b, s) for b, e, s in zip(begin, end, step, strict=True)))


@moving
def slice_(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Slice with constant steps; backwards by GATHER."""
    starts, ends = integers(inputs[1], "starts"), integers(inputs[2], "ends")
    axes = integers(inputs[3], "axes") if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = integers(inputs[4], "steps") if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported("its starts, ends, axes and steps differ in number; the file is damaged")
    begin, end, step = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    for start, stop, axis, by in zip(starts, ends, axes, steps, strict=True):
        a = axis_of(axis, len(x.shape))
        if by < 0:
            rows = list(range(*slice(start, stop, by).indices(x.shape[a])))
            if not rows:
                raise Unsupported("it leaves nothing; the file is damaged")
            x = along(ctx, x, a, rows)
            end[a] = len(rows)
            continue
        if by == 0:
            raise Unsupported("a step is 0; the file is damaged")
        begin[a], end[a], step[a] = *slice(start, stop).indices(x.shape[a])[:2], by
    return [_part(ctx, x, begin, end, step)]


@moving
def split(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Split, one STRIDED_SLICE a part."""
    axis = axis_of(int(ctx.attrs.get("axis", 0)), len(x.shape))
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = integers(inputs[1], "sizes")
    elif "split" in ctx.attrs:
        sizes = [int(s) for s in ctx.attrs["split"]]
    else:
        size = ceil_div(x.shape[axis], ctx.outputs)
        sizes = [size] * (ctx.outputs - 1) + [x.shape[axis] - size * (ctx.outputs - 1)]
    if len(sizes) != ctx.outputs or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise Unsupported(f"sizes {sizes[:8]} do not divide {x.shape[axis]} into {ctx.outputs}; the file is damaged")
    out: list[Activation] = []
    start = 0
    for size in sizes:
        begin, end = [0] * len(x.shape), list(x.shape)
        begin[axis], end[axis] = start, start + size
        out.append(_part(ctx, x, begin, end, [1] * len(x.shape)))
        start += size
    return out


def pad(ctx: Context, inputs: Inputs) -> list[Value]:
    """Pad with a constant (PAD for zero, PADV2 otherwise) or by reflection (MIRROR_PAD)."""
    value = inputs[0]
    shape = value.shape if isinstance(value, Pending) else ctx.activation(value).shape
    before, after = _borders(ctx, inputs, len(shape))
    padded = tuple(s + lo + hi for s, lo, hi in zip(shape, before, after, strict=True))
    mode = ctx.attrs.get("mode", "constant")
    if mode == "reflect":
        if any(max(lo, hi) >= s for s, lo, hi in zip(shape, before, after, strict=True)):
            raise Unsupported("it reflects more than the image holds")

        def mirror(ctx: Context, x: Activation, _: Inputs) -> list[Activation]:
            x = layout.plain(ctx.emit, x) if x.flat is not None else x
            pairs = ctx.emit.integers(f"{ctx.name}/paddings", [[before[i], after[i]] for i in x.order])
            at = layout.stored(padded, x.order)
            index = ctx.emit.op("MIRROR_PAD", (x.index, pairs), at, ctx.quant(x), ctx.name, {"mode": "REFLECT"})
            return [replace(x, index=index, shape=padded)]

        return moving(mirror)(ctx, inputs)
    if mode != "constant":
        raise Unsupported(f"mode {mode!r} is not supported; use constant or reflect")
    given = float(ctx.attrs.get("value", 0.0))
    if len(inputs) > 2 and inputs[2] is not None:
        if not isinstance(inputs[2], Constant) or inputs[2].value.size != 1 or not np.isfinite(inputs[2].value).all():
            raise Unsupported("its value is not a finite constant")
        given = float(inputs[2].value.reshape(-1)[0])

    def border(x: Activation, q: int) -> Activation:
        x = layout.plain(ctx.emit, x) if x.flat is not None else x
        b, a = ([v[axis] for axis in x.order] for v in (before, after))
        return replace(x, index=ctx.emit.pad(x.index, b, a, ctx.name, q), shape=padded)

    if isinstance(value, (Activation, Pending)) and value.code:
        if isinstance(value, Pending):
            raise Unsupported("it pads the integer input; begin with a DequantizeLinear")
        return [border(value, max(-128, min(127, int(given) - (128 if value.code == "uint8" else 0))))]

    def finish(quant: Quant, clip: Range, _: Affine | None) -> Activation:
        return border(ctx.finisher.at(value, quant, clip), code_of(min(max(given, clip[0]), clip[1]), quant))

    old = ctx.quant(value) if isinstance(value, Activation) else value.fallback if isinstance(value, Pending) else None
    exact = old is not None and _on_lattice(given, old)
    return [Pending("Pad", ctx.name, padded, finish, fallback=old if exact else None)]


def _on_lattice(real: float, quant: Quant) -> bool:
    """Whether a number is one of the 256 that an int8 tensor can hold."""
    back = (code_of(real, quant) - int(quant.zero_point[0])) * float(quant.scale[0])
    return abs(back - real) <= 1e-5 * float(quant.scale[0])


def _borders(ctx: Context, inputs: Inputs, rank: int) -> tuple[list[int], list[int]]:
    """How much is padded before and behind every axis."""
    if len(inputs) > 1 and inputs[1] is not None:
        pads = integers(inputs[1], "pads")
    else:  # until opset 11 an attribute
        pads = [int(p) for p in ctx.attrs.get("pads", [])]
    axes = list(range(rank))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = [axis_of(a, rank) for a in integers(inputs[3], "axes")]
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0 or max(pads, default=0) > 1 << 16:
        raise Unsupported("its pads are negative, too large, or do not fit its axes")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[i + len(axes)]
    return before, after


NEAREST: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


def resize(ctx: Context, inputs: Inputs) -> list[Value]:
    """Resize and Upsample of images: by the nearest pixel, where TFLite's own rules pick the same, or linearly."""
    mode = ctx.attrs.get("mode", "nearest")
    if mode in ("linear", "bilinear"):
        return _resize_linear(ctx, inputs)
    if mode != "nearest":
        raise Unsupported(f"mode {mode!r} is not supported; use nearest or linear")
    value = inputs[0]
    shape = value.shape if isinstance(value, Pending) else ctx.activation(value).shape
    if len(shape) not in (3, 4):
        raise Unsupported(f"it reads a value of shape {list(shape)}; only images are resized")
    out, scales = _resized(ctx, inputs, list(shape))
    if out[:2] != list(shape[:2]):
        raise Unsupported("it resizes the batch or the channels; only height and width can be")
    wanted = [[_nearest(ctx, i, s, n, o) for i in range(o)] for s, n, o in zip(scales, shape, out, strict=True)][2:]
    rules = (("asymmetric", False, False), ("half pixel", False, True), ("align corners", True, False))
    for _, align, half in rules:
        found = [list(nearest_sources(n, o, align, half)) for n, o in zip(shape[2:], out[2:], strict=True)]
        if found == wanted:
            attrs: dict[str, Attr] = {"align_corners": align, "half_pixel_centers": half}
            break
    else:
        raise Unsupported("TFLite's nearest neighbours are others; use asymmetric coordinates with nearest_mode floor")

    def move(ctx: Context, x: Activation, _: Inputs) -> list[Activation]:
        rank = len(x.shape)
        x = layout.image(ctx.emit, x)
        size = out[2:] if rank == 4 else [1, out[2]]
        at = (1, *size, x.shape[1])
        index = ctx.emit.op(
            "RESIZE_NEAREST_NEIGHBOR", (x.index, ctx.emit.integers(f"{ctx.name}/size", size)), at, ctx.quant(x),
            ctx.name, attrs,
        )  # fmt: skip
        y = replace(x, index=index, shape=(1, x.shape[1], *size))
        return [layout.signal(ctx.emit, y, rank)]

    return moving(move)(ctx, inputs)


# ONNX's coordinates -> TFLite's align_corners and half_pixel_centers
_LINEAR = {
    "asymmetric": (False, False),
    "half_pixel": (False, True),
    "pytorch_half_pixel": (False, True),
    "align_corners": (True, False),
}


def _resize_linear(ctx: Context, inputs: Inputs) -> list[Value]:
    """Resize of images between four pixels: RESIZE_BILINEAR, which rounds at its input's scale."""
    x = layout.image(ctx.emit, ctx.activation(inputs[0]))
    if len(ctx.activation(inputs[0]).shape) != 4:
        raise Unsupported("only images are resized linearly; reshape to one row")
    out, scales = _resized(ctx, inputs, list(x.shape))
    if out[:2] != list(x.shape[:2]):
        raise Unsupported("it resizes the batch or the channels; only height and width can be")
    if any(abs(o - n * s) > 1e-3 for o, n, s in zip(out, x.shape, scales, strict=True)) or ctx.attrs.get("antialias"):
        raise Unsupported("its scales do not give whole sizes, or it filters; export with sizes and without antialias")
    how = ctx.attrs.get("coordinate_transformation_mode", "half_pixel" if ctx.opset >= 11 else "asymmetric")
    if how not in _LINEAR or (how == "pytorch_half_pixel" and 1 in out[2:]):
        raise Unsupported(f"coordinates by {how!r} are not supported; use half_pixel or align_corners")
    align, half = _LINEAR[how]
    at = (1, out[2], out[3], x.shape[1])

    def make(quant: Quant) -> Activation:
        given = ctx.quant(x)
        if float(quant.scale[0]) < float(given.scale[0]) * 0.999:
            raise Unsupported(
                "its output has a finer scale than its input, which would round twice; give it its input's"
            )
        size = ctx.emit.integers(f"{ctx.name}/size", [out[2], out[3]])
        attrs: dict[str, Attr] = {"align_corners": align, "half_pixel_centers": half}
        index = ctx.emit.op("RESIZE_BILINEAR", (x.index, size), at, given, ctx.name, attrs)
        if not same_quant(given, quant):
            index = ctx.emit.op("QUANTIZE", (index,), at, quant, f"{ctx.name}/requantise")
        return Activation(index, tuple(out), layout.NHWC)

    return [Pending("Resize", ctx.name, tuple(out), plain(ctx.emit, make), fallback=ctx.quant(x), rounds=True)]


def _resized(ctx: Context, inputs: Inputs, shape: list[int]) -> tuple[list[int], list[float]]:
    """The output's shape and the scale of every axis."""
    axes = [axis_of(int(a), len(shape)) for a in ctx.attrs.get("axes", range(len(shape)))]
    given = inputs[1:] if len(inputs) == 2 else inputs[2:]  # until opset 11, and in Upsample, no roi
    numbers = [
        v.value.reshape(-1) if isinstance(v, Constant) else None if v is None else np.zeros(0) for v in (*given, None)
    ]
    scales, sizes = numbers[0], numbers[1]
    out, factors = list(shape), [1.0] * len(shape)
    if ctx.attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("only keep_aspect_ratio_policy stretch is supported")
    if scales is not None and scales.size == len(axes) and scales.dtype.kind == "f":
        for a, s in zip(axes, scales, strict=True):
            if not 2.0**-12 <= s <= 2.0**12:
                raise Unsupported("its scales are out of range; the file is damaged")
            factors[a], out[a] = float(s), math.floor(shape[a] * float(s))
    elif sizes is not None and sizes.size == len(axes) and sizes.dtype.kind == "i":
        for a, n in zip(axes, sizes, strict=True):
            out[a], factors[a] = int(n), int(n) / shape[a]
    else:
        raise Unsupported("its scales or sizes are not constants, one for every axis")
    if min(out) < 1 or max(out) > 1 << 14:
        raise Unsupported(f"its output would have the shape {out}")
    return out, factors


def _nearest(ctx: Context, i: int, scale: float, extent: int, out: int) -> int:
    """The input's index for index i of the output, by ONNX's rule."""
    default = "half_pixel" if ctx.opset >= 11 else "asymmetric"
    how = ctx.attrs.get("coordinate_transformation_mode", default)
    if how == "asymmetric":
        x = i / scale
    elif how == "align_corners":
        x = 0.0 if out == 1 else i * (extent - 1) / (out - 1)
    elif how == "half_pixel" or (how == "pytorch_half_pixel" and out > 1):
        x = (i + 0.5) / scale - 0.5
    elif how == "pytorch_half_pixel":
        x = 0.0
    else:
        raise Unsupported(f"coordinates by {how!r} are not supported; use asymmetric or half_pixel")
    kind = ctx.attrs.get("nearest_mode", "round_prefer_floor" if ctx.opset >= 11 else "floor")
    if kind not in NEAREST:
        raise Unsupported(f"nearest_mode {kind!r} is unknown")
    return max(0, min(extent - 1, NEAREST[kind](x)))
