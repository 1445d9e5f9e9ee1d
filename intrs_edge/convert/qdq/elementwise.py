# SPDX-License-Identifier: Apache-2.0
"""Element-wise ops: sums, products, activations, clips."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.context import Context, Inputs
from intrs_edge.convert.qdq.finish import ACTIVATIONS, clamp_codes, fusing, plain, reach
from intrs_edge.convert.qdq.values import (
    NO_CLIP,
    Activation,
    Affine,
    Constant,
    Finish,
    Lattice,
    Pending,
    Range,
    Value,
    clipped,
)
from intrs_edge.convert.qdq.weights import as_affine, folded
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Attr, Quant


def binary(kind: str) -> Callable[[Context, Inputs], list[Value]]:
    """ADD, SUB, MUL or DIV. Constants are folded into the convolution or product before them; beside a quantised
    value they are one of their own, exact, unless the file quantised them itself."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        a, b = inputs[0], inputs[1]
        for constant, other, turned in ((b, a, False), (a, b, True)):
            if isinstance(constant, Constant) and (not _operand(constant) or isinstance(other, Pending)):
                return [_with_constant(ctx, kind, other, constant, turned)]
            if isinstance(constant, Constant) and kind == "DIV":
                return [_with_constant(ctx, kind, other, constant, turned)]
        if kind == "DIV":
            raise Unsupported("only the division by a constant is supported")
        waiting = [isinstance(v, Pending) and v.fallback is None and not v.code and v.kind != "input" for v in (a, b)]
        if kind in ("ADD", "SUB") and sum(waiting) == 1:
            return [_sum_with(ctx, kind, a, b, waiting[0])]
        if kind == "MUL" and a is b and isinstance(a, Pending):
            return squared(ctx, a)
        x, y = broadcast(ctx, ctx.activation(a), ctx.activation(b))
        shape = tuple(np.broadcast_shapes(x.shape, y.shape))

        def make(quant: Quant, activation: str, _: Affine | None) -> Activation:
            return replace(x, index=ctx.emit.add(x.index, y.index, quant, ctx.name, activation, kind), shape=shape)

        finish = fusing(ctx.emit, make)
        return [
            Pending(kind.capitalize(), ctx.name, shape, _Difference(x, y, finish) if kind == "SUB" else finish)
        ]  # fmt: skip

    return handler


@dataclass(frozen=True)
class _Difference:
    """A difference that waits for its scale, or for the square behind it: TFLite has both in one."""

    x: Activation
    y: Activation
    finish: Finish

    def __call__(self, quant: Quant, limits: Range, affine: Affine | None) -> Activation:
        return self.finish(quant, limits, affine)


def squared(ctx: Context, value: Value | None) -> list[Value]:
    """The square of a value: MUL by itself, or SQUARED_DIFFERENCE where it is a difference that is not quantised."""
    if isinstance(value, Pending) and isinstance(value.finish, _Difference) and value.clip == NO_CLIP:
        x, y, kind = value.finish.x, value.finish.y, "SQUARED_DIFFERENCE"
        shape = value.shape
    else:
        x = y = ctx.activation(value)
        kind, shape = "MUL", x.shape
    attrs: dict[str, Attr] = {"activation": "NONE"} if kind == "MUL" else {}

    def make(quant: Quant) -> Activation:
        stored = np.broadcast_shapes(ctx.emit.shape(x.index), ctx.emit.shape(y.index))
        return replace(x, index=ctx.emit.op(kind, (x.index, y.index), stored, quant, ctx.name, attrs), shape=shape)

    return [Pending("Square", ctx.name, shape, plain(ctx.emit, make))]


def power(ctx: Context, inputs: Inputs) -> list[Value]:
    """Pow by a constant: 2, or -1/2 (1 / sqrt(x))."""
    exponent = inputs[1]
    of = float(exponent.value.reshape(-1)[0]) if isinstance(exponent, Constant) and exponent.value.size == 1 else 0.0
    if of == 2:
        return squared(ctx, inputs[0])
    if of == -0.5:
        return reciprocal(ctx, [*sqrt(ctx, inputs[:1])])
    raise Unsupported("only the exponents 2 and -0.5 are supported")


def negated(ctx: Context, inputs: Inputs) -> list[Value]:
    """Neg: a factor of -1, folded like any other."""
    return [_with_constant(ctx, "MUL", inputs[0], Constant(np.float32(-1).reshape(())), False)]


