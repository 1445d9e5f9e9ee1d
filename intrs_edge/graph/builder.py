# SPDX-License-Identifier: Apache-2.0
"""Builds int8 graphs op by op; values are tensor indices, so that code reads like the network it makes.

    b = GraphBuilder("demo")
    x = b.input((1, 8, 8, 3), scale=1 / 255, zero_point=-128)
    x = b.conv_2d(x, weights, bias, weight_scale=0.01, scale=0.1, activation="RELU")
    graph = b.build(b.fully_connected(x, w, None, weight_scale=0.02, scale=0.2))

Shapes of results are computed here; `validate` is the judge of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.geometry import same_or_valid
from intrs_edge.graph.ir import Attr, Graph, Op, Quant, Tensor

Pair = Union[int, tuple[int, int]]
Scale = Union[float, Sequence[float], npt.NDArray[np.floating[Any]]]


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def quant(scale: Scale, zero_point: int | npt.NDArray[np.integer[Any]] = 0, axis: int = 0) -> Quant:
    """Per-tensor quantisation from a number, per-channel (along ``axis``) from a list of scales."""
    scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
    zeros = np.broadcast_to(np.asarray(zero_point, dtype=np.int64), scales.shape).copy()
    return Quant(scales, zeros, axis if scales.size > 1 else 0)


class GraphBuilder:
    """Collects tensors and ops; every method that makes a value returns its tensor index."""

    def __init__(self, name: str = "model") -> None:
        self.name = name
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    ### values ###

    def tensor(self, tensor: Tensor) -> int:
        """Any tensor."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def input(
        self, shape: Sequence[int], *, scale: float, zero_point: int = 0, dtype: str = "int8", name: str = "input"
    ) -> int:
        """A graph input; shape includes the batch dimension, 1."""
        index = self.tensor(Tensor(name, tuple(shape), dtype, quant(scale, zero_point)))
        self.inputs.append(index)
        return index

    def constant(
        self,
        data: npt.ArrayLike,
        *,
        dtype: str = "int8",
        scale: Scale | None = None,
        zero_point: int = 0,
        axis: int = 0,
        name: str = "",
    ) -> int:
        """A constant; without a scale it has no quantisation (int32 axes, paddings, shapes)."""
        values = np.array(data, dtype=dtype)
        q = None if scale is None else quant(scale, zero_point, axis)
        return self.tensor(Tensor(name or f"const_{len(self.tensors)}", values.shape, dtype, q, values))

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        q: Quant | None,
        attrs: Mapping[str, Attr] | None = None,
        *,
        name: str = "",
        dtype: str = "int8",
    ) -> int:
        """Any operator with one output."""
        title = name or f"{kind.lower()}_{len(self.ops)}"
        output = self.tensor(Tensor(title, tuple(int(n) for n in shape), dtype, q))
        self.ops.append(Op(kind, tuple(inputs), (output,), dict(attrs or {}), title))
        return output

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a value."""
        return self.tensors[index].shape

    def quant_of(self, index: int) -> Quant:
        """The quantisation of a value."""
        q = self.tensors[index].quant
        assert q is not None
        return q

    ### convolutions and matrix products ###

    def _weights(
        self, x: int, weights: npt.ArrayLike, bias: npt.ArrayLike | None, scale: Scale, axis: int, name: str
    ) -> list[int]:
        w = self.constant(weights, scale=scale, axis=axis, name=f"{name}/weights")
        if bias is None:
            return [x, w]
        bias_scale = np.float32(self.quant_of(x).scale[0]) * np.atleast_1d(np.asarray(scale, dtype=np.float32))
        return [x, w, self.constant(bias, dtype="int32", scale=bias_scale, name=f"{name}/bias")]

    def _window(
        self, x: int, filter_: tuple[int, int], stride: Pair, dilation: Pair, padding: str
    ) -> tuple[tuple[int, int], dict[str, Attr]]:
        (sh, sw), (dh, dw) = _pair(stride), _pair(dilation)
        _, h, w, _ = self.shape(x)
        out = (
            same_or_valid(padding, h, filter_[0], sh, dh)[0],
            same_or_valid(padding, w, filter_[1], sw, dw)[0],
        )
        return out, {"padding": padding, "stride_h": sh, "stride_w": sw}

    def conv_2d(
        self,
        x: int,
        weights: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        weight_scale: Scale,
        scale: float,
        zero_point: int = 0,
        stride: Pair = 1,
        dilation: Pair = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """weights int8 ``[out, h, w, in / groups]``, bias int32 ``[out]``; weight_scale: one, or one per output
        channel."""
        title = name or f"conv_2d_{len(self.ops)}"
        if bias is None:
            bias = np.zeros(np.shape(weights)[0])  # TFLite wants one
        inputs = self._weights(x, weights, bias, weight_scale, 0, title)
        out_c, fh, fw, _ = self.shape(inputs[1])
        (h, w), attrs = self._window(x, (fh, fw), stride, dilation, padding)
        dh, dw = _pair(dilation)
        attrs.update(activation=activation, dilation_h=dh, dilation_w=dw)
        return self.op("CONV_2D", inputs, (self.shape(x)[0], h, w, out_c), quant(scale, zero_point), attrs, name=title)

    def depthwise_conv_2d(
        self,
        x: int,
        weights: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        weight_scale: Scale,
        scale: float,
        zero_point: int = 0,
        stride: Pair = 1,
        dilation: Pair = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """weights int8 ``[1, h, w, out]``, bias int32 ``[out]``; out is a multiple of the input's channels."""
        title = name or f"depthwise_conv_2d_{len(self.ops)}"
        inputs = self._weights(x, weights, bias, weight_scale, 3, title)
        _, fh, fw, out_c = self.shape(inputs[1])
        (h, w), attrs = self._window(x, (fh, fw), stride, dilation, padding)
        dh, dw = _pair(dilation)
        attrs.update(
            activation=activation, dilation_h=dh, dilation_w=dw, depth_multiplier=out_c // self.shape(x)[3]
        )  # fmt: skip
        shape = (self.shape(x)[0], h, w, out_c)
        return self.op("DEPTHWISE_CONV_2D", inputs, shape, quant(scale, zero_point), attrs, name=title)

    def fully_connected(
        self,
        x: int,
        weights: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        weight_scale: Scale,
        scale: float,
        zero_point: int = 0,
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """weights int8 ``[out, in]``; x is flattened to rows of ``in`` values."""
        title = name or f"fully_connected_{len(self.ops)}"
        inputs = self._weights(x, weights, bias, weight_scale, 0, title)
        out_n, in_n = self.shape(inputs[1])
        rows = self.tensors[x].elements // in_n
        attrs: dict[str, Attr] = {"activation": activation, "weights_format": "DEFAULT", "keep_num_dims": False}
        return self.op("FULLY_CONNECTED", inputs, (rows, out_n), quant(scale, zero_point), attrs, name=title)

    ### pools ###

    def _pool(
        self, kind: str, x: int, filter_: Pair, stride: Pair | None, padding: str, activation: str, name: str
    ) -> int:
        fh, fw = _pair(filter_)
        (h, w), attrs = self._window(x, (fh, fw), filter_ if stride is None else stride, 1, padding)
        attrs.update(filter_h=fh, filter_w=fw, activation=activation)
        n, _, _, c = self.shape(x)
        return self.op(kind, [x], (n, h, w, c), self.quant_of(x), attrs, name=name)

    def average_pool_2d(
        self,
        x: int,
        filter_: Pair,
        stride: Pair | None = None,
        *,
        padding: str = "VALID",
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """Keeps the quantisation; stride is the filter when not given."""
        return self._pool("AVERAGE_POOL_2D", x, filter_, stride, padding, activation, name)

    def max_pool_2d(
        self,
        x: int,
        filter_: Pair,
        stride: Pair | None = None,
        *,
        padding: str = "VALID",
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """Keeps the quantisation; stride is the filter when not given."""
        return self._pool("MAX_POOL_2D", x, filter_, stride, padding, activation, name)

    ### element by element ###

    def binary(
        self,
        kind: str,
        a: int,
        b: int,
        *,
        scale: float | None = None,
        zero_point: int = 0,
        activation: str = "NONE",
        name: str = "",
    ) -> int:
        """ADD, SUB, MUL (with activation), MAXIMUM, MINIMUM (which keep the quantisation of ``a``)."""
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        q = self.quant_of(a) if scale is None else quant(scale, zero_point)
        attrs: dict[str, Attr] = {} if kind in ("MAXIMUM", "MINIMUM") else {"activation": activation}
        return self.op(kind, [a, b], shape, q, attrs, name=name)

    def add(
        self, a: int, b: int, *, scale: float, zero_point: int = 0, activation: str = "NONE", name: str = ""
    ) -> int:
        """ADD."""
        return self.binary("ADD", a, b, scale=scale, zero_point=zero_point, activation=activation, name=name)

    def unary(
        self,
        kind: str,
        x: int,
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
        attrs: Mapping[str, Attr] | None = None,
    ) -> int:
        """RELU, RELU6, LEAKY_RELU, HARD_SWISH, LOGISTIC, TANH, SOFTMAX, QUANTIZE: the shape stays."""
        q = self.quant_of(x) if scale is None else quant(scale, zero_point)
        return self.op(kind, [x], self.shape(x), q, attrs, name=name)

    ### shapes ###

    def reshape(self, x: int, shape: Sequence[int], *, name: str = "") -> int:
        """RESHAPE; the quantisation stays."""
        extents = tuple(int(n) for n in shape)
        target = self.constant(extents, dtype="int32")
        return self.op("RESHAPE", [x, target], extents, self.quant_of(x), {"new_shape": extents}, name=name)

    def flatten(self, x: int, *, name: str = "") -> int:
        """RESHAPE to ``[batch, everything else]``."""
        batch = self.shape(x)[0]
        return self.reshape(x, (batch, self.tensors[x].elements // batch), name=name)

    def pad(self, x: int, amounts: Sequence[tuple[int, int]], *, name: str = "") -> int:
        """PAD with real zeros: (before, after) of every dimension."""
        table = self.constant(amounts, dtype="int32")
        shape = [n + before + after for n, (before, after) in zip(self.shape(x), amounts, strict=True)]
        return self.op("PAD", [x, table], shape, self.quant_of(x), name=name)

    def concatenation(
        self, parts: Sequence[int], axis: int, *, scale: float | None = None, zero_point: int = 0, name: str = ""
    ) -> int:
        """CONCATENATION; the quantisation is that of the first part unless given."""
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(p)[axis] for p in parts)
        q = self.quant_of(parts[0]) if scale is None else quant(scale, zero_point)
        return self.op("CONCATENATION", parts, shape, q, {"axis": axis, "activation": "NONE"}, name=name)

    def split(self, x: int, axis: int, parts: int, *, name: str = "") -> list[int]:
        """SPLIT into equal parts along an axis."""
        title = name or f"split_{len(self.ops)}"
        shape = list(self.shape(x))
        shape[axis] //= parts
        q = self.quant_of(x)
        outputs = [self.tensor(Tensor(f"{title}:{i}", tuple(shape), "int8", q)) for i in range(parts)]
        where = self.constant(axis, dtype="int32")
        self.ops.append(Op("SPLIT", (where, x), tuple(outputs), {"num_splits": parts}, f"{title}:0"))
        return outputs

    ### the end ###

    def build(self, outputs: int | Sequence[int], metadata: Mapping[str, str] | None = None) -> Graph:
        """The graph."""
        ends = (outputs,) if isinstance(outputs, int) else tuple(outputs)
        return Graph(tuple(self.tensors), tuple(self.ops), tuple(self.inputs), ends, self.name, dict(metadata or {}))
