"""The numpy reference: the algorithm of Cohen et al. 2019 on the stream of samples that the design fixes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import (
    ABSTAIN,
    Certificate,
    Mode,
    Smoothing,
    Stop,
    Stream,
    certified_radius_squared,
    certify,
    predict,
    reference,
    votes,
)

SMOOTHING = Smoothing(shape=(3, 3, 1), sigma="0.25", n0=50, n=500)
IMAGE = np.full((3, 3, 1), 128, dtype=np.uint8)
STREAM = Stream(seed=4, image=2)


class Recorder:
    """Answers by a rule and keeps what it was shown."""

    def __init__(self, rule):
        self.rule, self.seen = rule, []

    def __call__(self, noisy):
        assert noisy.dtype == np.int32
        self.seen.append(noisy.copy())
        return self.rule(noisy)


def always(label):
    return lambda noisy: np.full(len(noisy), label)


def brightness(noisy):
    return (noisy.sum(axis=(1, 2, 3)) > 9 * 120).astype(np.int64)


def test_noise_is_added_before_any_clipping():
    seen = Recorder(always(0))
    votes(seen, np.zeros((3, 3, 1), dtype=np.uint8), STREAM, SMOOTHING, 0, 200, 2)
    assert np.concatenate(seen.seen).min() < -100
    seen = Recorder(always(0))
    votes(seen, np.full((3, 3, 1), 255, dtype=np.uint8), STREAM, SMOOTHING, 0, 200, 2)
    assert np.concatenate(seen.seen).max() > 355


def test_ranges_add_up_and_chunks_do_not_matter(monkeypatch):
    whole = votes(brightness, IMAGE, STREAM, SMOOTHING, 0, 300, 3)
    monkeypatch.setattr(reference, "CHUNK_VALUES", 7 * 9)
    parts = votes(brightness, IMAGE, STREAM, SMOOTHING, 100, 200, 3) + votes(
        brightness, IMAGE, STREAM, SMOOTHING, 0, 100, 3
    )
    assert whole.tolist() == parts.tolist()
    assert whole.sum() == 300
    assert 0 < whole[0] < whole[1]


def test_selection_and_estimation_use_different_samples():
    """N0 samples choose, N others count (docs/certificate.md, section 4: reusing them breaks alpha)."""
    seen = Recorder(brightness)
    certify(seen, IMAGE, STREAM, SMOOTHING, 3)
    shown = np.concatenate(seen.seen).reshape(-1, 9)
    assert len(shown) == SMOOTHING.n0 + SMOOTHING.n
    assert len(np.unique(shown, axis=0)) == len(shown)


def test_certificate_of_a_constant_classifier():
    found = certify(always(2), IMAGE, STREAM, SMOOTHING, 3)
    squared = certified_radius_squared(500, 500, "0.001", "63.75", SMOOTHING.total_variation)
    assert found == Certificate(2, 2, 500, 500, squared, Stop.FULL, (0, 0, 500))
    assert predict(always(2), IMAGE, STREAM, SMOOTHING, 3).label == 2


def test_a_close_call_abstains():
    half = Recorder(lambda noisy: (noisy[:, 0, 0, 0] > 128).astype(np.int64))
    found = certify(half, IMAGE, STREAM, SMOOTHING, 2)
    assert (found.label, found.radius_squared) == (ABSTAIN, 0)
    assert predict(half, IMAGE, STREAM, SMOOTHING, 2).label == ABSTAIN


def test_ties_go_to_the_lowest_class():
    def alternate(noisy):
        return np.arange(len(noisy)) % 2 + 1

    even = dataclasses.replace(SMOOTHING, n0=10, n=100)
    assert certify(alternate, IMAGE, STREAM, even, 4).selected == 1
    found = predict(alternate, IMAGE, STREAM, even, 4)
    assert (found.top, found.votes, found.samples) == (1, (50, 50), 100)


def test_one_class_alone():
    found = predict(always(0), IMAGE, STREAM, SMOOTHING, 1)
    assert (found.label, found.votes) == (0, (500, 0))


def test_another_seed_or_image_is_another_noise():
    seen = [Recorder(always(0)) for _ in range(3)]
    for recorder, stream in zip(seen, [STREAM, Stream(5, 2), Stream(4, 3)], strict=True):
        votes(recorder, IMAGE, stream, SMOOTHING, 0, 50, 1)
    first, second, third = (np.concatenate(r.seen) for r in seen)
    assert not (first == second).all()
    assert not (first == third).all()
    assert abs(np.corrcoef(first.ravel(), third.ravel())[0, 1]) < 0.2


@pytest.mark.parametrize(("mode", "field"), [(Mode.TARGET, "target_radius"), (Mode.PRECISION, "precision")])
def test_sequential_modes_stop_early_and_claim_no_more(mode, field):
    smoothing = dataclasses.replace(SMOOTHING, n=2000, **{field: "0.25"})
    found = certify(always(1), IMAGE, STREAM, smoothing, 2, mode)
    full = certify(always(1), IMAGE, STREAM, smoothing, 2)
    assert found.stop == Stop.ACCEPT
    assert found.samples < 1000
    assert 0 < found.radius_squared <= full.radius_squared
    far = certify(lambda noisy: (noisy[:, 0, 0, 0] > 130).astype(np.int64), IMAGE, STREAM, smoothing, 2, mode)
    assert (far.label, far.stop) == (ABSTAIN, Stop.REJECT)


@pytest.mark.parametrize(
    "image", [np.zeros((3, 3), np.uint8), np.zeros((3, 3, 1), np.int8), np.zeros((4, 3, 1), np.uint8)]
)
def test_images_that_do_not_fit(image):
    with pytest.raises(IntrsError, match=r"give uint8 \[3, 3, 1\]"):
        votes(always(0), image, STREAM, SMOOTHING, 0, 1, 1)
