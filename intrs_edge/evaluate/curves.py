# SPDX-License-Identifier: Apache-2.0
"""Certified accuracy as a step function of the radius, with its confidence band: what plots, pages and tables draw.

A band is Clopper and Pearson's two-sided interval of 95 % for the share of images like these (independent draws) that
are right and certified at a radius. It speaks of the choice of images, not of the certificates, which hold anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row
from intrs_edge.evaluate.metrics import RADII
from intrs_edge.evaluate.proof import smoothing_of
from intrs_edge.smoothing.results import radius_text
from intrs_edge.smoothing.tails import lower_bounds

LEVEL = 0.95
COHEN, EQ10, SHARE = "cohen", "eq10", "share"
KINDS = {
    COHEN: "certified accuracy (Cohen: of all images, abstaining is wrong)",
    EQ10: "certified accuracy (eq. 10: of the images not abstained on)",
    SHARE: "certified share (right or wrong, of all images)",
}
_MOST = 2000  # points of a drawn curve
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """``share[k]`` holds from ``radii[k - 1]`` (excluded) to ``radii[k]`` ([0,1] pixels); ``lower`` and ``upper`` are
    its band. ``limit``: the largest radius that a certificate of these settings can have; the last point.
    """

    radii: Floats
    share: Floats
    lower: Floats
    upper: Floats
    limit: float

    def at(self, radius: float) -> tuple[float, float, float]:
        """Share, lower and upper at a radius; nothing is certified beyond the limit."""
        if radius > self.limit:
            return 0.0, 0.0, 0.0
        k = int(np.searchsorted(self.radii[:-1], radius))
        return float(self.share[k]), float(self.lower[k]), float(self.upper[k])


def all_labelled(rows: Sequence[Row]) -> bool:
    """Whether accuracy can be spoken of: every image has a label."""
    return bool(rows) and all(row.label >= 0 for row in rows)


def curve_of(rows: Sequence[Row], kind: str = COHEN) -> Curve:
    """The curve of a log. kind: one of KINDS; the first two need labels. Raises IntrsError without images or labels."""
    if not rows:
        raise IntrsError("the log holds no image; certify some first")
    if kind != SHARE and not all_labelled(rows):
        raise IntrsError("the log holds images without a label; accuracy needs labels")
    counted = np.sort(np.array([row.radius for row in rows if (row.correct if kind != SHARE else not row.abstained)]))
    total = sum(not row.abstained for row in rows) if kind == EQ10 else len(rows)
    limit = largest_radius(rows)
    radii = np.unique(np.concatenate([[0.0], counted]))
    if len(radii) > _MOST:  # a point that is left out takes the share of the next, which is no larger
        radii = radii[np.unique(np.linspace(0, len(radii) - 1, _MOST).astype(np.int64))]
    counts = len(counted) - np.searchsorted(counted, radii)
    radii, counts = np.append(radii, limit), np.append(counts, 0)
    lower, upper = interval(counts, total)
    return Curve(radii, counts / max(total, 1), lower, upper, limit)


def largest_radius(rows: Sequence[Row]) -> float:
    """The radius of a certificate for which all samples agreed, [0,1] pixels; of a log of the community's columns,
    which do not say how many samples there were, the largest that is in it.
    """
    seen = max((row.radius for row in rows), default=0.0)
    if not rows or "votes" not in rows[0].extra:
        return seen
    smoothing = smoothing_of(rows[0])
    plan = next(iter(smoothing.plans.values()), None)
    squared = smoothing.radius.lookup(smoothing.n) if plan is None else plan.largest
    return max(seen, float(radius_text(squared)))


def possible_radius(rows: Sequence[Row]) -> float:
    """`largest_radius`; infinity where the log does not say how many samples there were."""
    return largest_radius(rows) if rows and "votes" in rows[0].extra else math.inf


def reachable(logs: Iterable[Sequence[Row]], radii: Sequence[float] = RADII) -> tuple[float, ...]:
    """Those of the radii that some log's settings can certify, and the first."""
    most = max(map(possible_radius, logs), default=math.inf)
    return tuple(radius for k, radius in enumerate(radii) if k == 0 or radius <= most)


def interval(counts: npt.NDArray[np.int64], total: int) -> tuple[Floats, Floats]:
    """Clopper and Pearson's bounds at LEVEL for each count of ``total``; 0 and 1 where there is nothing to count."""
    if not total:
        return np.zeros(len(counts)), np.ones(len(counts))
    return _lower(counts, total), 1 - _lower(total - counts, total)


def _lower(counts: npt.NDArray[np.int64], total: int) -> Floats:
    tail, known = (1 - LEVEL) / 2, _known(total)
    new = np.array(sorted(set(counts.tolist()) - known.keys()))
    if len(new):
        bounds = lower_bounds(new.astype(float), total, tail, -NormalDist().inv_cdf(tail))
        known |= zip(new.tolist(), bounds.tolist(), strict=True)
    return np.array([known[count] for count in counts.tolist()])


@lru_cache(maxsize=64)
def _known(total: int) -> dict[int, float]:
    """Bounds that were computed already, count -> bound: the curves of a log share most of them."""
    return {0: 0.0}
