# SPDX-License-Identifier: Apache-2.0
"""What a pixel means to a model, decided: by its file, else by whoever converts or generates, else by its input scale.

Nothing is assumed. What the file says is not overruled without force; a meaning under which pixels reach hardly any of
the input's codes is refused; where nobody says it, the model has no meaning for pixels and only takes codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import PIXEL_MAX, derive_input_map, image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import signed_ends
from intrs_edge.graph.preprocessing import (
    KEY,
    Preprocessing,
    check_fits,
    described,
    numbers,
    parse,
    read_preprocessing,
)
from intrs_edge.graph.words import ASK

# what train makes of the largest noise still reaches 17 codes; a range that is wrong by 255 reaches 3 at most
FEW = 16
HALF = 128
SIGMA_KEY = "intrs.sigma"
_OPTIONS = {"range": "--input-range", "mean": "--mean", "std": "--std", "bgr": "--bgr", "resize": "--resize"}


@dataclass(frozen=True)
class PixelOptions:
    """What the one who converts or generates says; None: nothing. The fields are those of `Preprocessing`.

    force: what the file says is overruled, and a map that reaches few codes is taken.
    """

    range: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bgr: bool | None = None
    resize: str | None = None
    force: bool = False


@dataclass(frozen=True)
class Reading:
    """A graph whose metadata say how it reads pixels (or do not: ``preprocessing.range`` is None), and the codes that
    pixels reach: the lowest, the highest, how many in the channel that reaches least."""

    graph: Graph
    preprocessing: Preprocessing
    codes: tuple[int, int, int] = (0, 0, 0)

    @property
    def known(self) -> bool:
        """Whether it is known what a pixel means."""
        return self.preprocessing.range is not None

    def lines(self) -> list[str]:
        """For people."""
        if not self.known:
            return [f"WARNING  {unknown(self.graph)}"]
        low, high, count = self.codes
        lines = [
            f"reads    the image as {self.preprocessing}: from {self.preprocessing.source}; "
            f"pixels reach {count} of the 256 input codes, {low} .. {high}"
        ]
        if count < HALF and SIGMA_KEY not in self.graph.metadata:
            lines.append(
                "note     less than half of the input codes: right for an input with room for much noise, "
                "wrong for one that was calibrated on clean images"
            )
        return lines

    def as_json(self) -> dict[str, Any] | None:
        """For project.json and --json; None when it is not known."""
        if not self.known:
            return None
        low, high, count = self.codes
        p = self.preprocessing
        return {**p.as_json(), "text": str(p), "source": p.source, "codes": {"low": low, "high": high, "count": count}}


def unknown(graph: Graph) -> str:
    """Why nothing that reads pixels is offered, and the question to answer."""
    quant = graph.tensors[graph.inputs[0]].quant
    scale = "" if quant is None else f" (input scale {quant.scale[0]:.6g}, zero point {int(quant.zero_point[0])})"
    return (
        f"what a pixel means to this model is not known{scale}: infer takes codes as ever, predict and certify are "
        f"refused; say how it was trained with {ASK}"
    )


def resolve(graph: Graph, options: PixelOptions | None = None) -> Reading:
    """The graph with its reading in the metadata. Its input is NHWC (`passes.channels_last`), int8 or uint8.

    Raises IntrsError for malformed metadata, for options that contradict the file or cannot be, and for a map from
    pixels that reaches fewer than `FEW` codes; the latter and contradictions are taken with ``force``.
    """
    options = options or PixelOptions()
    found, said = read_preprocessing(graph)
    p = _merged(found, said, options)
    check_fits(p, _channels(graph), "options" if p != found else "metadata intrs.input")
    if options.resize is not None and len(graph.tensors[graph.inputs[0]].shape) < 3:
        raise IntrsError(f"--resize {options.resize} has no effect on a model that takes a vector: leave it out")
    if p.range is None:
        return Reading(graph, p)
    graph = described(graph, p)
    codes = _codes_reached(graph)
    if codes[2] < FEW and not options.force:
        raise IntrsError(
            f"read as {p} (from {p.source}), all pixels together reach {codes[2]} of the input's 256 codes: that is "
            f"hardly what it was trained on; say it with {ASK}, or --force it"
        )
    return Reading(graph, p, codes)


def declared(metadata: Mapping[str, str], channels: int, options: PixelOptions) -> Preprocessing:
    """The reading of a model without scales, of which only metadata and options can tell: for its calibration."""
    found, said = parse(metadata[KEY]) if KEY in metadata else (Preprocessing(), frozenset[str]())
    p = replace(_merged(found, said, options), layout="NHWC")
    check_fits(p, channels, "options")
    return p


def _channels(graph: Graph) -> int:
    shape = graph.tensors[graph.inputs[0]].shape
    return shape[3] if len(shape) == 4 else 1


def _merged(found: Preprocessing, said: frozenset[str], options: PixelOptions) -> Preprocessing:
    asked = _asked(options)
    for name, value in asked.items():
        if name in said and getattr(found, name) != value and not options.force:
            raise IntrsError(
                f"{_OPTIONS[name]}: {found.source} says otherwise ({found}): leave the option out, convert the model "
                "again with it, or --force it"
            )
    if not asked:
        return found
    p = replace(found, source="the options" if not said else f"{found.source} and the options", **asked)
    if "range" in said or "range" in asked or not {"mean", "std"} & set(asked):
        return p
    # mean and std without a range are those of pixel / 255, as everywhere; numbers that cannot be ask
    if any(not 0 <= m <= 1 for m in p.mean):
        raise IntrsError(f"--mean {float(max(p.mean, key=abs)):g} lies outside 0..1: say of which range with {ASK}")
    return replace(p, range="0..1")


def _asked(options: PixelOptions) -> dict[str, Any]:
    asked: dict[str, Any] = {"range": options.range, "bgr": options.bgr, "resize": options.resize}
    for name in ("mean", "std"):
        values = getattr(options, name)
        try:
            asked[name] = None if values is None else numbers(values)
        except ValueError as error:
            raise IntrsError(f"--{name}: {error}: give one number, or one per channel") from None
    return {name: value for name, value in asked.items() if value is not None}


def _codes_reached(graph: Graph) -> tuple[int, int, int]:
    channels = image_shape(graph)[2]
    pixels = np.repeat(np.arange(PIXEL_MAX + 1)[:, None], channels, axis=1)
    codes = derive_input_map(signed_ends(graph), 0).apply(pixels)
    return int(codes.min()), int(codes.max()), min(len(np.unique(codes[:, c])) for c in range(channels))


def model_sigma(graph: Graph) -> Decimal | None:
    """The noise that a model says it was trained for, in [0,1] pixels; None where it says none, or none at all (0)."""
    text = graph.metadata.get(SIGMA_KEY)
    if text is None:
        return None
    try:
        sigma = Decimal(text.strip()) if len(text) <= 64 else Decimal("nan")
    except InvalidOperation:
        sigma = Decimal("nan")
    if not sigma.is_finite() or (sigma != 0 and not Decimal("1e-9") <= sigma <= 100):
        raise IntrsError(f"metadata {SIGMA_KEY} is not a noise in [0,1] pixels: write it again, such as 0.25")
    return sigma or None
