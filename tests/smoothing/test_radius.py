"""Radii against the exact Neyman-Pearson worst case, published certificates, and the three readings that are not
sound.
"""

from __future__ import annotations

import csv
import itertools
import math
import os
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import DiscreteGaussian, certified_radius, certified_radius_squared, lower_confidence_bound
from intrs_edge.smoothing.binomial import fraction_to_scale, smallest_count
from intrs_edge.smoothing.claims import Claims
from intrs_edge.smoothing.noise import RoundedGaussian
from intrs_edge.smoothing.radius import PaperRule, SoundRule, level_counts, next_level, radius_table

NORMAL = NormalDist()
ALPHA = Fraction(1, 1000)

# --- the exact worst case


def dot_distribution(s: float, delta: tuple[int, ...], noise=DiscreteGaussian) -> tuple[np.ndarray, np.ndarray]:
    """Values and probabilities of T = <n, delta>, n of independent N_Z(0, s^2): exact up to a tail of 1e-14."""
    reach = math.ceil(9 * s)
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-(steps**2) / (2 * s * s))
    weights /= weights.sum()
    size = reach * sum(abs(c) for c in delta)
    total = np.zeros(2 * size + 1)
    total[size] = 1
    for c in delta:
        if c:
            spread = np.zeros(2 * size + 1)
            for step, weight in zip(steps, weights, strict=True):
                shift = c * int(step)
                source = slice(max(0, -shift), len(total) - max(0, shift))
                target = slice(max(0, shift), len(total) - max(0, -shift))
                spread[target] += weight * total[source]
            total = spread
    return np.arange(-size, size + 1), total


def worst_case(s: float, delta: tuple[int, ...], p_a: float, p_b: float | None = None) -> tuple[float, float]:
    """The least probability of A and the greatest of B at x + delta, over all classifiers with these at x.

    The likelihood ratio of noise n at x + delta against x rises with T = <n, delta>: A is given the least of it, B the
    most.
    """
    values, chances = dot_distribution(s, delta)
    squared = sum(c * c for c in delta)
    # log of P(n - delta) / P(n); the shifted probabilities of the same points
    shifted = chances * np.exp((2 * values - squared) / (2 * s * s))

    def fill(order: np.ndarray, budget: float) -> float:
        before = np.concatenate([[0.0], np.cumsum(chances[order])[:-1]])
        share = np.clip((budget - before) / np.maximum(chances[order], 1e-300), 0, 1)
        return float((share * shifted[order]).sum())

    ascending = np.arange(len(values))
    return fill(ascending, p_a), fill(ascending[::-1], 1 - p_a if p_b is None else p_b)


def unsafe(s: float, delta: tuple[int, ...], p_a: float, p_b: float | None = None) -> bool:
    """Whether some classifier with these probabilities changes its answer at delta."""
    a, b = worst_case(s, delta, p_a, p_b)
    return a <= b + 1e-12


def integer_vectors(d: int, largest: int):
    """Every delta of d coordinates with 0 < |delta|^2 <= largest, up to order and sign."""
    reach = math.isqrt(largest)
    for delta in itertools.combinations_with_replacement(range(reach + 1), d):
        if 0 < sum(c * c for c in delta) <= largest:
            yield delta


@pytest.mark.parametrize("s", [0.5, 1, 2, 4])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_delta_in_the_ball_is_safe(d, s):
    """At the least p_A that certifies |delta|^2, the worst classifier answers A, for every delta up to 3 sigma."""
    rule = SoundRule(Fraction(s))
    largest = math.ceil((3 * s) ** 2)
    tested = 0
    for delta in integer_vectors(d, largest):
        p_a = rule.needed(sum(c * c for c in delta)) / 2**256
        assert not unsafe(s, delta, p_a), (delta, p_a)
        tested += 1
    assert tested >= math.isqrt(largest)


