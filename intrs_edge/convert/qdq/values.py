# SPDX-License-Identifier: Apache-2.0
"""What a name in a QDQ ONNX graph stands for while it is being converted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant

Shape = tuple[int, ...]
Range = tuple[float, float]  # of real values, either end infinite where there is none
NO_CLIP: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class Activation:
    """An int8 tensor of the graph under construction, seen as ONNX sees it.

    shape: ONNX's. order: axis i of the stored tensor is axis order[i] of ONNX's view, so that NCHW values lie in
    memory as NHWC and an ONNX Transpose costs nothing. flat: set on a flattened value whose elements lie in another
    order than ONNX's: the shape and order it had before (a following matrix product permutes its weights instead).
    code: the file's integer type while the name stands for the integers themselves (between Q and DQ), else "" for
    the real values.
    """

    index: int
    shape: Shape
    order: tuple[int, ...]
    flat: tuple[Shape, tuple[int, ...]] | None = None
    code: str = ""


@dataclass(frozen=True)
class Lattice:
    """Integers of a constant: real = scale * (q - zero_point). int8 or int32; scale [1] or one per index of
    ``axis``."""

    q: npt.NDArray[Any]
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int


@dataclass(frozen=True)
class Constant:
    """A constant; ``lattice`` when it came out of a DequantizeLinear."""

    value: npt.NDArray[Any]
    lattice: Lattice | None = None


@dataclass(frozen=True)
class Affine:
    """Weights and bias of a convolution or matrix product, output channel first. scale [O] or [1]; bias real, [O].

    bias_q: the file's own int32 bias, when it is in units of input scale times weight scale.
    """

    weight: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    bias_q: npt.NDArray[np.int32] | None = None

    def scaled(self, gain: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Affine:
        """gain * y + offset per channel: exact, because the gain goes into the channel's scale and its sign into the
        weights."""
        weight = self.weight.astype(np.int16) * np.sign(gain).astype(np.int16).reshape(
            -1, *[1] * (self.weight.ndim - 1)
        )
        if weight.max(initial=0) > 127:
            raise Unsupported("a negative batch-norm factor meets a weight of -128; quantise weights to -127..127")
        gain_or_one = np.where(gain == 0, 1.0, np.abs(gain))
        scale = self.scale * (gain_or_one[:1] if np.all(gain_or_one == gain_or_one[:1]) else gain_or_one)
        return Affine(weight.astype(np.int8), scale, self.bias * gain + offset)

    def fitted(self, input_scale: np.float32) -> Affine:
        """The same function with a bias that fits int32: a channel whose weights are next to nothing beside its bias
        (a dead batch norm) gets a coarser weight scale, at which the bias is below 2^30 units."""
        if self.bias_q is not None:
            return self
        scale = np.broadcast_to(self.scale, self.bias.shape)
        unit = np.float64(input_scale) * scale
        factor = np.maximum(1.0, np.abs(self.bias) / unit / 2.0**30)
        if np.all(factor == 1):
            return self
        shape = (-1, *[1] * (self.weight.ndim - 1))
        return Affine(np.rint(self.weight / factor.reshape(shape)).astype(np.int8), scale * factor, self.bias)

    def bias_int32(self, input_scale: np.float32) -> npt.NDArray[np.int32]:
        """The bias in units of input scale times weight scale, [O]."""
        if self.bias_q is not None:
            return self.bias_q
        q = np.rint(self.bias / (np.float64(input_scale) * self.scale))
        if not np.all(np.abs(q) < 2**31):
            raise Unsupported(
                "its bias does not fit int32 at the scale of its weights; quantise the weights with a wider range"
            )
        return q.astype(np.int32)


Finish = Callable[[Quant, Range, Union[Affine, None]], Activation]


@dataclass(frozen=True)
class Pending:
    """A real value that waits for its QuantizeLinear, which decides the output's scale.

    finish(quant, clip, affine) adds the op; saturating at ``clip`` before or after the rounding is the same. affine:
    weights into which what follows per channel of axis ``axis`` can be folded. fallback: a quantisation that loses
    nothing when no QuantizeLinear follows; ``rounds`` when it does lose something, which is then said. span: bounds
    of the real value for given weights. code: as in `Activation`, for an integer input.
    """

    kind: str
    name: str
    shape: Shape
    finish: Finish
    clip: Range = NO_CLIP
    affine: Affine | None = None
    axis: int = 1
    fallback: Quant | None = None
    rounds: bool = False
    span: Callable[[Union[Affine, None]], Range] | None = None
    code: str = ""


@dataclass(frozen=True)
class Unknown:
    """The output of a node that could not be converted: what depends on it is not reported again."""


Value = Union[Activation, Constant, Pending, Unknown]


def same_quant(a: Quant, b: Quant) -> bool:
    """Whether two per-tensor quantisations are one."""
    return bool(a.scale[0] == b.scale[0] and a.zero_point[0] == b.zero_point[0])


def clipped(first: Range, then: Range) -> Range:
    """One clip that does what two in a row do."""
    low, high = then
    return min(max(first[0], low), high), min(max(first[1], low), high)


def code_of(real: float, quant: Quant) -> int:
    """ONNX's QuantizeLinear of one number, saturated to int8."""
    with np.errstate(over="ignore"):
        q = float(np.rint(np.float32(real) / np.float32(quant.scale[0])))
    return int(max(-128.0, min(127.0, q + int(quant.zero_point[0]))))
