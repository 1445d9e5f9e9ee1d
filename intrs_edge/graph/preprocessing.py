# SPDX-License-Identifier: Apache-2.0
"""What a pixel means to a model: how the real values that it was trained on come from uint8 pixels.

A model file holds integers and the scale of its input; whether 1.0 is white, or 255 is, no scale says for certain. So
the meaning comes from the file's metadata ``intrs.input``, else from whoever converts or generates, else from an input
scale and zero point that leave one reading; otherwise it is not known, and nothing that reads pixels is offered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph, Quant
from intrs_edge.graph.words import ASK, RANGES, RESIZES

KEY = "intrs.input"

WORDS = {"0..255": "0..255 (pixel)", "0..1": "0..1 (pixel / 255)", "-1..1": "-1..1 (pixel / 127.5 - 1)"}
# how far, in codes, the range that an input's codes can say may end from the range that is read into it: an observer
# that met no more than 254, or scales by 128 for 127.5, misses one; the rounding of the zero point half a one
NEAR = Fraction(3, 2)
_TEXT_LIMIT = 1 << 16
_NUMBER_LIMIT = 1e12
_SHIFTS = 16


@dataclass(frozen=True)
class Preprocessing:
    """Channel c of the model's input is ``(r(pixel) - mean[c]) / std[c]``; r maps 0..255 onto ``range``.

    range: a key of `RANGES`, None when it is not known. mean, std: one, or one per channel in the model's own order.
    bgr: that order is blue, green, red; images are red, green, blue and are turned round before the model meets them.
    layout: of the file's input, "NHWC" or "NCHW"; `passes.channels_last` makes it NHWC. resize: what images of another
    size are brought to the model's by, one of `RESIZES`; None: image files are stretched, anything else is refused.
    source: where this was learned, for people.
    """

    range: str | None = None
    mean: tuple[Fraction, ...] = (Fraction(0),)
    std: tuple[Fraction, ...] = (Fraction(1),)
    bgr: bool = False
    layout: str = "NHWC"
    resize: str | None = None
    source: str = ""

    def affine(self, channels: int) -> list[tuple[Fraction, Fraction]]:
        """(slope, offset) of every channel: real = slope * pixel + offset. IntrsError when the range is not known."""
        if self.range is None:
            raise IntrsError(f"what a pixel means to this model is not known: say how it was trained with {ASK}")
        slope, offset = RANGES[self.range]
        pairs = zip(_spread(self.mean, channels), _spread(self.std, channels), strict=True)
        return [(slope / s, (offset - m) / s) for m, s in pairs]

    def ordered(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """RGB images [..., H, W, C] with their channels in the model's order."""
        return images[..., ::-1] if self.bgr else images

    def as_json(self) -> dict[str, Any]:
        """The value of the metadata ``intrs.input``."""
        said = {
            "range": self.range,
            "mean": [float(m) for m in self.mean],
            "std": [float(s) for s in self.std],
            "channels": "BGR" if self.bgr else "RGB",
            "layout": self.layout,
        }
        return said if self.resize is None else {**said, "resize": self.resize}

    def __str__(self) -> str:
        if self.range is None:
            return "not known"
        words = [WORDS[self.range]]
        if any(self.mean):
            words.append(f"less the mean {_numbers(self.mean)}")
        if any(s != 1 for s in self.std):
            words.append(f"over the deviation {_numbers(self.std)}")
        if self.bgr:
            words.append("channels in the order B, G, R")
        if self.resize:
            words.append(f"other sizes {'stretched' if self.resize == 'stretch' else 'cropped and scaled'}")
        return ", ".join(words)


def _numbers(values: Iterable[Fraction]) -> str:
    return ", ".join(f"{float(v):.6g}" for v in values)


def _spread(values: tuple[Fraction, ...], channels: int) -> tuple[Fraction, ...]:
    return values * channels if len(values) == 1 else values


### metadata ###


def parse(text: str) -> tuple[Preprocessing, frozenset[str]]:
    """The metadata ``intrs.input``, and the fields that it says.

    A file that says mean and std and no range is one of an earlier version, which meant 0..1; a range of null is one
    that is not known. IntrsError where it is malformed.
    """
    try:
        if len(text) > _TEXT_LIMIT:
            raise ValueError
        content = json.loads(text)
        if not isinstance(content, dict) or set(content) - {"range", "mean", "std", "channels", "layout", "resize"}:
            raise ValueError
        if "range" not in content and not {"mean", "std"} <= set(content):
            raise ValueError
        mean, std = (numbers(content.get(key, [default])) for key, default in (("mean", 0), ("std", 1)))
        order, layout = content.get("channels", "RGB"), content.get("layout", "NHWC")
        found = Preprocessing(
            content.get("range", "0..1"), mean, std, order == "BGR", layout, content.get("resize"),
            f"the file's metadata {KEY}",
        )  # fmt: skip
        if (
            found.range not in (None, *RANGES)
            or order not in ("RGB", "BGR")
            or layout not in ("NHWC", "NCHW")
            or found.resize not in (None, *RESIZES)
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise IntrsError(
            f"metadata {KEY} is not "
            '{"range": "0..255" | "0..1" | "-1..1", "mean": [..], "std": [..], "channels": "RGB" | "BGR", ..} '
            "with finite numbers and positive std (docs/convert.md): write it again"
        ) from None
    said = {*content, "range"} - ({"range"} if found.range is None else set())
    return found, frozenset("bgr" if name == "channels" else name for name in said)


def numbers(values: Any) -> tuple[Fraction, ...]:
    """A list of finite numbers as fractions of their shortest decimal form; ValueError for anything else."""
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError("not a list of numbers")
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not abs(v) <= _NUMBER_LIMIT for v in values):
        raise ValueError("not finite numbers")
    return tuple(Fraction(repr(float(v))) for v in values)


