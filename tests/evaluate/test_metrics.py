"""Each figure against numbers worked out by hand, in both conventions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.metrics import (
    RHO,
    average_certified_radius,
    certified_accuracy,
    certified_accuracy_eq10,
    certified_percentage,
    certified_share,
    most_false,
    summarise,
)


@pytest.fixture
def rows(make_rows):
    # right at .5, right at .25, wrong at .9, abstained, right at .5
    return make_rows((0, 0, 0.5), (1, 1, 0.25), (2, 0, 0.9), (3, -1, 0.0), (4, 4, 0.5))


def test_abstaining_is_wrong_and_the_radius_is_inclusive(rows):
    assert certified_accuracy(rows, 0) == 3 / 5
    assert certified_accuracy(rows, 0.25) == 3 / 5
    assert certified_accuracy(rows, 0.2500001) == 2 / 5
    assert certified_accuracy(rows, 0.5) == 2 / 5
    assert certified_accuracy(rows, 0.9) == 0


def test_equation_10_divides_by_the_answered(rows):
    assert certified_accuracy_eq10(rows, 0) == 3 / 4
    assert certified_accuracy_eq10(rows, 0.5) == 2 / 4


def test_the_other_figures(rows):
    assert certified_percentage(rows) == 4 / 5
    assert average_certified_radius(rows) == pytest.approx(1.25 / 5)
    summary = summarise(rows, (0.0, 0.5))
    assert (summary.images, summary.abstained) == (5, 1)
    assert summary.certified_accuracy == (3 / 5, 2 / 5)


def test_all_abstained(make_rows):
    rows = make_rows((0, -1, 0.0))
    assert certified_accuracy_eq10(rows, 0) == 0
    assert certified_percentage(rows) == 0


def test_shares_need_no_labels(rows, make_rows):
    assert [certified_share(rows, r) for r in (0, 0.25, 0.5, 0.9, 1)] == [4 / 5, 4 / 5, 3 / 5, 1 / 5, 0]
    unknown = make_rows((-1, 0, 0.5), (-1, -1, 0.0))
    summary = summarise(unknown, (0.0, 0.5))
    assert (summary.certified_share, summary.mean_radius) == ((0.5, 0.5), 0.25)
    assert summary.certified_accuracy is summary.certified_accuracy_eq10 is summary.average_certified_radius is None


def test_no_images_and_no_labels_are_refused(make_rows):
    with pytest.raises(IntrsError, match="no image"):
        certified_accuracy([], 0)
    with pytest.raises(IntrsError, match="1 image\\(s\\) without a label"):
        certified_accuracy(make_rows((-1, 0, 0.5), (0, 0, 0.5)), 0)


def test_other_norms(certified_rows, make_rows):
    """Images of 64 values: linf k is L >= 64 k^2, l1 k is L >= k^2; wrong ones count in shares alone."""
    rows = certified_rows((990, 3, 3), (700, 2, 2), (990, 1, 0), (400, 1, 1))
    squared = [row.squared for row in rows]
    assert squared[0] > 64 * 8**2 > squared[1] > 64 * 2**2 > squared[3] == 0
    summary = summarise(rows)
    assert (summary.linf, summary.l1) == ((1, 2, 4, 8), (32, 64, 128, 256))
    assert summary.certified_accuracy_linf == tuple(sum(v >= 64 * k * k for v in squared[:2]) / 4 for k in summary.linf)
    assert summary.certified_accuracy_l1 == tuple(sum(v >= k * k for v in squared[:2]) / 4 for k in summary.l1)
    assert summary.certified_share_linf == (0.75, 0.75, 0.5, 0.5)
    assert summary.certified_accuracy_linf == (0.5, 0.5, 0.25, 0.25)
    unknown = summarise(make_rows((0, 0, 0.5)))  # no L in it
    assert unknown.certified_accuracy_linf is unknown.certified_share_l1 is None
    assert summarise(certified_rows((990, 3, 3), labels=False)).certified_share_linf == (1, 1, 1, 1)


@pytest.mark.parametrize(("images", "alpha"), [(2, "0.001"), (5, "0.4"), (20, "0.001"), (300, "0.01")])
def test_how_many_certificates_may_be_false(certified_rows, images, alpha):
    """The smallest q with P(Bin(m, alpha) > q) <= .001, in rational numbers; taken off at every radius."""
    found = certified_rows(*[(990, 3, 3)] * images, alpha=alpha)
    q, a = most_false(found), Fraction(alpha)

    def above(least: int) -> Fraction:
        return sum(
            (math.comb(images, k) * a**k * (1 - a) ** (images - k) for k in range(least + 1, images + 1)), Fraction(0)
        )

    assert above(q) <= RHO
    assert q == 0 or above(q - 1) > RHO
    summary = summarise(found, (0.0, 0.25, 3.0))
    assert summary.false_certificates_at_most == q
    assert summary.true_accuracy_at_least == ((images - q) / images, (images - q) / images, 0)


def test_where_nothing_is_proved_nothing_is_taken_off(certified_rows, make_rows):
    assert most_false(make_rows((0, 0, 0.5))) is None  # of the community's columns: alpha is not known
    unsound = certified_rows((990, 3, 3), certificate="paper")
    assert (most_false(unsound), summarise(unsound).true_accuracy_at_least) == (None, None)
    unlabelled = summarise(certified_rows((990, 3, 3), labels=False))
    assert (unlabelled.false_certificates_at_most, unlabelled.true_accuracy_at_least) == (1, None)
