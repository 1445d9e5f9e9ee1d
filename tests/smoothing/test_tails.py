"""The doubles against 40 digits: their stated error bounds hold, and are not idle."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from intrs_edge.smoothing.binomial import Tail, fraction_to_scale
from intrs_edge.smoothing.tails import Pair, U, exp, log, log_tail, lower_bounds, upper_normal

RNG = np.random.default_rng(1)


def worst(found, exact, allowed) -> float:
    """The largest error as a share of what is allowed."""
    with mpmath.workdps(40):
        off = [abs(float(mpmath.mpf(float(a)) - b)) for a, b in zip(found, exact, strict=True)]
    return float(np.max(np.array(off) / allowed))


def test_logarithm():
    x = np.concatenate(
        [RNG.random(2000), 10 ** RNG.uniform(-200, 200, 2000), 1 + RNG.normal(0, 1e-7, 500), [0.5, 1, 2]]
    )
    with mpmath.workdps(40):
        exact = [mpmath.log(mpmath.mpf(float(v))) for v in x]
    assert 0.05 < worst(log(x), exact, 4 * U * (1 + abs(np.log(x)))) < 1


def test_exponential():
    y = np.concatenate([RNG.uniform(-700, 700, 2000), RNG.uniform(-1, 1, 1000), [0.0]])
    with mpmath.workdps(40):
        exact = [mpmath.exp(mpmath.mpf(float(v))) for v in y]
    assert 0.05 < worst(exp(y), exact, 4 * U * (1 + abs(y)) * np.exp(y)) < 1
    assert exp(np.array([-701.0, -1e9])).tolist() == [0, 0]


def test_upper_normal():
    x = np.concatenate([RNG.uniform(0, 7, 4000), np.arange(449) / 64, (2 * np.arange(448) + 1) / 128])
    with mpmath.workdps(40):
        exact = [mpmath.ncdf(-mpmath.mpf(float(v))) for v in x]
        allowed = np.array([float(16 * U * v) for v in exact])
    assert 0.03 < worst(upper_normal(x), exact, allowed) < 1


@pytest.mark.parametrize("n", [1, 2, 7, 40, 300, 1000, 20_000, 100_000])
def test_binomial_tail(n):
    """Against the exact tail, for probabilities on both sides of a half and counts up to nine deviations away."""
    share = 0.0
    for _ in range(25):
        p = Fraction(int(RNG.integers(1, 2**53)), 2**53)
        spread = (n * float(p) * (1 - float(p))) ** 0.5
        count = min(n, int(n * p + RNG.uniform(0, 9) * spread) + 1)
        tail = Tail.at(n, count, fraction_to_scale(p, up=True))
        if tail.total < 1 << 100 or count <= n * p:
            continue
        pair = Pair(np.array([float(p)]), np.array([float(1 - p)]))
        found, error = log_tail(np.array([n]), np.array([float(count)]), pair)
        with mpmath.workdps(60):
            exact = mpmath.log(mpmath.ldexp(mpmath.mpf(tail.total), -256))
        share = max(share, worst(found, [exact], error))
    assert share < 0.2  # the analysis is generous
    below, _ = log_tail(np.array([n]), np.array([1.0]), Pair(np.array([1 - 2.0**-20]), np.array([2.0**-20])))
    assert n < 2 or below[0] == 0  # counts that are not rare


def test_lower_bounds():
    counts = np.array([1.0, 5, 400, 556, 999, 1000])
    for count, bound in zip(counts, lower_bounds(counts, 1000, 0.001, 3.09), strict=True):
        tail = Tail.at(1000, int(count), fraction_to_scale(Fraction(float(bound)), up=True))
        assert tail.total / 2**256 == pytest.approx(0.001, rel=1e-8)