def check_fits(p: Preprocessing, channels: int, what: str) -> None:
    """IntrsError unless the numbers are those of an input with ``channels`` channels; what: whose they are."""
    for name, values in (("mean", p.mean), ("std", p.std)):
        if len(values) not in (1, channels):
            raise IntrsError(f"{what}: {len(values)} numbers of {name} for {channels} channels: give one, or one each")
    if min(p.std) <= 0 or min(p.std) * Fraction(_NUMBER_LIMIT) < 1:
        raise IntrsError(f"{what}: std {float(min(p.std)):g} is not a positive number: give standard deviations")
    if p.bgr and channels != 3:
        raise IntrsError(f"{what}: the order B, G, R of {channels} channels: only images of 3 channels have it")


def described(graph: Graph, p: Preprocessing) -> Graph:
    """The graph with its preprocessing in the metadata, which every later reader takes."""
    return replace(graph, metadata={**graph.metadata, KEY: json.dumps(p.as_json())})


### what the scale says ###


def input_codes(quant: Quant, dtype: str) -> tuple[Fraction, int]:
    """Scale and zero point of an input, as int8. 2^k/255 is meant where float32 says it as well as it can."""
    scale, zero_point = np.float32(quant.scale[0]), int(quant.zero_point[0])
    ideal = next((Fraction(2**k, 255) for k in range(_SHIFTS) if np.float32(2**k / 255) == scale), None)
    return ideal or Fraction(float(scale)), zero_point - (128 if dtype == "uint8" else 0)


def _ends(scale: Fraction, zero_point: int, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """How far, in codes, real values from ``low`` to ``high`` reach beyond -128 and 127 (negative: stay within)."""
    return -128 - (zero_point + low / scale), zero_point + high / scale - 127


def range_of_scale(quant: Quant, dtype: str) -> str | None:
    """The range that an input's codes say from end to end, None when they say no one's."""
    scale, zero_point = input_codes(quant, dtype)
    for name, (slope, offset) in RANGES.items():
        if all(abs(end) <= NEAR for end in _ends(scale, zero_point, offset, offset + 255 * slope)):
            return name
    return None


def range_under(quant: Quant, dtype: str, mean: tuple[Fraction, ...], std: tuple[Fraction, ...]) -> str | None:
    """The one range that fits the codes under a normalisation that the file itself computes: a tenth of its values
    saturated at most, half of the codes used at least. None when none does, or two."""
    scale, zero_point = input_codes(quant, dtype)
    first, last = (scale * (q - zero_point) for q in (-128, 127))
    fitting = []
    for name in RANGES:
        lines = Preprocessing(name, mean, std).affine(max(len(mean), len(std)))
        low, high = min(o for _, o in lines), max(255 * s + o for s, o in lines)
        said = min(high, last) - max(low, first)
        if said >= Fraction(9, 10) * (high - low) and said >= 128 * scale:
            fitting.append(name)
    return fitting[0] if len(fitting) == 1 else None


def _trained_here(quant: Quant, dtype: str) -> bool:
    """Whether an input has the scale 2^k/255 and the zero point -(128 >> k) that `train` gives (docs/train.md)."""
    scale, zero_point = input_codes(quant, dtype)
    for k in range(_SHIFTS):
        low, high = (Fraction((q + (128 >> k)) << k, 255) for q in (-128, 127))
        if all(abs(end) <= NEAR for end in _ends(scale, zero_point, low, high)):
            return True
    return False


def read_preprocessing(graph: Graph) -> tuple[Preprocessing, frozenset[str]]:
    """What the file says, or its input's scale; and the fields that the file itself says. ``range`` is None when
    neither says it. IntrsError for malformed metadata."""
    tensor = graph.tensors[graph.inputs[0]]
    quant = tensor.quant
    if quant is None or quant.scale.size != 1 or not 0 < float(quant.scale[0]) < np.inf:
        quant = None
    if KEY in graph.metadata:
        found, said = parse(graph.metadata[KEY])
        channels = 1 if len(tensor.shape) != 4 else tensor.shape[1 if found.layout == "NCHW" else 3]
        check_fits(found, channels, f"metadata {KEY}")
        return found, said
    if quant is not None and "intrs.sigma" in graph.metadata and _trained_here(quant, tensor.dtype):
        # written by this project before it wrote intrs.input: train and convert knew no other range
        p = Preprocessing("0..1", source="the file's metadata intrs.sigma and its input scale, as train writes them")
        return p, frozenset(("range", "mean", "std", "bgr"))
    inferred = range_of_scale(quant, tensor.dtype) if quant is not None else None
    if inferred is None or quant is None:
        return Preprocessing(), frozenset()
    source = f"its input scale {float(quant.scale[0]):.6g} and zero point {int(quant.zero_point[0])}"
    return Preprocessing(inferred, source=source), frozenset()
