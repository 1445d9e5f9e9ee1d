# SPDX-License-Identifier: Apache-2.0
"""What every op handler is given, and the geometry of windows that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Union

import numpy as np

from intrs_edge.convert.emit import Emitter, Pad, per_tensor
from intrs_edge.convert.qdq.finish import Finisher
from intrs_edge.convert.qdq.values import Activation, Affine, Constant, Pending, Range, Value
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant
from intrs_edge.integers import ceil_div

Inputs = list[Union[Value, None]]
Handler = Callable[["Context", Inputs], list[Value]]
Move = Callable[["Context", Activation, Inputs], list[Activation]]


@dataclass(frozen=True)
class Context:
    """What a handler needs: the values' finisher and the node's name, attributes, number of outputs and opset."""

    finisher: Finisher
    name: str
    attrs: dict[str, Any]
    outputs: int
    opset: int

    @property
    def emit(self) -> Emitter:
        """The graph under construction."""
        return self.finisher.emit

    def activation(self, value: Value | None) -> Activation:
        """An operand as an int8 tensor; constants that were dequantised count."""
        if isinstance(value, Pending):
            return self.finisher.settle(value)
        if isinstance(value, Activation):
            return value
        if isinstance(value, Constant) and value.lattice is not None:
            lattice = value.lattice
            if lattice.q.dtype != np.int8 or lattice.scale.size != 1:
                raise Unsupported("a constant operand is not int8 per tensor; quantise it so")
            quant = per_tensor(lattice.scale[0], int(lattice.zero_point[0]))
            index = self.emit.constant(f"{self.name}/constant", lattice.q, quant)
            return Activation(index, lattice.q.shape, tuple(range(lattice.q.ndim)))
        raise Unsupported("an operand is a float constant; export a fully quantised (QDQ) model")

    def quant(self, value: Activation) -> Quant:
        """The quantisation of a tensor."""
        return self.emit.quant(value.index)


def moving(move: Move) -> Handler:
    """A handler for an op that rearranges or selects values. It commutes with rounding and saturation, so a value
    that still waits for its scale goes on waiting: it is made at the scale of the QuantizeLinear behind the move."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        x = inputs[0]
        if not isinstance(x, Pending):
            return list(move(ctx, ctx.activation(x), inputs))
        source = x
        probe = Emitter()
        quant = per_tensor(1.0, 0)
        start = Activation(probe.tensor("probe", x.shape, "int8", quant), x.shape, tuple(range(len(x.shape))))
        shapes = [y.shape for y in move(replace(ctx, finisher=Finisher(probe)), start, inputs)]
        made: dict[tuple[float, int, Range], list[Activation]] = {}

        def parts(quant: Quant, clip: Range) -> list[Activation]:
            key = (float(quant.scale[0]), int(quant.zero_point[0]), clip)
            if key not in made:
                made[key] = move(ctx, ctx.finisher.at(source, quant, clip), inputs)
            return made[key]

        return [_moved(source, shape, parts, i) for i, shape in enumerate(shapes)]

    return handler


def _moved(source: Pending, shape: tuple[int, ...], parts: Callable[[Quant, Range], list[Activation]], i: int) -> Value:
    def finish(quant: Quant, clip: Range, _: Affine | None) -> Activation:
        return parts(quant, clip)[i]

    def span(_: Affine | None) -> Range:
        assert source.span is not None
        low, high = source.span(source.affine)
        return max(low, source.clip[0]), min(high, source.clip[1])

    return Pending(
        source.kind, source.name, shape, finish,
        fallback=source.fallback, rounds=source.rounds, span=span if source.span else None, code=source.code,
    )  # fmt: skip


def integers(value: Value | None, what: str) -> list[int]:
    """A constant's integers, flat. Raises Unsupported, ``what`` naming them, for anything else."""
    if not isinstance(value, Constant) or value.value.dtype.kind != "i":
        raise Unsupported(f"its {what} are not constant integers")
    return [int(v) for v in value.value.reshape(-1)]


