# SPDX-License-Identifier: Apache-2.0
"""Votes, PREDICT and CERTIFY in numpy: the reference that host, emulator and board equal count for count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.config import Smoothing
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Prediction, Stop, Stream

Labels = npt.NDArray[np.signedinteger[Any]]
# int32 lattice images [K, H, W, C] (pixel plus noise, not clipped) -> classes [K]
Classifier = Callable[[npt.NDArray[np.int32]], Labels]
CHUNK_VALUES = 1 << 22


def noisy_images(
    image: npt.NDArray[np.uint8], stream: Stream, smoothing: Smoothing, first: int, count: int
) -> Iterator[npt.NDArray[np.int32]]:
    """Pixel plus noise of samples first .. first+count-1, int32 ``[K, H, W, C]`` lattice steps, a bounded number at a
    time.
    """
    if image.dtype != np.uint8 or image.shape != smoothing.shape:
        raise IntrsError(f"image {image.dtype}{list(image.shape)} does not fit: give uint8 {list(smoothing.shape)}")
    if first < 0 or count < 0 or first + count > 1 << 32:
        raise IntrsError(f"samples {first} .. {first + count - 1} pass the last sample, 2^32-1: ask for fewer")
    size = max(1, CHUNK_VALUES // smoothing.dimension)
    for start in range(first, first + count, size):
        k = min(size, first + count - start)
        drawn = smoothing.sampler.draw(stream.seed, stream.image, start, k, smoothing.dimension)
        yield drawn.reshape(k, *smoothing.shape).astype(np.int32) + image.astype(np.int32)


def votes(
    classifier: Classifier,
    image: npt.NDArray[np.uint8],
    stream: Stream,
    smoothing: Smoothing,
    first: int,
    count: int,
    classes: int,
) -> npt.NDArray[np.int64]:
    """Votes per class (int64 ``[classes]``) of Monte-Carlo samples first .. first+count-1; ranges add up. Twin of
    ``intrs_votes``.
    """
    total = np.zeros(classes, dtype=np.int64)
    for noisy in noisy_images(image, stream, smoothing, first, count):
        total += np.bincount(classifier(noisy), minlength=classes)
    return total


def predict(
    classifier: Classifier, image: npt.NDArray[np.uint8], stream: Stream, smoothing: Smoothing, classes: int
) -> Prediction:
    """PREDICT on samples 0 .. n-1: the top class, or ABSTAIN when the binomial test at 1/2 cannot tell it from the
    second.
    """
    counted = votes(classifier, image, stream, smoothing, 0, smoothing.n, classes)
    order = np.argsort(-counted, kind="stable")
    top, first = int(order[0]), int(counted[order[0]])
    second = int(counted[order[1]]) if classes > 1 else 0
    label = top if smoothing.predict.decides(first, second) else ABSTAIN
    return Prediction(label, top, (first, second), smoothing.n)


def certify(
    classifier: Classifier,
    image: npt.NDArray[np.uint8],
    stream: Stream,
    smoothing: Smoothing,
    classes: int,
    mode: Mode = Mode.FIXED,
    most: int | None = None,
) -> Certificate:
    """CERTIFY: the class of samples 0 .. n0-1, counted on the samples after those; with n0 = 0 the leader of those.
    Twin of ``intrs_certify``; and of ``intrs_certify_now`` with ``most``, after so many counted samples.

    Raises IntrsError when the mode's plan was not asked for in ``smoothing``.
    """
    plan = smoothing.plan(mode)
    chosen = votes(classifier, image, stream, smoothing, 0, smoothing.n0, classes)
    counted, samples = np.zeros(classes, np.int64), 0
    for index, look in enumerate([k.samples for k in plan.looks] if plan is not None else [smoothing.n]):
        end = look if most is None else min(look, most)
        counted += votes(classifier, image, stream, smoothing, smoothing.n0 + samples, end - samples, classes)
        samples = end
        selected = int(np.argmax(chosen if smoothing.n0 else counted))
        count, other = int(counted[selected]), int(np.delete(counted, selected).max(initial=0))
        if end < look:
            return _certificate(selected, counted, smoothing.proved(mode, end, count, other), Stop.CALLER)
        decision = (
            plan.decide(index, count, other) if plan is not None else (Stop.FULL, smoothing.radius.lookup(count, other))
        )
        if decision is not None:
            stop, squared = decision
            return _certificate(selected, counted, squared, stop)
        if end == most:
            return _certificate(selected, counted, smoothing.proved(mode, end, count, other), Stop.CALLER)
    raise AssertionError("the last look ends every certification")


def _certificate(selected: int, counted: npt.NDArray[np.int64], squared: int, stop: Stop) -> Certificate:
    label = selected if squared else ABSTAIN
    return Certificate(
        label, selected, int(counted[selected]), int(counted.sum()), squared, stop, tuple(counted.tolist())
    )
