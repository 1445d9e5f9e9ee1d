# SPDX-License-Identifier: Apache-2.0
"""Figures from a log. Two conventions are in use; each function says which one it is.

Cohen et al. 2019: abstaining is wrong, and the denominator is every image. Lin et al. 2021 (IntRS, equation 10): the
denominator is the images that were not abstained on. The first is the default everywhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, warning
from intrs_edge.smoothing.binomial import checked_alpha, fraction_to_scale, smallest_count
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.results import lattice_squared

RHO = Fraction(1, 1000)  # chance that a log holds more false certificates than `most_false` says
RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
LINF, L1 = (1, 2, 4, 8), (32, 64, 128, 256)  # lattice steps


@dataclass(frozen=True)
class Summary:
    """What a report says about a log. Radii in [0,1] pixels; accuracies and percentages as fractions; ``warning`` is
    empty where the certificate is sound. Of images without labels, accuracies and ACR are None. ``linf`` and ``l1``
    are bounds in lattice steps, on every value of an image and on the sum of all changes; shares at them are None where
    the log does not hold the exact ``L``. ``true_accuracy_at_least``: of these very images, at every radius at once,
    except with probability ``rho`` (`most_false`); None where no alpha is known or nothing is proved.
    """

    images: int
    abstained: int
    radii: tuple[float, ...]
    certified_accuracy: tuple[float, ...] | None
    certified_accuracy_eq10: tuple[float, ...] | None
    false_certificates_at_most: int | None
    rho: float
    true_accuracy_at_least: tuple[float, ...] | None
    certified_share: tuple[float, ...]
    certified_percentage: float
    average_certified_radius: float | None
    mean_radius: float
    linf: tuple[int, ...]
    certified_accuracy_linf: tuple[float, ...] | None
    certified_share_linf: tuple[float, ...] | None
    l1: tuple[int, ...]
    certified_accuracy_l1: tuple[float, ...] | None
    certified_share_l1: tuple[float, ...] | None
    warning: str


def certified_accuracy(rows: Sequence[Row], radius: float) -> float:
    """The fraction of ALL images answered rightly with a certified radius >= ``radius`` (Cohen et al. 2019)."""
    return _right(rows, radius) / _labelled(rows)


def certified_accuracy_eq10(rows: Sequence[Row], radius: float) -> float:
    """The same count over the images NOT ABSTAINED on (Lin et al. 2021, eq. 10); 0 when all were abstained on."""
    _labelled(rows)
    answered = sum(not row.abstained for row in rows)
    return _right(rows, radius) / answered if answered else 0.0


def certified_percentage(rows: Sequence[Row]) -> float:
    """The fraction of all images that got a certificate, right or wrong: those not abstained on."""
    return sum(not row.abstained for row in _some(rows)) / len(rows)


def average_certified_radius(rows: Sequence[Row]) -> float:
    """The mean over all images of the radius, 0 where abstained or wrong, in [0,1] pixels (Zhai et al. 2020, ACR)."""
    return sum(row.radius for row in rows if row.correct) / _labelled(rows)


def most_false(rows: Sequence[Row]) -> int | None:
    """No more of the log's certificates are false, except with probability RHO (docs/certificate.md, section 4); None
    where no alpha is known or nothing is proved.
    """
    alphas = {row.extra.get("alpha", "") for row in _some(rows)}
    if warning(rows) or len(alphas) > 1 or alphas == {""}:
        return None
    alpha = checked_alpha(alphas.pop())
    return smallest_count(len(rows), fraction_to_scale(alpha, up=True), RHO) - 1


def certified_share(rows: Sequence[Row], radius: float) -> float:
    """The fraction of all images with a certified radius >= ``radius``, right or wrong: it needs no labels."""
    return _Certified([row for row in _some(rows) if not row.abstained]).within(radius) / len(rows)


def summarise(rows: Sequence[Row], radii: Sequence[float] = RADII) -> Summary:
    """All of them at once."""
    labels = all(row.label >= 0 for row in _some(rows))
    answered = [row for row in rows if not row.abstained]
    certified, right = _Certified(answered), _Certified([row for row in answered if row.correct])
    exactly = all(row.squared is not None for row in rows)
    false, reached = most_false(rows), [right.within(radius) for radius in radii]

    def shares(some: _Certified, norm: str, steps: Sequence[int]) -> tuple[float, ...]:
        return tuple(some.reaching(norm, k) / len(rows) for k in steps)

    return Summary(
        len(rows),
        len(rows) - len(answered),
        tuple(radii),
        tuple(count / len(rows) for count in reached) if labels else None,
        tuple(count / max(len(answered), 1) for count in reached) if labels else None,
        false,
        float(RHO),
        tuple(max(0, count - false) / len(rows) for count in reached) if labels and false is not None else None,
        tuple(certified.within(radius) / len(rows) for radius in radii),
        certified_percentage(rows),
        average_certified_radius(rows) if labels else None,
        sum(row.radius for row in rows) / len(rows),
        LINF,
        shares(right, "linf", LINF) if exactly and labels else None,
        shares(certified, "linf", LINF) if exactly else None,
        L1,
        shares(right, "l1", L1) if exactly and labels else None,
        shares(certified, "l1", L1) if exactly else None,
        warning(rows),
    )


def _right(rows: Sequence[Row], radius: float) -> int:
    """How many are answered rightly and certified within ``radius``."""
    return _Certified([row for row in rows if row.correct]).within(radius)


class _Certified:
    """The certificates of some rows of one log, in order of their size."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        squared = [row.squared for row in rows]
        self._squared = sorted(value for value in squared if value is not None)
        self._radii = sorted(row.radius for row, value in zip(rows, squared, strict=True) if value is None)

    def within(self, radius: float) -> int:
        """How many hold against every integer perturbation within ``radius`` (the decimal that it prints as): by the
        exact L where the log has it.
        """
        exactly = len(self._squared) - bisect_left(self._squared, lattice_squared(exact(radius)))
        return exactly + len(self._radii) - bisect_left(self._radii, radius)

    def reaching(self, norm: str, steps: int) -> int:
        """How many hold against every change of at most ``steps`` in this norm, a column of the log."""
        return sum(int(row.extra[norm]) >= steps for row in self._rows)


def _some(rows: Sequence[Row]) -> Sequence[Row]:
    if not rows:
        raise IntrsError("the log holds no image; certify some first")
    return rows


def _labelled(rows: Sequence[Row]) -> int:
    unknown = sum(row.label < 0 for row in _some(rows))
    if unknown:
        raise IntrsError(f"the log holds {unknown} image(s) without a label; accuracy needs labels")
    return len(rows)