@pytest.mark.parametrize("s", [0.5, 1, 2, 4])
@pytest.mark.parametrize("d", [5, 12, 40])
def test_dense_directions_are_safe(d, s):
    """delta of all ones and of mixed small entries in more dimensions."""
    rule = SoundRule(Fraction(s))
    rng = np.random.default_rng(d)
    for delta in [(1,) * d, *(tuple(rng.integers(-1, 2, d).tolist()) for _ in range(3)), (*(1,) * (d - 1), 2)]:
        squared = sum(c * c for c in delta)
        if 0 < squared <= (3.2 * s) ** 2:
            assert not unsafe(s, delta, rule.needed(squared) / 2**256), delta


@pytest.mark.parametrize("s", [0.5, 1, 2, 4])
def test_the_condition_is_not_idle(s):
    """Half a sigma beyond the certified radius there is an unsafe delta: the check can see one."""
    for p_a in (0.7, 0.95):
        radius = s * NORMAL.inv_cdf(p_a)
        assert unsafe(s, (math.ceil(radius + s / 2),), p_a)


def test_mid_tail_formula():
    """The condition of theorem 1 in its short form, p_A > P(T < D) + P(T = D)/2, is the Neyman-Pearson worst case."""
    for s, delta in [(1, (1, 2)), (2, (3, 1, 1)), (0.5, (1,))]:
        values, chances = dot_distribution(s, delta)
        squared = sum(c * c for c in delta)
        edge = chances[values < squared].sum() + chances[values == squared].sum() / 2
        assert not unsafe(s, delta, edge + 1e-9)
        assert unsafe(s, delta, edge - 1e-9)
        assert edge < NORMAL.cdf(math.sqrt(squared) / s)


# --- the three readings that are not sound: docs/certificate.md, section 1


def test_quantile_of_the_1d_distribution_is_caught():
    p_a = 0.99544
    claimed = PaperRule(DiscreteGaussian(1))
    assert claimed.needed(9) / 2**256 < p_a  # claims R = 3
    assert unsafe(1, (2, 2), p_a)  # |delta| = 2.83
    assert not unsafe(1, (2, 2), 0.99685)


def test_scaled_quantile_of_the_unit_distribution_is_caught():
    unit = DiscreteGaussian(1)
    k = next(k for k in range(9) if unit.cdf(k) >= 0.70)
    assert k == 1  # claims R = 1.0 s
    assert unsafe(4, (4,), 0.70)
    truth = NORMAL.inv_cdf(0.70)
    assert truth == pytest.approx(0.524, abs=1e-3)
    assert not unsafe(4, (2,), 0.70)


def test_two_sided_radius_is_caught():
    unit = DiscreteGaussian(1)
    p_a, p_b = float(unit.cdf(0)), 1 - float(unit.cdf(1))  # A is n <= 0, B is n >= 2
    assert (p_a, p_b) == pytest.approx((0.6994711, 0.0585581), abs=1e-7)
    claimed = (NORMAL.inv_cdf(p_a) - NORMAL.inv_cdf(p_b)) / 2
    assert claimed == pytest.approx(1.045, abs=1e-3)
    assert unsafe(1, (1,), p_a, p_b)
    a, b = worst_case(1, (1,), p_a, p_b)
    assert a == pytest.approx(b, abs=1e-6)  # a tie


# --- tables


@pytest.mark.parametrize(
    ("sigma", "first", "most"),
    [("63.75", 556, 24_659), ("30.6", 563, 5_681), ("127.5", 553, 98_637), ("255", 551, 394_549)],
)
def test_thousand_samples(sigma, first, most):
    table = radius_table(1000, ALPHA, SoundRule(Fraction(sigma)))
    assert (table.first, table.values[-1]) == (first, most)
    assert list(table.values) == sorted(table.values)
    assert not table.compact
    assert 4 * len(table.values) <= 1800
    assert table.lookup(first - 1) == 0


def test_the_floor_is_exact():
    """Each entry against floor(R^2) in 50 digits with an independent inverse normal."""
    sigma = Fraction("63.75")
    table = radius_table(1000, ALPHA, SoundRule(sigma))
    for count in range(table.first, 1001, 37):
        bound = lower_confidence_bound(count, 1000, ALPHA)
        with mpmath.workdps(50):
            radius = mpmath.mpf("63.75") * mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(bound) - 1)
        assert table.lookup(count) == int(radius**2)


