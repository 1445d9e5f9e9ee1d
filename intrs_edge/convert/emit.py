# SPDX-License-Identifier: Apache-2.0
"""Appends int8 ops to a graph under construction: what the ways into the IR have in common. NHWC, batch 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.geometry import same_or_valid
from intrs_edge.graph.ir import Attr, Graph, Op, Quant, Tensor
from intrs_edge.integers import ceil_div

Pad = tuple[int, int, int, int]  # top, bottom, left, right
NO_PAD: Pad = (0, 0, 0, 0)


def per_tensor(scale: float | np.float32, zero_point: int) -> Quant:
    """A per-tensor quantisation."""
    return Quant(np.array([scale], np.float32), np.array([zero_point], np.int64))


@dataclass
class Emitter:
    """Tensors and ops so far; every method that adds an op gives the index of its output tensor."""

    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quant: Quant | None = None,
        data: npt.NDArray[np.generic] | None = None,
    ) -> int:
        """A new tensor under ``name``, or ``name`` and a number when it is taken."""
        unique, n = name, 1
        while unique in self.names:
            n += 1
            unique = f"{name}_{n}"
        self.names.add(unique)
        self.tensors.append(Tensor(unique, tuple(int(s) for s in shape), dtype, quant, data))
        return len(self.tensors) - 1

    def constant(self, name: str, data: npt.NDArray[np.generic], quant: Quant | None = None) -> int:
        """A constant tensor."""
        return self.tensor(name, data.shape, data.dtype.name, quant, np.asarray(data, order="C"))

    def integers(self, name: str, values: Sequence[int] | Sequence[Sequence[int]]) -> int:
        """An int32 constant: shapes, axes, paddings."""
        return self.constant(name, np.array(values, np.int32))

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        quant: Quant | None,
        name: str,
        attrs: Mapping[str, Attr] | None = None,
    ) -> int:
        """An op with one int8 output of ``shape``."""
        out = self.tensor(name, shape, "int8", quant)
        self.ops.append(Op(kind, tuple(inputs), (out,), dict(attrs or {}), name))
        return out

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor, batch first."""
        return self.tensors[tensor].shape

    def quant(self, tensor: int) -> Quant:
        """The quantisation of an int8 tensor."""
        quant = self.tensors[tensor].quant
        assert quant is not None
        return quant

    def pad(self, x: int, before: Sequence[int], after: Sequence[int], name: str, q: int | None = None) -> int:
        """PAD with the zero point, or PADV2 with the int8 value q where that is another one; one pair for every
        axis."""
        shape = [s + b + a for s, b, a in zip(self.shape(x), before, after, strict=True)]
        inputs = [x, self.integers(f"{name}/paddings", [list(p) for p in zip(before, after, strict=True)])]
        if q is None or q == int(self.quant(x).zero_point[0]):
            return self.op("PAD", inputs, shape, self.quant(x), name)
        inputs.append(self.constant(f"{name}/value", np.array([q], np.int8), self.quant(x)))
        return self.op("PADV2", inputs, shape, self.quant(x), name)

    def window(
        self,
        x: int,
        filter_hw: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        pad: Pad,
        name: str,
        q: int | None = None,
    ) -> tuple[int, str, tuple[int, int]]:
        """Realises a padding: as TFLite's SAME where that means the same zeros, else PAD and VALID. -> input,
        padding, output (H, W)."""
        _, h, w, _ = self.shape(x)
        out_h, *pad_h = same_or_valid("SAME", h, filter_hw[0], stride[0], dilation[0])
        out_w, *pad_w = same_or_valid("SAME", w, filter_hw[1], stride[1], dilation[1])
        if pad != NO_PAD and (*pad_h, *pad_w) == pad:
            return x, "SAME", (out_h, out_w)
        if pad != NO_PAD:
            x = self.pad(x, (0, pad[0], pad[2], 0), (0, pad[1], pad[3], 0), f"{name}/pad", q)
            _, h, w, _ = self.shape(x)
        out_h = same_or_valid("VALID", h, filter_hw[0], stride[0], dilation[0])[0]
        out_w = same_or_valid("VALID", w, filter_hw[1], stride[1], dilation[1])[0]
        return x, "VALID", (out_h, out_w)

    def conv(
        self,
        x: int,
        weight: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.int32] | None,
        quant: Quant,
        name: str,
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        pad: Pad = NO_PAD,
        depthwise: bool = False,
        activation: str = "NONE",
    ) -> int:
        """CONV_2D with weights OHWI (grouped when I is a divisor of the input's channels), or DEPTHWISE_CONV_2D with
        O11-style weights [O, h, w, 1], O a multiple of the input's channels. scale: [O] or [1], symmetric.
        """
        channels = weight.shape[0]
        filter_hw = (weight.shape[1], weight.shape[2])
        x_scale, in_channels = self.quant(x).scale[0], self.shape(x)[3]
        source, padding, (out_h, out_w) = self.window(x, filter_hw, stride, dilation, pad, name)
        attrs: dict[str, Attr] = {
            "padding": padding, "stride_h": stride[0], "stride_w": stride[1],
            "dilation_h": dilation[0], "dilation_w": dilation[1], "activation": activation,
        }  # fmt: skip
        axis = 0
        if depthwise:
            weight, axis = np.ascontiguousarray(weight.transpose(3, 1, 2, 0)), 3
            attrs["depth_multiplier"] = channels // in_channels
        inputs = [source, *self._weights(name, weight, scale, bias, x_scale, channels, axis)]
        return self.op(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, (1, out_h, out_w, channels), quant, name, attrs
        )

    def transpose_conv(
        self,
        x: int,
        weight: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.int32] | None,
        quant: Quant,
        name: str,
        *,
        stride: tuple[int, int],
        crop: tuple[int, int],
        size: tuple[int, int],
        activation: str = "NONE",
    ) -> int:
        """TRANSPOSE_CONV with weights OHWI, giving ``size`` (H, W) from the position ``crop`` of the whole result on.

        TFLite crops at the beginning only what its SAME does; any other crop is a slice of a VALID one.
        """
        channels, kernel = weight.shape[0], weight.shape[1:3]
        begins = tuple(same_or_valid("SAME", out, k, s, 1)[1] for out, k, s in zip(size, kernel, stride, strict=True))
        sliced = crop not in (begins, (0, 0))
        padding = "SAME" if crop == begins != (0, 0) else "VALID"
        whole = (1, size[0] + crop[0], size[1] + crop[1], channels) if sliced else (1, *size, channels)
        attrs: dict[str, Attr] = {
            "padding": padding, "stride_h": stride[0], "stride_w": stride[1], "activation": activation,
        }  # fmt: skip
        weights = self._weights(name, weight, scale, bias, self.quant(x).scale[0], channels, 0)
        inputs = (self.integers(f"{name}/shape", list(whole)), weights[0], x, weights[1])
        y = self.op("TRANSPOSE_CONV", inputs, whole, quant, name, attrs)
        if not sliced:
            return y
        return self.strided_slice(y, (0, *crop, 0), whole, (1, 1, 1, 1), f"{name}/crop")

    def fully_connected(
        self,
        x: int,
        weight: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.int32] | None,
        quant: Quant,
        name: str,
        activation: str = "NONE",
    ) -> int:
        """FULLY_CONNECTED on [rows, I] with weights [O, I], per tensor; per-channel weights become a 1x1 CONV_2D
        between reshapes.

        TFLite runtimes disagree on a per-channel FULLY_CONNECTED; they agree on the convolution (docs/contract.md).
        """
        rows = self.shape(x)[0]
        if scale.size > 1:
            image = self.reshape(x, (1, 1, rows, weight.shape[1]), f"{name}/image")
            y = self.conv(image, weight[:, None, None, :], scale, bias, quant, name, activation=activation)
            return self.reshape(y, (rows, weight.shape[0]), f"{name}/vector")
        inputs = [x, *self._weights(name, weight, scale, bias, self.quant(x).scale[0], len(weight), 0)]
        attrs: dict[str, Attr] = {"activation": activation, "keep_num_dims": False, "weights_format": "DEFAULT"}
        return self.op("FULLY_CONNECTED", inputs, (rows, len(weight)), quant, name, attrs)

    def _weights(
        self,
        name: str,
        weight: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.int32] | None,
        x_scale: np.float32,
        channels: int,
        axis: int,
    ) -> tuple[int, int]:
        zero = np.zeros(scale.size, np.int64)
        w = self.constant(f"{name}/weight", weight, Quant(scale.astype(np.float32), zero, axis))
        if bias is None:
            bias = np.zeros(channels, np.int32)
        unit = (np.float32(x_scale) * scale.astype(np.float32)).astype(np.float32)
        return w, self.constant(f"{name}/bias", bias.astype(np.int32), Quant(unit, zero, 0))

    def add(self, a: int, b: int, quant: Quant, name: str, activation: str = "NONE", kind: str = "ADD") -> int:
        """ADD, SUB or MUL of two tensors (numpy broadcasting)."""
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.op(kind, (a, b), shape, quant, name, {"activation": activation})

    def pool(
        self,
        kind: str,
        x: int,
        filter_hw: tuple[int, int],
        name: str,
        *,
        stride: tuple[int, int] = (1, 1),
        pad: Pad = NO_PAD,
        activation: str = "NONE",
    ) -> int:
        """AVERAGE_POOL_2D or MAX_POOL_2D; the output keeps the input's quantisation."""
        border = -128 if kind == "MAX_POOL_2D" else None
        x, padding, (out_h, out_w) = self.window(x, filter_hw, stride, (1, 1), pad, name, border)
        attrs: dict[str, Attr] = {
            "padding": padding, "stride_h": stride[0], "stride_w": stride[1],
            "filter_h": filter_hw[0], "filter_w": filter_hw[1], "activation": activation,
        }  # fmt: skip
        return self.op(kind, (x,), (1, out_h, out_w, self.shape(x)[3]), self.quant(x), name, attrs)

    def reshape(self, x: int, shape: tuple[int, ...], name: str) -> int:
        """RESHAPE, or nothing when the shape is that already."""
        if self.shape(x) == shape:
            return x
        data = self.tensors[x].data
        if data is not None:
            return self.constant(name, data.reshape(shape), self.quant(x))
        new = self.integers(f"{name}/shape", list(shape))
        return self.op("RESHAPE", (x, new), shape, self.quant(x), name, {"new_shape": shape})

    def strided_slice(self, x: int, begin: Sequence[int], end: Sequence[int], stride: Sequence[int], name: str) -> int:
        """STRIDED_SLICE with one begin, end and positive stride for every axis."""
        shape = [ceil_div(e - b, s) for b, e, s in zip(begin, end, stride, strict=True)]
        inputs = [x] + [
            self.integers(f"{name}/{what}", list(v)) for what, v in (("begin", begin), ("end", end), ("stride", stride))
        ]
        masks: dict[str, Attr] = dict.fromkeys(
            ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0
        )
        return self.op("STRIDED_SLICE", inputs, shape, self.quant(x), name, masks)

    def graph(self, inputs: Sequence[int], outputs: Sequence[int], name: str, metadata: Mapping[str, str]) -> Graph:
        """The finished graph."""
        return Graph(tuple(self.tensors), tuple(self.ops), tuple(inputs), tuple(outputs), name, dict(metadata))
