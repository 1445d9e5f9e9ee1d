"""The prediction table against the exact binomial test."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from intrs_edge.smoothing.prediction import largest_totals, predict_table
from intrs_edge.smoothing.radius import next_level


def p_value(top: int, second: int) -> Fraction:
    """Two-sided exact test of p = 1/2 (Cohen et al. 2019, PREDICT): 2 P(Bin(top + second, 1/2) >= top), at most 1."""
    n = top + second
    return min(Fraction(1), 2 * Fraction(sum(math.comb(n, k) for k in range(top, n + 1)), 2**n))


@pytest.mark.parametrize("alpha", [Fraction(1, 1000), Fraction(1, 20), Fraction(1, 10**9)])
def test_every_pair_of_small_counts(alpha):
    """Leads up to 100 are decided exactly."""
    table = predict_table(150, alpha)
    for top in range(1, 151):
        for second in range(min(top, 150 - top) + 1):
            expected = p_value(top, second) <= alpha
            assert table.decides(top, second) == expected, (top, second)


def test_large_totals_are_never_optimistic():
    alpha, n = Fraction(1, 1000), 20_000
    table = predict_table(n, alpha)
    missed = 0
    for total in (11_000, 15_001, 20_000):
        edge = math.isqrt(total) * 3
        for lead in range(edge, edge + 120):
            if (total + lead) % 2:
                continue
            top, second = (total + lead) // 2, (total - lead) // 2
            exact = largest_totals([lead], n, alpha)[0] >= total
            decided = table.decides(top, second)
            assert not decided or exact
            missed += exact and not decided
            if largest_totals([int(lead / 1.03)], n, alpha)[0] >= total:
                assert decided  # a lead 3 % above the needed one always decides
    assert missed > 0  # the levels do cost something: up to 2 % of the lead


def test_lemma_two():
    """The p-value falls with the lead and rises with the total; a vote more for the leader never raises it."""
    for total in range(2, 60):
        for lead in range(total % 2, total + 1, 2):
            top = (total + lead) // 2
            here = p_value(top, total - top)
            if lead + 2 <= total:
                assert p_value(top + 1, total - top - 1) <= here
            if lead >= 1:
                assert p_value(top + 1, total - top + 1) >= here  # two more votes, the same lead
                assert p_value(top + 1, total - top) <= here  # one more vote for the top


def test_the_table_is_small():
    assert len(predict_table(1000, Fraction(1, 1000)).totals) <= 110
    table = predict_table(100_000, Fraction(1, 1000))
    assert len(table.totals) <= 240
    assert list(table.totals) == sorted(table.totals)
    assert table.decides(100_000, 0)
    assert not table.decides(50_000, 50_000)


def test_too_few_votes_never_decide():
    table = predict_table(5, Fraction(1, 1000))
    assert not any(table.decides(top, second) for top in range(1, 6) for second in range(6 - top))
    level, last = 1, 0
    for total in predict_table(3000, Fraction(1, 100)).totals:
        assert total >= last
        last, level = total, next_level(level)
