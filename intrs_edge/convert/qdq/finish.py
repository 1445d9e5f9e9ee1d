# SPDX-License-Identifier: Apache-2.0
"""What becomes of a real value that waits for its scale: rounded once, at the QuantizeLinear behind it, and nowhere
else without a word."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import Emitter, per_tensor
from intrs_edge.convert.qdq.values import (
    NO_CLIP,
    Activation,
    Affine,
    Constant,
    Finish,
    Pending,
    Range,
    Value,
    clipped,
    code_of,
    same_quant,
)
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Quant

ACTIVATIONS = {"RELU": (0.0, math.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
_KINDS = {clip: kind for kind, clip in ACTIVATIONS.items()}
_KEEPING = ("RESHAPE", "TRANSPOSE", "STRIDED_SLICE", "MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D", "QUANTIZE")


@dataclass
class Finisher:
    """Gives values their scale. ``notes``: roundings that the file does not have, a line each."""

    emit: Emitter
    notes: list[str] = field(default_factory=list)
    _done: dict[tuple[int, float, int, Range], tuple[Finish, Activation]] = field(default_factory=dict)

    def at(self, value: Value | None, quant: Quant, clip: Range = NO_CLIP) -> Activation:
        """Any operand, clipped, as an int8 tensor of this quantisation: one rounding of its real value."""
        if isinstance(value, Pending):
            limits = clipped(value.clip, clip)
            key = (id(value.finish), float(quant.scale[0]), int(quant.zero_point[0]), limits)
            if key not in self._done:  # the key's object is kept, so that its identity stays its own
                self._done[key] = value.finish, value.finish(quant, limits, value.affine)
            return self._done[key][1]
        if isinstance(value, Constant):
            real = np.clip(value.value.astype(np.float32), *clip)
            if not np.all(np.isfinite(real)):
                raise Unsupported("a constant operand is not finite; the file is damaged")
            scale, zero = np.float32(quant.scale[0]), int(quant.zero_point[0])
            q = np.clip(np.rint(real / scale) + zero, -128, 127).astype(np.int8)
            return Activation(self.emit.constant("constant", q, quant), q.shape, tuple(range(q.ndim)))
        if isinstance(value, Activation):
            return clamp(self.emit, self.requantised(value, quant), clip)
        raise Unsupported("an operand is missing")

    def requantised(self, value: Activation, quant: Quant) -> Activation:
        """The value at another scale, by QUANTIZE; itself when the scale is the same."""
        old = self.emit.quant(value.index)
        if same_quant(old, quant):
            return value
        key = (-1 - value.index, float(quant.scale[0]), int(quant.zero_point[0]), NO_CLIP)
        if key not in self._done:
            name, shape = f"{self.emit.tensors[value.index].name}/requantise", self.emit.shape(value.index)
            index = self.emit.op("QUANTIZE", (value.index,), shape, quant, name)
            self._done[key] = _no_finish, replace(value, index=index)
        return replace(value, index=self._done[key][1].index)

    def note(self, line: str) -> None:
        """Says a rounding, once."""
        if line not in self.notes:
            self.notes.append(line)

    def settle(self, value: Pending) -> Activation:
        """A pending value that no QuantizeLinear follows."""
        if value.fallback is None:
            raise Unsupported(
                f"the result of {value.kind} {value.name!r} is not quantised; put a QuantizeLinear behind it"
            )
        if value.rounds:
            self.note(f"the result of {value.kind} {value.name!r} is not quantised: it is rounded at its input's scale")
        return self.at(value, value.fallback)

    def head(self, value: Pending) -> Activation:
        """Logits without a QuantizeLinear: at the finest scale at which no input can saturate them."""
        if value.fallback is not None or value.span is None:
            return self.settle(value)
        low, high = value.span(value.affine)
        y, scale = self._between(value, low, high)
        self.note(
            f"the logits of {value.kind} {value.name!r} are not quantised: they get the scale {scale:.4g}, at which no "
            "input saturates them; a QuantizeLinear with a measured scale behind it keeps more of their differences"
        )
        return y

    def term(self, value: Pending, low: float, high: float) -> Activation:
        """A term without a QuantizeLinear of a sum that saturates when the term lies outside low .. high: the one
        place where such a value is rounded at a scale of our own, and said."""
        if value.span is not None:
            least, most = value.span(value.affine)
            low, high = max(low, least), min(high, most)
        y, scale = self._between(value, low, high)
        self.note(
            f"the result of {value.kind} {value.name!r} is not quantised before it is added: it is rounded at the "
            f"scale {scale:.4g}, which saturates nothing that the sum would not"
        )
        return y

    def _between(self, value: Pending, low: float, high: float) -> tuple[Activation, np.float32]:
        """(the value at the finest scale whose 256 steps hold low .. high and zero, that scale)."""
        low, high = (min(max(x, value.clip[0]), value.clip[1]) for x in (min(low, 0.0), max(high, 0.0)))
        if not 0 < high - low < math.inf:
            raise Unsupported(f"the result of {value.kind} {value.name!r} has no range; put a QuantizeLinear behind it")
        scale = np.float32((high - low) / 255)
        quant = per_tensor(scale, int(max(-128, min(127, round(-128 - low / float(scale))))))
        return self.at(value, quant), scale


def _no_finish(quant: Quant, clip: Range, affine: Affine | None) -> Activation:
    raise AssertionError("never called: it only fills the place of one")


def fusing(emit: Emitter, make: Callable[[Quant, str, Affine | None], Activation]) -> Finish:
    """A `Pending.finish` from an op that takes a fused activation; any other clip becomes ops behind it."""

    def finish(quant: Quant, clip: Range, affine: Affine | None) -> Activation:
        kind = _KINDS.get(clip)
        y = make(quant, kind or "NONE", affine)
        return y if kind else clamp(emit, y, clip)

    return finish


def plain(emit: Emitter, make: Callable[[Quant], Activation]) -> Finish:
    """A `Pending.finish` from an op that fuses nothing."""
    return lambda quant, clip, _: clamp(emit, make(quant), clip)


def clamp(emit: Emitter, value: Activation, clip: Range) -> Activation:
    """The int8 tensor saturated where its QuantizeLinear would round the limits to; nothing where int8 does it."""
    quant = emit.quant(value.index)
    kind = _KINDS.get(clip)
    low, high = code_of(clip[0], quant), code_of(clip[1], quant)
    if (low, high) == (-128, 127):
        return value
    if kind is not None:
        name = f"{emit.tensors[value.index].name}/{kind.lower()}"
        return replace(value, index=emit.op(kind, (value.index,), emit.shape(value.index), quant, name))
    return clamp_codes(emit, value, low, high)


def clamp_codes(emit: Emitter, value: Activation, low: int, high: int) -> Activation:
    """MAXIMUM and MINIMUM with int8 constants, where they do anything."""
    index, quant = value.index, emit.quant(value.index)
    shape = emit.shape(index)
    for kind, limit, idle in (("MAXIMUM", low, -128), ("MINIMUM", high, 127)):
        if limit != idle:
            name = f"{emit.tensors[index].name}/{kind.lower()}"
            code: npt.NDArray[np.int8] = np.full([1] * len(shape), limit, np.int8)
            index = emit.op(kind, (index, emit.constant(f"{name}/limit", code, quant)), shape, quant, name)
    return replace(value, index=index)


def reach(emit: Emitter, index: int) -> Range:
    """Bounds of a tensor's real values: of its int8 range, and of what made it where that says more."""
    makers = {op.outputs[0]: op for op in emit.ops}
    low, high, slack = -math.inf, math.inf, 0.0
    while True:
        quant = emit.quant(index)
        scale, zero = float(quant.scale[0]), int(quant.zero_point[0])
        op = makers.get(index)
        kind = "" if op is None else op.kind
        within = (
            NO_CLIP if op is None else ACTIVATIONS.get(kind, ACTIVATIONS.get(str(op.attrs.get("activation")), NO_CLIP))
        )
        low = max(low, scale * (-128 - zero) - slack, within[0] - slack)
        high = min(high, scale * (127 - zero) + slack, within[1] + slack)
        if op is None or kind not in _KEEPING:
            return low, high
        slack += scale  # a requantised value may be rounded beyond what it came from
        index = op.inputs[0]
