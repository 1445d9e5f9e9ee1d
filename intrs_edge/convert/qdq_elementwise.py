"""Element-wise ops: sums, products, activations, clips."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intrs_edge.convert import qdq_layout as layout
from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq_context import Context, Inputs
from intrs_edge.convert.values import Activation, Affine, Constant, Pending, Unsupported, Value
from intrs_edge.graph.ir import Quant


def binary(kind: str) -> Callable[[Context, Inputs], list[Value]]:
    """ADD, SUB or MUL; a constant behind a convolution or matrix product is folded into it."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        a, b = inputs[0], inputs[1]
        if kind == "ADD" and isinstance(a, Constant):
            a, b = b, a
        if (
            isinstance(a, Pending)
            and a.affine is not None
            and isinstance(b, Constant)
            and a.activation == "NONE"
            and not a.clip
        ):
            return [replace(a, affine=_folded(kind, a, b))]
        x, y = _broadcast(ctx, ctx.activation(a), ctx.activation(b))
        shape = tuple(np.broadcast_shapes(x.shape, y.shape))

        def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
            return replace(x, index=ctx.emit.add(x.index, y.index, quant, ctx.name, activation, kind), shape=shape)

        return [Pending(kind.capitalize(), ctx.name, shape, finish)]

    return handler


def _folded(kind: str, y: Pending, other: Constant) -> Affine:
    """A constant per channel added to or multiplied with the result of a convolution or matrix product."""
    assert y.affine is not None
    channels, rank = len(y.affine.weight), len(y.shape)
    axis = 1 if y.kind == "Conv" else rank - 1
    shape = (1,) * (rank - other.value.ndim) + other.value.shape
    if len(shape) != rank or any(s not in (1, channels if i == axis else 1) for i, s in enumerate(shape)):
        raise Unsupported("the constant does not have one value per channel")
    value = np.broadcast_to(other.value.astype(np.float64).reshape(-1), (channels,))
    if not np.all(np.isfinite(value)):
        raise Unsupported("the constant is not finite; the file is damaged")
    if kind == "MUL":
        return y.affine.scaled(value, np.zeros(channels))
    return y.affine.scaled(np.ones(channels), -value if kind == "SUB" else value)


def _broadcast(ctx: Context, x: Activation, y: Activation) -> tuple[Activation, Activation]:
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
    return a, layout.arrange(ctx.emit, b, a.order)


def unary(kind: str, fixed: Quant | None = None) -> Callable[[Context, Inputs], list[Value]]:
    """An element-wise op; ``fixed`` is the output quantisation that TFLite prescribes."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        x = ctx.activation(inputs[0])
        attrs = {"alpha": float(ctx.attrs.get("alpha", 0.01))} if kind == "LEAKY_RELU" else {}

        def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
            if activation != "NONE":
                raise Unsupported(f"an activation behind {kind} needs its own QuantizeLinear and DequantizeLinear")
            index = ctx.emit.op(kind, (x.index,), ctx.emit.shape(x.index), fixed or quant, ctx.name, attrs)
            return ctx.requantised(replace(x, index=index), quant)

        return [Pending(kind, ctx.name, x.shape, finish)]

    return handler


def softmax(ctx: Context, inputs: Inputs) -> list[Value]:
    """Softmax inside a network, over the last axis in memory."""
    x = ctx.activation(inputs[0])
    axis = int(ctx.attrs.get("axis", -1)) % len(x.shape)
    if x.flat is not None or x.order[-1] != axis:
        raise Unsupported("only a softmax over channels is supported")
    fixed = per_tensor(1 / 256, -128)

    def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
        index = ctx.emit.op("SOFTMAX", (x.index,), ctx.emit.shape(x.index), fixed, ctx.name, {"beta": 1.0})
        return ctx.requantised(replace(x, index=index), quant)

    return [Pending("Softmax", ctx.name, x.shape, finish)]


def relu(ctx: Context, inputs: Inputs) -> list[Value]:
    """Relu: fused into what is pending, else an op of its own."""
    return _clipped(ctx, inputs[0], 0.0, math.inf)


def clip(ctx: Context, inputs: Inputs) -> list[Value]:
    """Clip with constant limits."""
    limits = [-math.inf, math.inf]
    for i, v in enumerate(inputs[1:3]):
        if v is not None:
            if not isinstance(v, Constant) or v.value.size != 1:
                raise Unsupported("its limits are not constants")
            limits[i] = float(v.value.reshape(-1)[0])
    if not limits[0] < limits[1]:
        raise Unsupported(f"its limits {limits} are not in order; the file is damaged")
    return _clipped(ctx, inputs[0], limits[0], limits[1])


_CLIPS = {(0.0, math.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}


def _clipped(ctx: Context, value: Value | None, low: float, high: float) -> list[Value]:
    kind = _CLIPS.get((low, high))
    if isinstance(value, Pending) and value.clip is None:
        if value.activation == kind:
            return [value]
        if kind is not None and value.activation == "NONE":
            return [replace(value, activation=kind)]
        if kind is None:
            return [replace(value, clip=(low, high))]
    if kind is not None and kind != "RELU_N1_TO_1":
        return unary(kind)(ctx, [value])
    x = ctx.activation(value)

    def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
        return ctx.requantised(x, quant)

    return [Pending("Clip", ctx.name, x.shape, finish, clip=(low, high))]
