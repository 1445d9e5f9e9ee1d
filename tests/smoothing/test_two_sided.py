"""The two-sided radius: against the exact worst case of discrete noise, over every outcome of small votes, in C."""

from __future__ import annotations

import ctypes
import itertools
import math
from fractions import Fraction
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
from smoothing_device import CLASSES, toy_classifier
from test_radius import integer_vectors, unsafe

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Certificate, Mode, Smoothing, Stop, Stream, certify
from intrs_edge.smoothing.binomial import tail_at_most
from intrs_edge.smoothing.twosided import LEADER_SHARE, ROUNDING, ROUNDING_TV, UNIT, BoundRule, two_sided_table

NORMAL = NormalDist()
ALPHA = Fraction(1, 1000)


def radius_of(s: float, rounding: float, p_a: float, p_b: float) -> float:
    return math.sqrt(s * s - rounding) / 2 * (NORMAL.inv_cdf(p_a) - NORMAL.inv_cdf(p_b))


# --- theorem 6: discrete noise


@pytest.mark.parametrize("s", [3, 4, 6])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_corrected_radius_is_safe(d, s):
    """Every delta strictly within the claim, for pairs of probabilities all over the triangle p_B < p_A <= 1 - p_B."""
    tested = 0
    for p_a, p_b in [(0.99, 0.004), (0.9, 0.02), (0.7, 0.05), (0.6, 0.3), (0.4, 0.1), (0.2, 0.05), (0.1, 0.02)]:
        radius = radius_of(s, float(ROUNDING), p_a, p_b)
        largest = min(math.ceil(radius**2) - 1, 200)
        for delta in integer_vectors(d, largest):
            if sum(c * c for c in delta) > 0.7 * largest:  # the others are easier
                assert not unsafe(s, delta, p_a, p_b), (delta, p_a, p_b)
                tested += 1
    assert tested >= 4


def test_the_uncorrected_radius_is_caught():
    """The continuous Phi with s itself: claims 1.045 where the classes tie at distance 1."""
    p_a, p_b = 0.6994711, 0.0585581
    assert radius_of(1, 0, p_a, p_b) > 1
    assert unsafe(1, (1,), p_a - 1e-6, p_b + 1e-6)


def test_discrete_noise_is_a_continuous_gaussian_rounded_at_random():
    """Theorem 6's kernel by quadrature, and its constant in 40 digits."""
    with mpmath.workdps(40):
        e2 = mpmath.mpf(ROUNDING.numerator) / ROUNDING.denominator
        kappa = 2 * mpmath.nsum(lambda m: mpmath.exp(-2 * mpmath.pi**2 * e2 * m * m), [1, mpmath.inf])
        assert kappa / (1 - kappa) < mpmath.mpf(ROUNDING_TV.numerator) / ROUNDING_TV.denominator
    s, e2 = 3.0, float(ROUNDING)
    y = np.linspace(-30, 30, 60001)
    k = np.arange(-40, 41)
    kernel = np.exp(-((k - y[:, None]) ** 2) / (2 * e2))
    kernel /= kernel.sum(axis=1, keepdims=True)  # how a real number y is rounded
    density = np.exp(-(y**2) / (2 * (s * s - e2)))
    rounded = density @ kernel / density.sum()
    discrete = np.exp(-(k**2) / (2 * s * s))
    assert abs(rounded - discrete / discrete.sum()).max() < 1e-12
    plain = np.exp(-(y**2) / (2 * s * s)) @ kernel  # the check can fail: without the correction
    assert abs(plain / plain.sum() - discrete / discrete.sum()).max() > 1e-3


def test_what_the_sampler_costs():
    """Theorem 5: at the largest claim of any two entries, the lead at x + delta is above 2 D."""
    tv = Fraction(1, 10**5)
    table = two_sided_table(1000, ALPHA, Fraction("63.75"), tv, 3072, rounded=True, selected=True)
    free = two_sided_table(1000, ALPHA, Fraction("63.75"), Fraction(0), 3072, rounded=True, selected=True)
    unit, checked = 63.75 * UNIT, 0
    for count, other in itertools.product(range(0, 1001, 37), range(0, 1001, 37)):
        if count + other <= 1000 and table.lookup(count, other):
            a, b = table.bound(count) / unit, table.bound(1000 - other) / unit
            r = (table.bound(count) + table.bound(1000 - other) - table.margin) / unit / 2
            assert NORMAL.cdf(a - r) - NORMAL.cdf(r - b) > 2 * float(tv)
            assert table.lookup(count, other) <= free.lookup(count, other)
            checked += 1
    assert checked > 50
    assert table.margin > 100
    with pytest.raises(IntrsError, match="ask for --certificate one-sided"):
        two_sided_table(1000, ALPHA, Fraction("63.75"), Fraction(1, 100), 3072, rounded=True, selected=True)


# --- the bounds and the table


@pytest.mark.parametrize("selected", [True, False])
@pytest.mark.parametrize("n", [200, 6000])
def test_entries_are_proved_and_no_larger_ones_are(n, selected):
    """Each entry by exact integers at its share of alpha; one unit more of it (or one vote less) is not proved."""
    s, tv = Fraction("63.75"), Fraction(1, 10**9)
    table = two_sided_table(n, ALPHA, s, tv, 3072, rounded=False, selected=selected)
    share = (ALPHA if selected else ALPHA * (1 - LEADER_SHARE)) / 2
    rule = BoundRule(s**2 - ROUNDING, tv + 3072 * ROUNDING_TV, -(1 << 21))

    def proved(count: int, value: int) -> bool:
        return tail_at_most(n, count, rule.needed(value + (1 << 21) + 1), share)

    most = table.bound(n)
    for i in range(0, len(table.values), 61):
        if table.compact:
            assert proved(table.values[i], table.low + i * table.step)
            assert not proved(table.values[i] - 1, table.low + i * table.step)
        else:
            assert proved(table.first + i, table.values[i])
            assert not proved(table.first + i, table.values[i] + 1) or table.values[i] == most
    assert 4 * len(table.values) < 5000


