"""The sampler against its stream contract, its distribution, and a linear classifier that a bad generator fools."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from smoothing_device import compile_runtime

from intrs_edge.children import patient
from intrs_edge.smoothing import DiscreteGaussian, Sampler, Smoothing
from intrs_edge.smoothing.generator import LFSR113, XOSHIRO128PP
from intrs_edge.smoothing.noise import RoundedGaussian


def contract(noise, g, seed, image, sample, dimension):
    """intrs_noise.h's stream contract, one coordinate at a time, in plain integers."""
    state = g.states(seed, image, sample, 1)

    def word():
        return int(g.next(state)[0])

    out, signs, pair = [], 0, 0
    for j in range(dimension):
        if j % 32 == 0:
            signs = word()
        if j % 2 == 0:
            pair = word()
        cell = (pair >> 16) if j % 2 else pair & 0xFFFF
        split = any(limit >> 32 == cell for limit in noise.limits)
        u = (cell << 32) + (word() if split else 0)
        magnitude = next(k for k, limit in enumerate(noise.limits) if limit >= u)
        out.append(-magnitude if signs >> (j % 32) & 1 else magnitude)
    return out


@pytest.mark.parametrize("noise", [DiscreteGaussian("0.5"), DiscreteGaussian("63.75"), RoundedGaussian("255")])
@pytest.mark.parametrize("g", [XOSHIRO128PP, LFSR113], ids=lambda g: g.name)
def test_contract(noise, g):
    for sample, dimension in [(0, 1), (1, 33), (70000, 101)]:
        drawn = Sampler(noise, g).draw(12, 34, sample, 2, dimension)
        assert drawn[0].tolist() == contract(noise, g, 12, 34, sample, dimension)
        assert drawn[1].tolist() == contract(noise, g, 12, 34, sample + 1, dimension)


def chi_square(counts: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    """Standard deviations of chi-square from its mean (Wilson-Hilferty), cells below 10 expected merged into one."""
    small = expected < 10
    counts = np.append(counts[~small], counts[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    statistic, k = ((counts - expected) ** 2 / expected).sum(), len(counts) - 1
    return float(((statistic / k) ** (1 / 3) - (1 - 2 / (9 * k))) / np.sqrt(2 / (9 * k)))


@pytest.mark.parametrize("noise", [DiscreteGaussian("30.6"), RoundedGaussian("2.5")])
def test_distribution(noise):
    drawn = Sampler(noise, XOSHIRO128PP).draw(5, 6, 0, 4000, 256).ravel()
    values = np.arange(-noise.last, noise.last + 1)
    counts = np.array([(drawn == v).sum() for v in values], dtype=float)
    expected = np.array([float(noise.pmf(int(v))) for v in values]) * drawn.size
    assert abs(chi_square(counts, expected)) < 4
    # the check sees a sigma that is 1 % off
    wrong = type(noise)(noise.sigma_steps * 101 / 100)
    expected = np.array([float(wrong.pmf(int(v))) for v in values]) * drawn.size
    assert chi_square(counts, expected) > 6


@dataclass
class GaloisLfsr:
    """A 32-bit Galois LFSR clocked once per word (taps 32, 22, 2, 1): a common shortcut, and what is wrong with it."""

    state: npt.NDArray[np.uint32]

    def next(self) -> npt.NDArray[np.uint32]:
        out = self.state & np.uint32(1)
        self.state = (self.state >> np.uint32(1)) ^ (np.uint32(0x80200003) * out)
        return self.state

    def gaussian(self, sigma: float, dimension: int) -> npt.NDArray[np.float64]:
        """One word a coordinate through the inverse distribution function, [samples, dimension]."""
        inverse = np.array([NormalDist(0, sigma).inv_cdf((k + 0.5) / 4096) for k in range(4096)])
        return np.stack([np.rint(inverse[self.next() >> np.uint32(20)]) for _ in range(dimension)], axis=1)


DIMENSION, SAMPLES, SIGMA = 256, 12000, "63.75"
DIRECTIONS = {
    "all ones": np.ones(DIMENSION),
    "alternating": np.where(np.arange(DIMENSION) % 2, -1.0, 1.0),
}
MARGIN = 1.5  # the class holds while <n, direction> > -1.5 sigma sqrt(d): probability Phi(1.5) = .933


def linear_probability(noise: npt.NDArray[np.float64], direction: npt.NDArray[np.float64]) -> float:
    return float((noise @ direction > -MARGIN * float(SIGMA) * np.sqrt(DIMENSION)).mean())


@pytest.fixture(scope="module")
def ours():
    return Sampler(DiscreteGaussian(SIGMA), XOSHIRO128PP).draw(8, 9, 0, SAMPLES, DIMENSION).astype(np.float64)


@pytest.fixture(scope="module")
def galois():
    seeds = np.random.default_rng(4).integers(1, 2**32, SAMPLES, dtype=np.uint32)
    return GaloisLfsr(seeds).gaussian(float(SIGMA), DIMENSION)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_linear_classifier_sees_its_true_probability(ours, direction):
    truth = NormalDist().cdf(MARGIN)
    error = np.sqrt(truth * (1 - truth) / SAMPLES)
    assert abs(linear_probability(ours, DIRECTIONS[direction]) - truth) < 4 * error


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_galois_lfsr_shows_it_another(galois, direction):
    """Each coordinate alone looks right; the classifier's probability is wrong, and with it every certificate."""
    assert galois.std() == pytest.approx(float(SIGMA), rel=0.02)
    truth = NormalDist().cdf(MARGIN)
    error = np.sqrt(truth * (1 - truth) / SAMPLES)
    assert abs(linear_probability(galois, DIRECTIONS[direction]) - truth) > 20 * error


def test_galois_lfsr_is_correlated_and_ours_is_not(ours, galois):
    def lag_one(x):
        return float((x[:, 1:] * x[:, :-1]).mean() / (x * x).mean())

    alternating = DIRECTIONS["alternating"] / np.sqrt(DIMENSION)
    assert lag_one(galois) > 0.3
    assert (galois @ alternating).std() < 0.6 * float(SIGMA)
    assert abs(lag_one(ours)) < 0.003
    assert (ours @ alternating).std() == pytest.approx(float(SIGMA), rel=0.03)


@pytest.mark.long
@pytest.mark.parametrize(("sigma", "shift"), [("0.055", 0), ("0.25", 2), ("1", 4)])
def test_chi_square_of_1e8_draws_through_the_device_code(tmp_path, sigma, shift):
    """10^8 draws of the C sampler, read back through an int8 input of 2^shift steps a value."""
    smoothing = Smoothing(shape=(100, 100, 1), sigma=sigma, n=1000)
    program = compile_runtime(tmp_path, smoothing, 1, "gcc", [f"-DTOY_SHIFT={shift}"], "study", "smoothing_study.c")
    out = subprocess.run(
        [program, "draws", "1", "0", "10000"], capture_output=True, text=True, check=True, timeout=patient(600)
    )
    rows = np.array([[int(v) for v in line.split()] for line in out.stdout.splitlines()])
    assert rows[:, 1].sum() == 10**8
    noise = smoothing.distribution
    values = np.arange(-noise.last, noise.last + 1)
    chances = np.array([float(noise.pmf(int(v))) for v in values])
    cells = np.clip(values >> shift, -128, 127)
    expected = np.array([chances[cells == q].sum() for q in rows[:, 0]]) * 1e8
    deviation = chi_square(rows[:, 1].astype(float), expected)
    print(f"sigma {sigma}: chi-square of 1e8 draws {deviation:+.2f} standard deviations from its mean")
    assert abs(deviation) < 4
