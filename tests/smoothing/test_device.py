"""The C runtime equals the numpy reference: states, noise, votes, predictions, certificates."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from smoothing_device import CLASSES, _Stream, toy_classifier

from intrs_edge.smoothing import Smoothing, Stream, certify, predict, votes

SMALL = Smoothing(shape=(7, 5, 3), sigma="0.25", n0=20, n=200)
IMAGE = np.random.default_rng(0).integers(0, 256, SMALL.shape, dtype=np.uint8)


@pytest.mark.parametrize("rng", ["xoshiro128++", "lfsr113"])
def test_seek_lands_on_the_same_state(build, rng):
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.12", n=20, rng=rng)
    device = build(smoothing)
    for seed, image, sample in [(0, 0, 0), (1, 2, 3), (2**64 - 1, 2**32 - 1, 2**32 - 1), (77, 9999, 100099)]:
        state = (ctypes.c_uint32 * 4)()
        stream = _Stream(seed, image)
        device.lib.toy_seek(ctypes.byref(stream), ctypes.c_uint32(sample), state)
        assert list(state) == smoothing.generator.states(seed, image, sample, 1)[:, 0].tolist()


@pytest.mark.parametrize(
    ("sigma", "noise", "rng", "shape", "batch"),
    [
        ("0.25", "discrete", "xoshiro128++", (7, 5, 3), 1),
        ("0.25", "rounded", "xoshiro128++", (8, 8, 1), 4),
        ("1.0", "discrete", "lfsr113", (7, 5, 3), 8),
        ("0.002", "discrete", "xoshiro128++", (1, 1, 1), 3),
        ("2", "discrete", "xoshiro128++", (9, 11, 3), 1),
    ],
)
def test_votes_equal_the_reference(build, sigma, noise, rng, shape, batch):
    smoothing = Smoothing(shape=shape, sigma=sigma, noise=noise, rng=rng, n0=20, n=400)
    device = build(smoothing, batch)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    for first, count in [(0, 200), (199, 1), (5, 0), (2**32 - 30, 30)]:
        stream = Stream(seed=0x0123456789ABCDEF, image=41)
        status, counted = device.votes(image, stream, first, count)
        assert status == 0
        assert counted.tolist() == votes(toy_classifier, image, stream, smoothing, first, count, CLASSES).tolist()


def test_ranges_add_up(build):
    device = build(SMALL, batch=4)
    stream = Stream(3, 5)
    whole = device.votes(IMAGE, stream, 0, 200)[1]
    parts = sum(device.votes(IMAGE, stream, first, count)[1] for first, count in [(150, 50), (0, 33), (33, 117)])
    assert whole.tolist() == parts.tolist()
    assert len(set(whole.tolist())) > 1


@pytest.mark.parametrize("image_number", range(4))
def test_predict_and_certify_equal_the_reference(build, image_number):
    device = build(SMALL)
    rng = np.random.default_rng(image_number)
    image = rng.integers(0, 256, SMALL.shape, dtype=np.uint8)
    stream = Stream(11, image_number)
    assert device.predict(image, stream) == predict(toy_classifier, image, stream, SMALL, CLASSES)
    status, certificate = device.certify(image, stream)
    assert status == 0
    assert certificate == certify(toy_classifier, image, stream, SMALL, CLASSES)
