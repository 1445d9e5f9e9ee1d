"""What counts prove: the fast search against exact integers, and theorem 3 against every outcome of small votes."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import certified_radii_squared, certified_radius_squared, claims
from intrs_edge.smoothing.claims import Claims
from intrs_edge.smoothing.noise import DiscreteGaussian
from intrs_edge.smoothing.radius import PaperRule, SoundRule, radius_table

ALPHA = Fraction(1, 1000)


@given(
    n=st.integers(1, 3000),
    alpha=st.sampled_from([Fraction(1, 1000), Fraction(1, 10**9), Fraction(2, 5), Fraction(1, 20)]),
    sigma=st.sampled_from(["0.5", "8", "63.75", "512"]),
    tv=st.sampled_from(["0", "1e-9", "0.01", "0.24"]),
    selected=st.booleans(),
    share=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_the_answer_is_that_of_exact_integers(n, alpha, sigma, tv, selected, share):
    rule = SoundRule(Fraction(sigma), Fraction(tv))
    some = Claims(n, alpha, rule, selected)
    if some.least > n:
        assert not some.proves(n, 1)
        return
    assert some.proves(some.least, 1)
    assert not some.proves(some.least - 1, 1)
    count = some.least + round(share * (n - some.least))
    squared = int(some.radii(np.array([count]))[0])
    assert some.proves(count, squared)
    assert not some.proves(count, squared + 1)
    first = int(some.counts([squared])[0])
    assert first <= count
    assert some.proves(first, squared)
    assert not some.proves(first - 1, squared)


@pytest.mark.parametrize("selected", [True, False])
@pytest.mark.parametrize("rule", [SoundRule(Fraction(8), Fraction("1e-9")), PaperRule(DiscreteGaussian(8))])
def test_the_doubles_only_save_time(monkeypatch, rule, selected):
    """With error bounds that decide nothing, every comparison is made in exact integers: the same tables."""
    found = radius_table(150, ALPHA, rule, selected), Claims(150, ALPHA, rule, selected).counts([1, 4, 100]).tolist()

    def unsure(*arguments):
        value, error = LOG_TAIL(*arguments)
        return value, error + 1e9

    monkeypatch.setattr(claims, "log_tail", unsure)
    exact = radius_table(150, ALPHA, rule, selected), Claims(150, ALPHA, rule, selected).counts([1, 4, 100]).tolist()
    assert found == exact


LOG_TAIL = claims.log_tail


def test_a_whole_table_is_its_entries():
    tv = DiscreteGaussian("63.75").vector_total_variation(3072)
    table = certified_radii_squared(20_000, ALPHA, "63.75", tv)
    assert table.shape == (20_001,)
    assert (np.diff(table) >= 0).all()
    for count in [0, 10_000, 10_500, *range(10_510, 20_001, 731), 19_999, 20_000]:
        assert table[count] == certified_radius_squared(count, 20_000, ALPHA, "63.75", tv)
    with pytest.raises(IntrsError, match="0 samples"):
        certified_radii_squared(0, ALPHA, "63.75")


# --- theorem 3: no selection phase


def false_claims(n: int, chances: tuple[float, ...], radii: np.ndarray, needed: dict[int, float]) -> float:
    """The probability that the leader of n votes claims a squared radius that its class does not have, over every
    outcome of the votes.
    """
    wrong = 0.0
    factorial = [math.factorial(k) for k in range(n + 1)]
    for votes in compositions(n, len(chances)):
        leader = max(range(len(votes)), key=lambda c: votes[c])  # ties to the lowest class
        squared = int(radii[votes[leader]])
        if squared and chances[leader] <= needed[squared]:
            ways = factorial[n] // math.prod(factorial[v] for v in votes)
            wrong += ways * math.prod(p**v for p, v in zip(chances, votes, strict=True))
    return wrong


def compositions(n: int, parts: int):
    if parts == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in compositions(n - first, parts - 1):
            yield (first, *rest)


def table_of(n: int, alpha: Fraction, sigma: int, selected: bool) -> tuple[np.ndarray, dict[int, float]]:
    rule = SoundRule(Fraction(sigma))
    table = radius_table(n, alpha, rule, selected)
    radii = np.array([table.lookup(count) for count in range(n + 1)])
    return radii, {int(v): rule.needed(int(v)) / 2**256 for v in set(radii.tolist()) if v}


def hard_cases(needed: dict[int, float], classes: int):
    """Votes at every edge where a claim just fails, what is left to the other classes shared in several ways."""
    for edge in [0.5, *needed.values()]:
        rest = 1 - edge
        for shares in itertools.product([0.0, 0.3, 0.5, 1.0], repeat=classes - 2):
            if sum(shares) <= 1:
                others = [rest * share for share in shares]
                yield (edge, *others, rest - sum(others))


@pytest.mark.parametrize(("n", "classes"), [(30, 2), (41, 2), (24, 3), (14, 4)])
@pytest.mark.parametrize("sigma", [2, 8, 64])
def test_the_leader_of_the_counted_votes(n, classes, sigma):
    alpha = Fraction(1, 20)
    radii, needed = table_of(n, alpha, sigma, selected=False)
    assert needed
    worst = max(false_claims(n, chances, radii, needed) for chances in hard_cases(needed, classes))
    print(f"n {n}, {classes} classes, s {sigma}: at most {worst:.4f} of .05")
    assert worst <= 0.05
    assert worst > 0.005


def test_the_table_of_a_selected_class_would_not_do():
    """Without the other classes' share the leader's claims are wrong more often than alpha: the check can fail."""
    excess = 0.0
    for n in range(20, 60):
        radii, needed = table_of(n, Fraction(1, 20), 64, selected=True)
        excess = max(excess, *(false_claims(n, chances, radii, needed) for chances in hard_cases(needed, 2)))
    assert excess > 0.055


@pytest.mark.parametrize("n", [100, 1000, 10_000, 100_000])
def test_what_it_costs(n):
    """No count is needed beyond that of a selected class from .05 sigma on, two more at most below."""
    sigma = Fraction("63.75")
    levels = np.unique(np.array([1, 2, 4, 9, *((float(sigma) * np.linspace(0.05, 2, 30)) ** 2).astype(int)]))
    rule = SoundRule(sigma)
    chosen, leader = (Claims(n, ALPHA, rule, selected).counts(levels) for selected in (True, False))
    assert ((leader - chosen)[levels >= (0.05 * float(sigma)) ** 2] == 0).all()
    assert 0 <= (leader - chosen).max() <= 2
