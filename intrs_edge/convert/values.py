"""What a name in a QDQ ONNX graph stands for while it is being converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.ir import Quant

Shape = tuple[int, ...]


class Unsupported(Exception):
    """One node cannot be converted; the message says why and what to do. Collected, so that all are listed at once."""


@dataclass(frozen=True)
class Activation:
    """An int8 tensor of the graph under construction, seen as ONNX sees it.

    shape: ONNX's. order: axis i of the stored tensor is axis order[i] of ONNX's view, so that NCHW values lie in
    memory as NHWC and an ONNX Transpose costs nothing. flat: set on a flattened value whose elements lie in another
    order than ONNX's: the shape and order it had before (a following matrix product permutes its weights instead).
    """

    index: int
    shape: Shape
    order: tuple[int, ...]
    flat: tuple[Shape, tuple[int, ...]] | None = None


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
        return Affine(weight.astype(np.int8), self.scale * gain_or_one, self.bias * gain + offset)

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


@dataclass(frozen=True)
class Pending:
    """A real value that waits for its QuantizeLinear, which decides the output's scale.

    finish(quant, activation, affine) adds the op. fallback: a quantisation to use when none follows (ops that only
    move values).
    """

    kind: str
    name: str
    shape: Shape
    finish: Callable[[Quant, str, Affine | None], Activation]
    activation: str = "NONE"
    clip: tuple[float, float] | None = None
    affine: Affine | None = None
    fallback: Quant | None = None


@dataclass(frozen=True)
class Unknown:
    """The output of a node that could not be converted: what depends on it is not reported again."""


Value = Union[Activation, Constant, Pending, Unknown]


def same_quant(a: Quant, b: Quant) -> bool:
    """Whether two per-tensor quantisations are one."""
    return bool(a.scale[0] == b.scale[0] and a.zero_point[0] == b.zero_point[0])