def axis_of(axis: int, rank: int) -> int:
    """An axis as ONNX names it, counted from the front. Raises Unsupported when there is no such one."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} does not exist in a value of {rank} axes; the file is damaged")
    return axis % rank


def axes_given(ctx: Context, inputs: Inputs, default: list[int] | None = None) -> list[int]:
    """Axes as an input, or as the attribute that they were until opset 13."""
    if len(inputs) > 1 and inputs[1] is not None:
        return integers(inputs[1], "axes")
    axes = ctx.attrs.get("axes", default)
    if axes is None:
        raise Unsupported("its axes are not constant integers")
    return [int(a) for a in axes]


class Window(NamedTuple):
    """A window on [1, C, H, W]. pad: top, bottom, left, right; more: what ceil_mode adds at the bottom and right, which
    counts as padding and in no mean."""

    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: Pad
    more: tuple[int, int]

    @property
    def padded(self) -> Pad:
        """All padding."""
        top, bottom, left, right = self.pad
        return top, bottom + self.more[0], left, right + self.more[1]


def window(ctx: Context, kernel: tuple[int, int], shape: tuple[int, ...]) -> Window:
    """The window that a node's attributes say; those of one axis are of a signal, an image of height 1."""
    stride, dilation = (_pair(ctx, key, 1) for key in ("strides", "dilations"))
    pads = [int(p) for p in ctx.attrs.get("pads", [0, 0, 0, 0])]
    pads = [0, pads[0], 0, pads[1]] if len(pads) == 2 else pads
    mode = ctx.attrs.get("auto_pad", "NOTSET")
    if len(pads) != 4:
        raise Unsupported("only 1-D and 2-D windows are supported")
    if min(*stride, *dilation) < 1 or min(pads) < 0 or max(*stride, *dilation, *pads) > 1 << 16:
        raise Unsupported("its strides, dilations or pads are out of range; the file is damaged")
    if "kernel_shape" in ctx.attrs and _pair(ctx, "kernel_shape", 1) != kernel:
        raise Unsupported("kernel_shape differs from the weights; the file is damaged")
    if mode not in ("SAME_UPPER", "SAME_LOWER", "NOTSET", "VALID", ""):
        raise Unsupported(f"auto_pad {mode!r} is unknown")
    more = [0, 0]
    for i in range(2):
        effective = (kernel[i] - 1) * dilation[i] + 1
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            total = max(0, (ceil_div(shape[2 + i], stride[i]) - 1) * stride[i] + effective - shape[2 + i])
            pads[i] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            pads[i + 2] = total - pads[i]
        elif mode == "VALID":
            pads[i] = pads[i + 2] = 0
        over = shape[2 + i] + pads[i] + pads[i + 2] - effective
        if ctx.attrs.get("ceil_mode", 0) and over >= 0:
            last = ceil_div(over, stride[i]) * stride[i]
            if last >= shape[2 + i] + pads[i]:  # a window that would begin behind the image does not exist
                last -= stride[i]
            more[i] = max(0, last - over)
    found = Window(stride, dilation, (pads[0], pads[2], pads[1], pads[3]), (more[0], more[1]))
    extents(shape, kernel, found)
    return found


def _pair(ctx: Context, key: str, default: int) -> tuple[int, int]:
    """An attribute of one number an axis, of two axes or one."""
    values = ctx.attrs.get(key, [default, default])
    if len(values) not in (1, 2):
        raise Unsupported("only 1-D and 2-D windows are supported")
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def kernel_of(ctx: Context) -> tuple[int, int]:
    """The window of a pool."""
    kernel = _pair(ctx, "kernel_shape", 0)
    if min(kernel) < 1 or max(kernel) > 1 << 16:
        raise Unsupported(f"a window of {list(kernel)} is not supported; only 1-D and 2-D windows are")
    return kernel


def extents(shape: tuple[int, ...], kernel: tuple[int, int], w: Window) -> tuple[int, int]:
    """Output (H, W) of a window on [1, C, H, W]; Unsupported when it is larger than the padded image."""
    out = []
    pads = (sum(w.padded[:2]), sum(w.padded[2:]))
    for extent, k, s, d, total in zip(shape[2:], kernel, w.stride, w.dilation, pads, strict=True):
        out.append((extent + total - (k - 1) * d - 1) // s + 1)
    if min(out) < 1:
        raise Unsupported(f"an image of {shape[2]}x{shape[3]} is too small for its window")
    return out[0], out[1]