def _sum_with(ctx: Context, kind: str, a: Value | None, b: Value | None, first: bool) -> Pending:
    """ADD or SUB of a quantised value and one that is not (``first``: a), as a convolution before a residual addition
    often is: rounded where the sum's range and the other term's leave room."""
    open_term, other = (a, ctx.activation(b)) if first else (b, ctx.activation(a))
    assert isinstance(open_term, Pending)
    shape = tuple(np.broadcast_shapes(open_term.shape, other.shape))
    low, high = reach(ctx.emit, other.index)

    def make(quant: Quant, activation: str, _: Affine | None) -> Activation:
        scale, zero = float(quant.scale[0]), int(quant.zero_point[0])
        least, most = scale * (-128.5 - zero), scale * (127.5 - zero)
        if kind == "ADD":
            ends = least - high, most - low
        else:
            ends = (least + low, most + high) if first else (low - most, high - least)
        term = ctx.finisher.term(open_term, *ends)
        x, y = broadcast(ctx, *((term, other) if first else (other, term)))
        return replace(x, index=ctx.emit.add(x.index, y.index, quant, ctx.name, activation, kind), shape=shape)

    return Pending(kind.capitalize(), ctx.name, shape, fusing(ctx.emit, make))


def _operand(constant: Constant) -> bool:
    """Whether a constant is int8 per tensor in the file, as ADD, SUB and MUL take it."""
    return constant.lattice is not None and constant.lattice.q.dtype == np.int8 and constant.lattice.scale.size == 1


def _with_constant(ctx: Context, kind: str, value: Value | None, constant: Constant, turned: bool) -> Pending:
    """value and constant (``turned``: constant and value) as a factor and an offset per channel."""
    shape = value.shape if isinstance(value, (Activation, Pending)) else ()
    at = (1,) * (len(shape) - constant.value.ndim) + constant.value.shape
    wide = [i for i, s in enumerate(at) if s != 1]
    if len(at) != len(shape) or len(wide) > 1 or any(at[i] != shape[i] for i in wide) or not shape:
        raise Unsupported("its constant does not have one value, or one per channel; quantise the constant")
    if wide:
        axis = wide[0]
    elif isinstance(value, Pending):
        axis = value.axis
    else:
        assert isinstance(value, Activation)
        axis = value.order[-1]
    y = as_affine(ctx, value, axis)
    c: npt.NDArray[np.float64] = np.broadcast_to(constant.value.astype(np.float64).reshape(-1), (shape[axis],))
    one, none = np.ones(len(c)), np.zeros(len(c))
    if kind == "DIV":
        if turned:
            raise Unsupported("only the division by a constant is supported")
        with np.errstate(all="ignore"):
            return folded(y, 1 / c, none)
    if kind == "MUL":
        return folded(y, c, none)
    if kind == "SUB":
        return folded(y, -one, c) if turned else folded(y, one, -c)
    return folded(y, one, c)


def broadcast(ctx: Context, x: Activation, y: Activation) -> tuple[Activation, Activation]:
    """Two operands at one rank and one order in memory."""
    rank = max(len(x.shape), len(y.shape))
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError as error:
        raise Unsupported(
            f"shapes {list(x.shape)} and {list(y.shape)} do not broadcast; the file is damaged"
        ) from error
    raised = []
    for v in (x, y):
        raised.append(v)
        if len(v.shape) < rank:
            flat = layout.plain(ctx.emit, v)
            shape = (1,) * (rank - len(v.shape)) + v.shape
            index = ctx.emit.reshape(flat.index, shape, f"{ctx.name}/operand")
            raised[-1] = Activation(index, shape, tuple(range(rank)))
    a, b = raised
    if rank == 4:
        return layout.arrange(ctx.emit, a, layout.NHWC), layout.arrange(ctx.emit, b, layout.NHWC)
    if a.flat != b.flat:
        a, b = layout.plain(ctx.emit, a), layout.plain(ctx.emit, b)
    if ctx.emit.tensors[a.index].data is not None:
        return layout.arrange(ctx.emit, a, b.order), b
    return a, layout.arrange(ctx.emit, b, a.order)