# --- every outcome


def compositions(n: int, parts: int):
    if parts == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in compositions(n - first, parts - 1):
            yield (first, *rest)


def false_claims(table, classes: int, chances: np.ndarray, selected: int | None) -> np.ndarray:
    """For each row of probabilities the chance of a claim that they do not bear out."""
    n = table.n
    outcomes = list(compositions(n, classes))
    ways = np.array([math.lgamma(n + 1) - sum(math.lgamma(v + 1) for v in votes) for votes in outcomes])
    logs = ways + np.log(np.maximum(chances, 1e-12)) @ np.array(outcomes).T
    wrong = np.zeros(len(chances))
    deviate = np.array([[NORMAL.inv_cdf(min(max(p, 1e-12), 1 - 1e-12)) for p in row] for row in chances])
    for i, votes in enumerate(outcomes):
        j = max(range(classes), key=lambda c: votes[c]) if selected is None else selected
        rest = [c for c in range(classes) if c != j]
        squared = table.lookup(votes[j], max(votes[c] for c in rest))
        if squared:
            true = 64 / 2 * (deviate[:, j] - deviate[:, rest].max(axis=1))
            wrong += np.where(true < math.sqrt(squared), np.exp(logs[:, i]), 0.0)
    return wrong


def simplex(classes: int) -> np.ndarray:
    return np.array([v for v in compositions(40, classes)]) / 40


@pytest.mark.parametrize(("n", "classes"), [(30, 2), (24, 3), (14, 4)])
@pytest.mark.parametrize("selected", [0, None])
def test_every_outcome(n, classes, selected):
    alpha = Fraction(1, 20)
    made = (Fraction(64), Fraction(0), 1, True, selected is not None)
    worst = false_claims(two_sided_table(n, alpha, *made), classes, simplex(classes), selected).max()
    loose = false_claims(two_sided_table(n, 3 * alpha, *made), classes, simplex(classes), selected).max()
    print(f"n {n}, {classes} classes, {'leader' if selected is None else 'selected'}: at most {worst:.4f} of .05")
    assert 0.005 < worst <= 0.05 < loose  # at three times alpha it fails: the check can


# --- the device


@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("n", [60, 300, 5000])
def test_the_device_proves_what_the_table_says(build, n, n0):
    """Every pair of votes (some, for many samples), and more votes than samples."""
    smoothing = Smoothing(shape=(2, 2, 1), sigma="0.25", n0=n0, n=n, certificate="two-sided")
    device = build(smoothing)
    device.lib.intrs_radius_squared.restype = ctypes.c_uint32
    step = 1 if n <= 60 else n // 60 + 1
    found = 0
    for count, other in itertools.product([*range(0, n + 1, step), n], [*range(0, n + 1, step), n]):
        here = device.lib.intrs_radius_squared(ctypes.c_uint32(count), ctypes.c_uint32(other))
        assert here == (smoothing.radius.lookup(count, other) if count + other <= n else 0)
        found += here > 0
    assert found > 20


def test_certify_equals_the_reference(build):
    smoothing = Smoothing(shape=(5, 5, 1), sigma="0.25", n0=0, n=200, certificate="two-sided")
    device, certified = build(smoothing, batch=4), 0
    for number in range(12):
        image = np.full(smoothing.shape, round(255 * number / 11), np.uint8)
        image[0, 0, 0] = 128
        status, found = device.certify(image, Stream(5, number), Mode.FIXED)
        assert status == 0
        assert found == certify(toy_classifier, image, Stream(5, number), smoothing, CLASSES)
        certified += found.label >= 0
    assert certified


def test_it_proves_more_where_rivals_are_many():
    one = Smoothing(shape=(32, 32, 3), sigma="1", n0=0)
    two = Smoothing(shape=(32, 32, 3), sigma="1", n0=0, certificate="two-sided")
    assert one.radius.lookup(450) == 0 < two.radius.lookup(450, 150)
    assert 1.6 * one.radius.lookup(900) < two.radius.lookup(900, 20)
    assert 0.96 * one.radius.lookup(900) < two.radius.lookup(900, 100) <= one.radius.lookup(900)


def test_discrete_noise_of_few_steps_is_refused():
    with pytest.raises(IntrsError, match="needs a sigma of 3/255 or more"):
        _ = Smoothing(shape=(2, 2, 1), sigma="0.01", certificate="two-sided").radius
    assert Smoothing(shape=(2, 2, 1), sigma="0.01", noise="rounded", certificate="two-sided").radius.values


# --- what a squared radius says of other norms


@pytest.mark.parametrize("squared", [0, 1, 2, 3, 11, 12, 26, 27, 40])
def test_corollaries_for_other_norms(squared):
    """Every integer change of three values within them is within the radius; one step more and some change is not."""
    found = Certificate(0, 0, 1, 1, squared, Stop.FULL)

    def farthest(norm, most: int) -> int:
        inside = (v for v in itertools.product(range(most + 1), repeat=3) if norm(v) <= most)
        return max(sum(c * c for c in v) for v in inside)

    assert farthest(max, found.linf(3)) <= squared < farthest(max, found.linf(3) + 1)
    assert farthest(sum, found.l1) <= squared < farthest(sum, found.l1 + 1)