@pytest.fixture(scope="module")
def compact():
    return radius_table(
        100_000, ALPHA, SoundRule(Fraction("63.75"), DiscreteGaussian("63.75").vector_total_variation(3072))
    )


def test_compact_table_is_small_and_never_optimistic(compact):
    assert compact.compact
    assert 4 * len(compact.values) <= 1800
    tv = DiscreteGaussian("63.75").vector_total_variation(3072)
    for count in [*range(51_115, 51_140), 60_000, 75_123, 90_000, 99_000, *range(99_980, 100_001)]:
        exact = certified_radius_squared(count, 100_000, ALPHA, "63.75", tv)
        found = compact.lookup(count)
        assert found <= exact
        assert math.sqrt(found) >= 0.99 * math.sqrt(exact), count
    assert compact.lookup(50_000) == 0


def test_levels():
    level, levels = 1, []
    while level < 10**6:
        levels.append(level)
        assert level < next_level(level) <= level * 1.02 or next_level(level) == level + 1
        level = next_level(level)
    assert levels[:100] == list(range(1, 101))


def test_level_counts_are_minimal():
    rule = SoundRule(Fraction(8))
    counts = level_counts(Claims(200, ALPHA, rule))
    level = 1
    for count in counts:
        assert (
            certified_radius_squared(count, 200, ALPHA, 8) >= level > certified_radius_squared(count - 1, 200, ALPHA, 8)
        )
        level = next_level(level)
    assert certified_radius_squared(200, 200, ALPHA, 8) < level


@given(
    count=st.integers(0, 500),
    sigma=st.sampled_from(["0.5", "8", "63.75", "512"]),
    alpha=st.sampled_from(["0.001", "0.05"]),
    tv=st.sampled_from(["0", "1e-6", "0.01"]),
)
@settings(max_examples=60, deadline=None)
def test_monotone_and_never_above_the_real_radius(count, sigma, alpha, tv):
    found = certified_radius_squared(count, 500, alpha, sigma, tv)
    real = certified_radius(count, 500, alpha, sigma, tv)
    assert found <= real**2 * (1 + 1e-14)
    assert (found + 1) > real**2 * (1 - 1e-14)
    if count < 500:
        assert found <= certified_radius_squared(count + 1, 500, alpha, sigma, tv)
    assert certified_radius_squared(count, 500, alpha, sigma, "0.02") <= found


def test_sampler_error_is_charged():
    """A sampler with total variation D from the ideal may show p_A up to D too high, and hide as much at x + delta."""
    assert certified_radius_squared(900, 1000, ALPHA, "63.75", "0.01") < certified_radius_squared(
        900, 1000, ALPHA, "63.75"
    )
    assert certified_radius_squared(1000, 1000, ALPHA, "63.75", "0.3") == 0
    bound = lower_confidence_bound(900, 1000, ALPHA)
    assert certified_radius(900, 1000, ALPHA, "63.75", "0.01") == pytest.approx(
        63.75 * NORMAL.inv_cdf(bound - 0.02), rel=1e-9
    )


def test_units():
    """Lattice steps squared against [0,1] pixels."""
    steps = certified_radius_squared(990, 1000, ALPHA, "63.75")
    assert math.sqrt(steps) / 255 == pytest.approx(certified_radius(990, 1000, ALPHA, "0.25"), abs=1e-4)


