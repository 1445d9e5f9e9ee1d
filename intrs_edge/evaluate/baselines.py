# SPDX-License-Identifier: Apache-2.0
"""The floating-point methods of randomized smoothing, to compare with: the same images, samples, alpha and log.

floatrs-fp: an fp32 network under a continuous Gaussian drawn in floating point. floatrs-quant: the same noise, then
quantised, the int8 network on the host engine. Neither carries a proof on a machine (`cohen`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.cohen import Cohen
from intrs_edge.evaluate.float_network import FloatNetwork, Floats
from intrs_edge.graph.ir import Quant
from intrs_edge.graph.preprocessing import input_codes, parse
from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import Codes, ContextMixin, Votes, certify_by_votes
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.tables import TableJudge

Image = npt.NDArray[np.uint8]
# float pixels [N, H, W, C], noise included -> classes [N]
Classifier = Callable[[Floats], npt.NDArray[np.int64]]
_BLOCK = 256  # samples that are drawn together
_BLOCK_VALUES = 1 << 22  # and at most so many values


class FloatSmoothing(TableJudge, ContextMixin):
    """A certifier (`certify_images`) with continuous Gaussian noise in floating point.

    Sample i of image m is a function of (seed, m, i): blocks of samples have generators of their own (PCG64, ziggurat).
    """

    def __init__(self, classifier: Classifier, classes: int, smoothing: Cohen) -> None:
        super().__init__(smoothing)
        self.classifier, self.classes = classifier, classes
        self._size = max(1, min(_BLOCK, _BLOCK_VALUES // smoothing.dimension))
        self._sigma = np.float32(float(Fraction(smoothing.sigma)))
        self._known: tuple[Stream, int, Image, npt.NDArray[np.int64]] | None = None

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """Votes [classes] of samples first .. first+count-1."""
        total, end = np.zeros(self.classes, np.int64), first + count
        while first < end:
            block, start = divmod(first, self._size)
            some = self._answers(image, stream, block)[start : start + end - first]
            total += np.bincount(some, minlength=self.classes)
            first += len(some)
        return total

    def _answers(self, image: Image, stream: Stream, block: int) -> npt.NDArray[np.int64]:
        """The classes of one block's samples; the last block is kept, for looks that end within it."""
        known = self._known
        if known is None or known[:2] != (stream, block) or not np.array_equal(known[2], image):
            rng = np.random.default_rng([stream.seed & 0xFFFFFFFF, stream.seed >> 32, stream.image, block])
            noisy = rng.standard_normal((self._size, *image.shape), np.float32)
            noisy *= self._sigma
            noisy += image.astype(np.float32) / np.float32(255)
            self._known = known = (stream, block, image, self.classifier(noisy))
        return known[3]

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """CERTIFY of Cohen et al. 2019: one-sided, the class chosen on n0 samples and counted on others."""
        if image.dtype != np.uint8 or image.shape != self.smoothing.shape:
            raise IntrsError(f"image is {image.dtype} {list(image.shape)}; uint8 {list(self.smoothing.shape)} is due")
        return certify_by_votes(self, self.smoothing.n0, mode, lambda a, k: self.votes(image, stream, a, k))


class Inferring(Protocol):
    """The part of a target that floatrs-quant needs."""

    def infer(self, inputs: Codes) -> Codes:
        """Logits [K, classes] of inputs [K, H, W, C]."""


def fp_classifier(network: FloatNetwork) -> Classifier:
    """The classes that a float network answers."""
    return lambda pixels: network.logits(pixels).argmax(1)


def quant_classifier(manifest: Manifest, target: Inferring) -> Classifier:
    """The classes that a project's int8 network answers to float pixels, rounded to its input codes (halves to even,
    as ONNX and torch round)."""
    raw = manifest.raw["input"]
    quant = Quant(np.array([raw["scale"]], np.float64), np.array([raw["zero_point"]], np.int64))
    scale, zero_point = input_codes(quant, raw["dtype"])
    said = {k: manifest.raw["reads"][k] for k in ("range", "mean", "std", "channels", "layout")}
    lines = parse(json.dumps(said))[0].affine(manifest.image_shape[2])
    slope, offset = (np.array([float(v / scale) for v in part], np.float32) for part in zip(*lines, strict=True))
    slope, offset, bgr = slope * np.float32(255), offset + np.float32(zero_point), said["channels"] == "BGR"

    def classify(pixels: Floats) -> npt.NDArray[np.int64]:
        ordered = pixels[..., ::-1] if bgr else pixels
        codes = np.clip(np.rint(ordered * slope + offset), -128, 127).astype(np.int8)
        inputs: Codes = codes if raw["dtype"] == "int8" else (codes.astype(np.int16) + 128).astype(np.uint8)
        answers: npt.NDArray[np.int64] = target.infer(inputs).argmax(1)
        return answers

    return classify
