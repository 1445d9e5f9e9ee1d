"""Pools and means."""

from __future__ import annotations

from intrs_edge.convert import qdq_layout as layout
from intrs_edge.convert.emit import Emitter, Pad
from intrs_edge.convert.qdq_context import Context, Inputs, extents, window
from intrs_edge.convert.values import Activation, Affine, Constant, Pending, Unsupported, Value
from intrs_edge.graph.ir import Quant


def max_pool(ctx: Context, inputs: Inputs) -> list[Value]:
    """MaxPool; the border never wins, whatever the zero point."""
    x = layout.image(ctx.emit, ctx.activation(inputs[0]))
    kernel = _kernel(ctx)
    stride, dilation, pad = window(ctx, kernel, x.shape)
    if dilation != (1, 1) or ctx.outputs > 1:
        raise Unsupported("dilated pools and pools that give indices are not supported")
    return [_pooled(ctx, x, "MAX_POOL_2D", kernel, stride, pad, "NONE")]


def average_pool(ctx: Context, inputs: Inputs) -> list[Value]:
    """AveragePool; without count_include_pad only where TFLite's SAME puts the same border."""
    x = layout.image(ctx.emit, ctx.activation(inputs[0]))
    kernel = _kernel(ctx)
    stride, dilation, pad = window(ctx, kernel, x.shape)
    _, same, _ = Emitter.window(_probe(ctx.emit, x), 0, kernel, stride, dilation, pad, "probe")
    counted = bool(ctx.attrs.get("count_include_pad", 0))
    if any(pad) and counted == (same == "SAME"):
        raise Unsupported("TFLite has no average pool with this padding; put a Pad before it and count_include_pad=1")
    if dilation != (1, 1):
        raise Unsupported("dilated pools are not supported")
    shape = (1, x.shape[1], *extents(x.shape, kernel, stride, dilation, pad))

    def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
        return ctx.requantised(_pooled(ctx, x, "AVERAGE_POOL_2D", kernel, stride, pad, activation), quant)

    return [Pending("AveragePool", ctx.name, shape, finish, fallback=ctx.quant(x))]


def _probe(emit: Emitter, x: Activation) -> Emitter:
    """A scratch emitter that holds x alone, as tensor 0."""
    return Emitter([emit.tensors[x.index]])


def global_average_pool(ctx: Context, inputs: Inputs) -> list[Value]:
    """GlobalAveragePool."""
    return _mean(ctx, layout.image(ctx.emit, ctx.activation(inputs[0])), True)


def reduce_mean(ctx: Context, inputs: Inputs) -> list[Value]:
    """ReduceMean over height and width."""
    x = ctx.activation(inputs[0])
    axes = list(ctx.attrs.get("axes", []))
    if len(inputs) > 1 and isinstance(inputs[1], Constant):
        axes = [int(a) for a in inputs[1].value.reshape(-1)]
    if len(x.shape) != 4 or sorted(a % 4 for a in axes) != [2, 3]:
        raise Unsupported(f"only the mean over height and width is supported, not over axes {axes}")
    return _mean(ctx, layout.image(ctx.emit, x), bool(ctx.attrs.get("keepdims", 1)))


def _mean(ctx: Context, x: Activation, keep: bool) -> list[Value]:
    """AVERAGE_POOL_2D over the plane where the scale stays, else MEAN, which can change it."""
    channels, kernel = x.shape[1], (x.shape[2], x.shape[3])
    shape = (1, channels, 1, 1) if keep else (1, channels)

    def finish(quant: Quant, activation: str, _: Affine | None) -> Activation:
        old = ctx.quant(x)
        if activation != "NONE" or (old.scale[0] == quant.scale[0] and old.zero_point[0] == quant.zero_point[0]):
            y = ctx.requantised(_pooled(ctx, x, "AVERAGE_POOL_2D", kernel, (1, 1), (0, 0, 0, 0), activation), quant)
        else:
            axes = ctx.emit.integers(f"{ctx.name}/axes", [1, 2])
            index = ctx.emit.op("MEAN", (x.index, axes), (1, 1, 1, channels), quant, ctx.name, {"keep_dims": True})
            y = Activation(index, (1, channels, 1, 1), layout.NHWC)
        return layout.reshape(ctx.emit, y, shape, f"{ctx.name}/flat")

    return [Pending("GlobalAveragePool", ctx.name, shape, finish, fallback=ctx.quant(x))]


def _pooled(
    ctx: Context, x: Activation, kind: str, kernel: tuple[int, int], stride: tuple[int, int], pad: Pad, activation: str
) -> Activation:
    index = ctx.emit.pool(kind, x.index, kernel, ctx.name, stride=stride, pad=pad, activation=activation)
    _, h, w, c = ctx.emit.shape(index)
    return Activation(index, (1, c, h, w), layout.NHWC)


def _kernel(ctx: Context) -> tuple[int, int]:
    kernel = ctx.attrs.get("kernel_shape", [])
    if len(kernel) != 2 or min(kernel) < 1 or max(kernel) > 1 << 16:
        raise Unsupported(f"a window of {kernel} is not supported; only 2-D windows are")
    return int(kernel[0]), int(kernel[1])