def test_paper_table_is_the_quantile():
    """inf{k: F(k) >= p_A} at every count, larger than the sound radius somewhere."""
    noise = DiscreteGaussian("2")
    table = radius_table(400, ALPHA, PaperRule(noise))
    sound = radius_table(400, ALPHA, SoundRule(Fraction(2)))
    larger = 0
    for count in range(200, 401):
        bound = lower_confidence_bound(count, 400, ALPHA)
        k = next(k for k in range(17) if noise.cdf(k) >= bound)
        assert table.lookup(count) == (k * k if bound > 0.5 else 0)
        larger += table.lookup(count) > sound.lookup(count)
    assert larger > 50


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1001, 1000, 0.001, 63.75), "count of 1001"),
        ((1, 1000, 0.7, 63.75), "alpha"),
        ((1, 1000, 0.001, 0), "not positive"),
        ((1, 1000, 0.001, 1, 2), "total variation"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(IntrsError, match=words):
        certified_radius_squared(*arguments)
    with pytest.raises(IntrsError, match=words):
        certified_radius(*arguments)


def test_rounded_noise_claims_the_continuous_radius():
    """Post-processing: the rule depends on sigma alone; only D differs."""
    assert RoundedGaussian("63.75").vector_total_variation(3072) < Fraction(1, 10**8)


# --- published certificates (Cohen et al. 2019's ResNet-110, N = 100 000, alpha = .001)

PUBLISHED = {
    "0.25": ["0.377", "0.465", "0.587", "0.953", "0.905", "0.0103", "0.123", "0.7"],
    "1.00": ["0.923", "1.38", "3.81", "0.0174", "2.46", "0.5"],
}


def in_table(radius: str, sigma: str, alpha: Fraction = ALPHA) -> bool:
    """Whether some count of 100 000 gives this radius as printed by "{:.3}".format."""
    r = Fraction(radius)
    digits = 3 - math.floor(math.log10(float(r))) - 1
    half = Fraction(1, 2) / Fraction(10) ** digits
    if r.numerator == 1 or r == 1:  # below a power of ten the printed digits are ten times as fine
        half /= 10
    with mpmath.workdps(40):
        low = (r - half) / Fraction(sigma)
        needed = mpmath.ncdf(mpmath.mpf(low.numerator) / low.denominator)
        count = smallest_count(
            100_000, fraction_to_scale(Fraction(int(mpmath.floor(needed * 2**200)), 2**200), up=True), alpha
        )
    # the first count at the lower edge may itself print as the value below
    return any(
        c <= 100_000 and f"{certified_radius(c, 100_000, alpha, sigma):.3}" == f"{float(r):.3}"
        for c in (count, count + 1)
    )


@pytest.mark.parametrize(("sigma", "radius"), [(s, r) for s, rows in PUBLISHED.items() for r in rows])
def test_published_radii(sigma, radius):
    assert in_table(radius, sigma)


def test_a_radius_of_another_alpha_is_not_in_the_table():
    """The largest radius pins N and alpha: with alpha .01 it would print as another number."""
    most = certified_radius(100_000, 100_000, "0.01", "0.25")
    assert f"{most:.3}" not in PUBLISHED["0.25"]
    assert not in_table(f"{most:.3}", "0.25")


def test_radii_between_counts_are_not_in_the_table():
    assert not in_table("0.952", "0.25")
    assert not in_table("0.904", "0.25")


@pytest.mark.parametrize("sigma", ["0.25", "1.00"])
def test_every_published_radius(sigma):
    """All 10 000 rows; INTRS_EDGE_STUDY_DATA names a folder with radii/cohen_resnet110_sigma_*.tsv."""
    folder = os.environ.get("INTRS_EDGE_STUDY_DATA")
    path = Path(folder or ".") / "radii" / f"cohen_resnet110_sigma_{sigma}.tsv"
    if folder is None or not path.is_file():
        pytest.skip("set INTRS_EDGE_STUDY_DATA to the folder that holds radii/ to check all published rows")
    with path.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if int(row["predict"]) >= 0]
    assert len(rows) > 5000
    missing = sorted({row["radius"] for row in rows if not in_table_cached(row["radius"], sigma)})
    assert not missing


_known: dict[tuple[str, str], bool] = {}


def in_table_cached(radius: str, sigma: str) -> bool:
    key = (radius, sigma)
    if key not in _known:
        _known[key] = in_table(radius, sigma)
    return _known[key]
