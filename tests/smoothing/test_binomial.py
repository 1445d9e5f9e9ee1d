"""The tails and the bound against exact rational arithmetic and an independent incomplete beta function."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import lower_confidence_bound
from intrs_edge.smoothing.binomial import Tail, clopper_pearson, fraction_to_scale, smallest_count, tail_at_most

SCALE = 1 << 256


def exact_tail(n: int, count: int, p: Fraction) -> Fraction:
    return sum((math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(count, n + 1)), Fraction(0))


@given(
    n=st.integers(1, 60),
    count=st.integers(0, 60),
    p=st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000),
)
@settings(max_examples=150, deadline=None)
def test_tail_is_from_above_and_tight(n, count, p):
    count = min(count, n)
    true = exact_tail(n, count, p)
    found = Fraction(Tail.at(n, count, fraction_to_scale(p, up=True)).total, SCALE)
    assert found >= true
    if count > n * p:
        assert found <= true * (1 + Fraction(1, 10**38)) + Fraction(1, 1 << 150)
    else:
        assert true >= Fraction(1, 3)  # where 1 is returned for it, no alpha below a half is reached


# P(Bin(n, p) >= n) = p^n is alpha exactly, and p is no multiple of 2^-256: just above p no count is enough
ON_THE_EDGE = [(1, "1/20", "1/20"), (3, "1/10", "1/1000"), (3, "1/100", "1/1000000"), (6, "1/10", "1/1000000")]


def smallest_by_hand(n, p, alpha):
    """From n down, all terms times the n-th power of p's denominator, which makes them integers."""
    hit, miss = p.numerator, p.denominator - p.numerator
    most = alpha * p.denominator**n
    total, count = 0, n + 1
    while count > 1:
        total += math.comb(n, count - 1) * hit ** (count - 1) * miss ** (n - count + 1)
        if total > most:
            break
        count -= 1
    return count


@given(
    n=st.integers(1, 80),
    p=st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=100),
    alpha=st.sampled_from([Fraction(1, 1000), Fraction(1, 20), Fraction(1, 10**6)]),
)
@example(1, Fraction(1, 20), Fraction(1, 20))
@example(6, Fraction(1, 10), Fraction(1, 10**6))
@settings(max_examples=100, deadline=None)
def test_smallest_count(n, p, alpha):
    """For the p that it is given, which is the fraction rounded up, and never less than for the fraction itself."""
    asked = fraction_to_scale(p, up=True)
    found = smallest_count(n, asked, alpha)
    assert found == smallest_by_hand(n, Fraction(asked, SCALE), alpha)
    assert found >= smallest_by_hand(n, p, alpha)


@pytest.mark.parametrize(("n", "p", "alpha"), ON_THE_EDGE)
def test_on_the_edge_no_count_is_claimed(n, p, alpha):
    p, alpha = Fraction(p), Fraction(alpha)
    assert exact_tail(n, n, p) == alpha
    assert smallest_by_hand(n, p, alpha) == n
    assert smallest_count(n, fraction_to_scale(p, up=True), alpha) == n + 1


def summed_tail(n, count, p):
    """P(Bin(n, p) >= count), every term of it, in the working precision."""
    log_choose = mpmath.loggamma(n + 1) - mpmath.loggamma(count + 1) - mpmath.loggamma(n - count + 1)
    term = mpmath.exp(log_choose + count * mpmath.log(p) + (n - count) * mpmath.log(1 - p))
    total = term
    for k in range(count, n):
        term = term * (n - k) * p / ((k + 1) * (1 - p))
        total += term
    return total


@pytest.mark.parametrize(("n", "p"), [(1000, "0.55"), (20_000, "0.5001"), (100_000, "0.9"), (100_000, "0.99999")])
def test_smallest_count_at_large_n(n, p):
    alpha = Fraction(1, 1000)
    c = smallest_count(n, fraction_to_scale(Fraction(p), up=True), alpha)
    with mpmath.workdps(40):
        if c <= n:
            assert summed_tail(n, c, mpmath.mpf(p)) <= 0.001
        assert summed_tail(n, c - 1, mpmath.mpf(p)) > 0.001


@pytest.mark.parametrize(
    ("count", "n", "alpha"),
    [
        (1, 2, "0.05"),
        (9, 10, "0.001"),
        (60, 100, "0.001"),
        (556, 1000, "0.001"),
        (990, 1000, "1e-6"),
        (99_900, 100_000, "0.001"),
    ],
)
def test_clopper_pearson_to_forty_digits(count, n, alpha):
    found = clopper_pearson(count, n, Fraction(alpha))
    with mpmath.workdps(60):
        width = mpmath.mpf(10) ** -41
        assert summed_tail(n, count, found - width) < mpmath.mpf(alpha) < summed_tail(n, count, found + width)


@pytest.mark.parametrize("n", [1, 10, 1000, 100_000])
def test_all_agree(n):
    with mpmath.workdps(50):
        assert (
            abs(clopper_pearson(n, n, Fraction(1, 1000)) - mpmath.mpf("0.001") ** (mpmath.mpf(1) / n))
            < mpmath.mpf(10) ** -45
        )


@given(n=st.integers(1, 2000), share=st.floats(0, 1), alpha=st.sampled_from(["0.001", "0.05", "1e-9"]))
@settings(max_examples=100, deadline=None)
def test_the_float_bound_is_never_above(n, share, alpha):
    """At the printed double the tail is still at most alpha, and one part in 10^15 above it is not."""
    count = round(share * n)
    bound = lower_confidence_bound(count, n, alpha)
    assert 0 <= bound <= 1
    if count == 0:
        assert bound == 0
        return
    assert tail_at_most(n, count, fraction_to_scale(Fraction(bound), up=True), Fraction(alpha))
    above = Fraction(bound) * (1 + Fraction(1, 10**15))
    assert not tail_at_most(n, count, fraction_to_scale(above, up=True), Fraction(alpha))


def test_known_value():
    # Cohen et al. 2019, section 3.2.2: with n = 100 000 all agreeing and alpha = .001 the radius is 3.8 sigma at most
    assert lower_confidence_bound(100_000, 100_000, 0.001) == pytest.approx(0.001**1e-5, abs=1e-15)
    assert lower_confidence_bound(99, 100, 0.001) == pytest.approx(0.9113731112960424, abs=1e-15)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5, 4, 0.001), "count of 5"),
        ((-1, 4, 0.001), "count of -1"),
        ((0, 0, 0.001), "0 samples"),
        ((1, 4, 0.5), "alpha 0.5"),
        ((1, 4, 0), "alpha 0"),
        ((1, 4, -0.1), "alpha -0.1"),
        ((1, 4, "x"), "not a number"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(IntrsError, match=words):
        lower_confidence_bound(*arguments)
