"""What every op handler is given, and the geometry of windows that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np

from intrs_edge.convert.emit import Emitter, Pad, per_tensor
from intrs_edge.convert.values import Activation, Constant, Pending, Unsupported, Value
from intrs_edge.graph.ir import Quant

Inputs = list[Union[Value, None]]
Handler = Callable[["Context", Inputs], list[Value]]


@dataclass(frozen=True)
class Context:
    """What a handler needs: the graph under construction, the node's name, attributes and number of outputs."""

    emit: Emitter
    name: str
    attrs: dict[str, Any]
    outputs: int
    settle: Callable[[Pending], Activation]

    def activation(self, value: Value | None) -> Activation:
        """An operand as an int8 tensor; constants that were dequantised count."""
        if isinstance(value, Pending):
            return self.settle(value)
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

    def requantised(self, value: Activation, quant: Quant) -> Activation:
        """The value at another scale, by QUANTIZE; itself when the scale is the same."""
        old = self.quant(value)
        if old.scale[0] == quant.scale[0] and old.zero_point[0] == quant.zero_point[0]:
            return value
        index = self.emit.op("QUANTIZE", (value.index,), self.emit.shape(value.index), quant, f"{self.name}/requantise")
        return replace(value, index=index)


def window(
    ctx: Context, kernel: tuple[int, int], shape: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int], Pad]:
    """Stride, dilation and padding (top, bottom, left, right) of a 2-D window on [1, C, H, W]."""
    stride, dilation = ctx.attrs.get("strides", [1, 1]), ctx.attrs.get("dilations", [1, 1])
    pads, mode = ctx.attrs.get("pads", [0, 0, 0, 0]), ctx.attrs.get("auto_pad", "NOTSET")
    if len(stride) != 2 or len(dilation) != 2 or len(pads) != 4:
        raise Unsupported("only 2-D windows are supported")
    if min(*stride, *dilation) < 1 or min(pads) < 0 or max(*stride, *dilation, *pads) > 1 << 16:
        raise Unsupported("its strides, dilations or pads are out of range; the file is damaged")
    if tuple(ctx.attrs.get("kernel_shape", kernel)) != kernel:
        raise Unsupported("kernel_shape differs from the weights; the file is damaged")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = [0, 0, 0, 0]
        for i in range(2):
            effective = (kernel[i] - 1) * dilation[i] + 1
            total = max(0, (-(-shape[2 + i] // stride[i]) - 1) * stride[i] + effective - shape[2 + i])
            pads[i] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            pads[i + 2] = total - pads[i]
    elif mode not in ("NOTSET", "VALID", ""):
        raise Unsupported(f"auto_pad {mode!r} is unknown")
    pad = (0, 0, 0, 0) if mode == "VALID" else (pads[0], pads[2], pads[1], pads[3])
    if ctx.attrs.get("ceil_mode", 0):
        for extent, k, s, d, total in zip(
            shape[2:], kernel, stride, dilation, (sum(pad[:2]), sum(pad[2:])), strict=True
        ):
            if (extent + total - (k - 1) * d - 1) % s:
                raise Unsupported("ceil_mode adds a partial window; pad explicitly instead")
    extents(shape, kernel, (stride[0], stride[1]), (dilation[0], dilation[1]), pad)
    return (int(stride[0]), int(stride[1])), (int(dilation[0]), int(dilation[1])), pad


def extents(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pad: Pad
) -> tuple[int, int]:
    """Output (H, W) of a window on [1, C, H, W]; Unsupported when it is larger than the padded image."""
    out = []
    for extent, k, s, d, total in zip(shape[2:], kernel, stride, dilation, (sum(pad[:2]), sum(pad[2:])), strict=True):
        out.append((extent + total - (k - 1) * d - 1) // s + 1)
    if min(out) < 1:
        raise Unsupported(f"an image of {shape[2]}x{shape[3]} is too small for its window")
    return out[0], out[1]