def unary(kind: str, fixed: Quant | None = None) -> Callable[[Context, Inputs], list[Value]]:
    """An element-wise op; ``fixed`` is the output quantisation that TFLite prescribes."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        x = ctx.activation(inputs[0])
        attrs: dict[str, float | int] = {}
        if kind == "LEAKY_RELU":
            attrs["alpha"] = float(ctx.attrs.get("alpha", 0.01))
        elif kind == "GELU":
            attrs["approximate"] = int(ctx.attrs.get("approximate", b"none") in (b"tanh", "tanh"))

        def make(quant: Quant) -> Activation:
            index = ctx.emit.op(kind, (x.index,), ctx.emit.shape(x.index), fixed or quant, ctx.name, attrs)
            return ctx.finisher.requantised(replace(x, index=index), quant)

        return [Pending(kind, ctx.name, x.shape, plain(ctx.emit, make))]

    return handler


class _Root:
    """A square root that waits for the Reciprocal behind it: TFLite has only the two together."""

    def __init__(self, source: Value | None) -> None:
        self.source = source

    def __call__(self, quant: Quant, limits: Range, _: Affine | None) -> Activation:
        raise Unsupported("a square root alone is not supported; 1 / sqrt(x) is")


def sqrt(ctx: Context, inputs: Inputs) -> list[Value]:
    """Sqrt, in front of a Reciprocal."""
    x = ctx.activation(inputs[0])
    if int(ctx.quant(x).zero_point[0]) != -128:
        raise Unsupported("its input has negative values; quantise it with the zero point of the least code")
    return [Pending("Sqrt", ctx.name, x.shape, _Root(x))]


def reciprocal(ctx: Context, inputs: Inputs) -> list[Value]:
    """Reciprocal of a Sqrt: RSQRT."""
    value = inputs[0]
    if not isinstance(value, Pending) or not isinstance(value.finish, _Root):
        raise Unsupported("only 1 / sqrt(x) is supported")
    return unary("RSQRT")(ctx, [value.finish.source])


def hard_sigmoid(ctx: Context, inputs: Inputs) -> list[Value]:
    """HardSigmoid: alpha * x + beta between 0 and 1, a factor and an offset with a clip."""
    value = inputs[0]
    axis = value.axis if isinstance(value, Pending) else ctx.activation(value).order[-1]
    y = as_affine(ctx, value, axis)
    assert y.affine is not None
    alpha, beta = float(ctx.attrs.get("alpha", 0.2)), float(ctx.attrs.get("beta", 0.5))
    channels = len(y.affine.bias)
    return [replace(folded(y, np.full(channels, alpha), np.full(channels, beta)), clip=(0.0, 1.0))]


def prelu(ctx: Context, inputs: Inputs) -> list[Value]:
    """PRelu: by int8 slopes PRELU, by one slope for all LEAKY_RELU. Slopes in float (or of several scales) are rounded
    to 255 steps, which is said: with the widest of them a value of 128 steps moves by half a step of its own."""
    x, slope = ctx.activation(inputs[0]), inputs[1]
    if not isinstance(slope, Constant) or not np.all(np.isfinite(slope.value)):
        raise Unsupported("its slopes are not finite constants")
    if slope.value.size >= 1 and np.all(slope.value == slope.value.reshape(-1)[0]):
        alpha = float(slope.value.reshape(-1)[0])
        return unary("LEAKY_RELU")(replace(ctx, attrs={"alpha": alpha}), [x])
    if not _operand(slope):
        scale = np.float32(np.abs(slope.value).max(initial=0) / 127)
        if not scale >= 2.0**-64:
            raise Unsupported("it has no slopes, or none of a size that counts; use Relu")
        q = np.rint(slope.value / scale).astype(np.int8)
        slope = Constant(slope.value, Lattice(q, np.full(1, scale), np.zeros(1, np.int64), 0))
        ctx.finisher.note(f"the slopes of PRelu {ctx.name!r} are not int8: they are rounded to steps of {scale:.4g}")
    x, alphas = broadcast(ctx, x, ctx.activation(slope))
    if tuple(np.broadcast_shapes(x.shape, alphas.shape)) != x.shape:
        raise Unsupported("its slopes do not broadcast to its input; the file is damaged")
    index = ctx.emit.reshape(alphas.index, ctx.emit.shape(alphas.index)[1:], f"{ctx.name}/slopes")

    def make(quant: Quant) -> Activation:
        return replace(x, index=ctx.emit.op("PRELU", (x.index, index), ctx.emit.shape(x.index), quant, ctx.name))

    return [Pending("PRelu", ctx.name, x.shape, plain(ctx.emit, make))]


def softmax(ctx: Context, inputs: Inputs) -> list[Value]:
    """Softmax inside a network, over the last axis in memory."""
    x = ctx.activation(inputs[0])
    rank = len(x.shape)
    axis = int(ctx.attrs.get("axis", -1 if ctx.opset >= 13 else 1))
    axis = axis + rank if axis < 0 else axis
    one = axis == rank - 1 or math.prod(x.shape[axis + 1 :]) == 1  # until opset 13 all axes from this one on were one
    if x.flat is not None or axis >= rank or x.order[-1] != axis or (ctx.opset < 13 and not one):
        raise Unsupported("only a softmax over channels is supported")
    fixed = per_tensor(1 / 256, -128)

    def make(quant: Quant) -> Activation:
        index = ctx.emit.op("SOFTMAX", (x.index,), ctx.emit.shape(x.index), fixed, ctx.name, {"beta": 1.0})
        return ctx.finisher.requantised(replace(x, index=index), quant)

    return [Pending("Softmax", ctx.name, x.shape, plain(ctx.emit, make))]


def relu(ctx: Context, inputs: Inputs) -> list[Value]:
    """Relu: fused into what is pending, else an op of its own."""
    return [_clip(ctx, inputs[0], ACTIVATIONS["RELU"])]


def clip(ctx: Context, inputs: Inputs) -> list[Value]:
    """Clip with constant limits: of real values, or of the integers between a QuantizeLinear and its
    DequantizeLinear."""
    limits = [float(ctx.attrs.get("min", -math.inf)), float(ctx.attrs.get("max", math.inf))]
    for i, v in enumerate(inputs[1:3]):
        if v is not None:
            if not isinstance(v, Constant) or v.value.size != 1:
                raise Unsupported("its limits are not constants")
            limits[i] = float(v.value.reshape(-1)[0])
    if not limits[0] < limits[1]:
        raise Unsupported(f"its limits {limits} are not in order; the file is damaged")
    value = inputs[0]
    if isinstance(value, Activation) and value.code:
        moved = [x - (128 if value.code == "uint8" else 0) for x in limits]
        low, high = (int(max(-128, min(127, x))) for x in moved)
        return [clamp_codes(ctx.emit, value, low, high)]
    return [_clip(ctx, value, (limits[0], limits[1]))]


def _clip(ctx: Context, value: Value | None, limits: Range) -> Value:
    if isinstance(value, Pending):
        return replace(value, clip=clipped(value.clip, limits))
    x = ctx.activation(value)
    quant = ctx.quant(x)
    steps = [limit / float(quant.scale[0]) for limit in limits if math.isfinite(limit)]
    exact = all(abs(s - round(s)) < 1e-5 for s in steps)  # on the lattice: nothing is lost where no Q follows

    def finish(quant: Quant, limits: Range, _: Affine | None) -> Activation:
        kind = next((k for k in ("RELU", "RELU6") if ACTIVATIONS[k] == limits), None)
        if kind is None:
            return ctx.finisher.at(x, quant, limits)
        return replace(x, index=ctx.emit.op(kind, (x.index,), ctx.emit.shape(x.index), quant, ctx.name))

    return Pending("Clip", ctx.name, x.shape, finish, clip=limits, fallback=quant if exact else None)


def extreme(kind: str) -> Callable[[Context, Inputs], list[Value]]:
    """Max or Min of any number of values and constants, brought to the output's scale first; one number is a clip."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        numbers = [v.value for v in inputs if isinstance(v, Constant) and v.value.size == 1]
        values = [v for v in inputs if not (isinstance(v, Constant) and v.value.size == 1)]
        if not values or any(not np.all(np.isfinite(v.value)) for v in inputs if isinstance(v, Constant)):
            raise Unsupported("its constants are not finite; the file is damaged")
        rank = max((v.ndim for v in numbers), default=0)
        if isinstance(values[0], (Activation, Pending)) and len(values) == 1 and rank > len(values[0].shape):
            raise Unsupported("its constant has more axes than its value; reshape the constant")
        at = [float(n.reshape(-1)[0]) for n in numbers]
        limits: list[Range] = [(n, math.inf) if kind == "MAXIMUM" else (-math.inf, n) for n in at]
        result: Value | None = values[0]
        if len(values) > 1:
            shapes = [v.value.shape if isinstance(v, Constant) else v.shape for v in values]  # type: ignore[union-attr]
            try:
                shape = tuple(np.broadcast_shapes(*shapes))
            except ValueError as error:
                raise Unsupported(f"its operands {shapes} do not broadcast; the file is damaged") from error
            result = Pending(kind, ctx.name, shape, plain(ctx.emit, lambda quant: _largest(ctx, kind, values, quant)))
        for limit in limits:
            result = _clip(ctx, result, limit)
        return [result] if result is not None else []

    return handler


def _largest(ctx: Context, kind: str, values: list[Value | None], quant: Quant) -> Activation:
    """All values at one scale, two at a time."""
    first = ctx.finisher.at(values[0], quant)
    for value in values[1:]:
        x, y = broadcast(ctx, first, ctx.finisher.at(value, quant))
        shape = tuple(np.broadcast_shapes(x.shape, y.shape))
        stored = tuple(np.broadcast_shapes(ctx.emit.shape(x.index), ctx.emit.shape(y.index)))
        first = replace(x, index=ctx.emit.op(kind, (x.index, y.index), stored, quant, ctx.name), shape=shape)
    return first
