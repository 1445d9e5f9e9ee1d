"""Noise in torch: sample for sample that of the numpy sampler, whose twin the firmware is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra gpu is not installed")

from intrs_edge.gpu.noise import NoiseSource  # noqa: E402 - needs torch
from intrs_edge.smoothing import Smoothing, Stream  # noqa: E402

CASES = [((8, 8, 1), "0.25"), ((5, 7, 1), "2.0"), ((3, 3, 3), "0.002"), ((1, 1, 1), "1"), ((32, 32, 3), "0.5")]
RANGES = [(Stream(3, 0), 0, 20), (Stream(2**64 - 1, 2**32 - 1), 2**32 - 20, 19), (Stream(5, 77), 12345, 1)]


def source(smoothing: Smoothing) -> NoiseSource:
    return NoiseSource(smoothing.sampler, smoothing.dimension, torch.device("cpu"))


def drawn(smoothing: Smoothing, stream: Stream, first: int, count: int):
    return smoothing.sampler.draw(stream.seed, stream.image, first, count, smoothing.dimension)


@pytest.mark.parametrize("rng", ["xoshiro128++", "lfsr113"])
@pytest.mark.parametrize(("shape", "sigma"), CASES)
def test_noise_is_that_of_the_sampler(rng, shape, sigma):
    smoothing = Smoothing(shape=shape, sigma=sigma, rng=rng)
    noise = source(smoothing)
    for stream, first, count in RANGES:
        np.testing.assert_array_equal(noise.draw(stream, first, count).numpy(), drawn(smoothing, stream, first, count))


def test_more_split_cells_than_words_were_drawn_for_draw_more():
    smoothing = Smoothing(shape=(16, 16, 1), sigma="2.0")
    noise = source(smoothing)
    asked = []
    noise.words = 1
    words = noise.streams.words
    noise.streams.words = lambda states, count: asked.append(count) or words(states, count)
    found = noise.draw(Stream(1, 2), 0, 9).numpy()
    np.testing.assert_array_equal(found, drawn(smoothing, Stream(1, 2), 0, 9))
    assert asked == sorted(set(asked))  # each time more
    assert len(asked) > 1


@pytest.mark.parametrize("fault", ["_first", "_limits", "_split"])
def test_a_fault_in_a_table_is_seen(fault):
    smoothing = Smoothing(shape=(16, 16, 1), sigma="1.0")
    noise = source(smoothing)
    setattr(noise, fault, getattr(noise, fault) * 0)
    assert (noise.draw(Stream(1, 2), 0, 20).numpy() != drawn(smoothing, Stream(1, 2), 0, 20)).any()
