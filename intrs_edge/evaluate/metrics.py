"""Figures from a log. Two conventions are in use; each function says which one it is.

Cohen et al. 2019: abstaining is wrong, and the denominator is every image. Lin et al. 2021 (IntRS, equation 10): the
denominator is the images that were not abstained on. The first is the default everywhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, warning
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.results import lattice_squared

RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Summary:
    """What a report says about a log. Radii in [0,1] pixels; accuracies and percentages as fractions; ``warning`` is
    empty where the certificate is sound.
    """

    images: int
    abstained: int
    radii: tuple[float, ...]
    certified_accuracy: tuple[float, ...]
    certified_accuracy_eq10: tuple[float, ...]
    certified_percentage: float
    average_certified_radius: float
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
    if not rows:
        raise IntrsError("the log holds no image; certify some first")
    return sum(not row.abstained for row in rows) / len(rows)


def average_certified_radius(rows: Sequence[Row]) -> float:
    """The mean over all images of the radius, 0 where abstained or wrong, in [0,1] pixels (Zhai et al. 2020, ACR)."""
    return sum(row.radius for row in rows if row.correct) / _labelled(rows)


def summarise(rows: Sequence[Row], radii: Sequence[float] = RADII) -> Summary:
    """All of them at once."""
    return Summary(
        len(rows),
        sum(row.abstained for row in rows),
        tuple(radii),
        tuple(certified_accuracy(rows, radius) for radius in radii),
        tuple(certified_accuracy_eq10(rows, radius) for radius in radii),
        certified_percentage(rows),
        average_certified_radius(rows),
        warning(rows),
    )


def curve(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Certified accuracy (Cohen's) as a step function: at each point's radius the accuracy falls to the next point's
    value.

    The first point is at radius 0; between two points the accuracy is that of the right one.
    """
    images, right = _labelled(rows), sorted(row.radius for row in rows if row.correct)
    return [(radius, (len(right) - bisect_left(right, radius)) / images) for radius in sorted({0.0, *right})]


def _right(rows: Sequence[Row], radius: float) -> int:
    """How many are answered rightly and certified against every integer perturbation within ``radius`` (the decimal
    that it prints as): by the exact L where the log has it.
    """
    squared = lattice_squared(exact(radius))
    return sum(
        row.correct and (row.radius >= radius if row.squared is None else row.squared >= squared) for row in rows
    )


def _labelled(rows: Sequence[Row]) -> int:
    if not rows:
        raise IntrsError("the log holds no image; certify some first")
    unknown = sum(row.label < 0 for row in rows)
    if unknown:
        raise IntrsError(f"the log holds {unknown} image(s) without a label; accuracy needs labels")
    return len(rows)
