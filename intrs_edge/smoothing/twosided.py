# SPDX-License-Identifier: Apache-2.0
"""The two-sided radius: votes for the class and votes against it (docs/certificate.md, theorems 5 and 6).

A class with at least p_A against others with at most p_B each keeps its lead within s/2 (Phi^-1(p_A) - Phi^-1(p_B)).
p_A is the lower bound of ``count`` votes, p_B the upper bound of the most votes of any other class; and as that is one
less the lower bound of the votes of all the rest, one table of integers serves both.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist

import mpmath
import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.binomial import checked_counts, to_scale
from intrs_edge.smoothing.claims import Claims, Ints
from intrs_edge.smoothing.noise import continuous
from intrs_edge.smoothing.prediction import PredictTable, predict_table
from intrs_edge.smoothing.radius import FULL_TABLE_LIMIT
from intrs_edge.smoothing.tails import Floats, Pair, upper_normal

_DIGITS = 60
_NORMAL = NormalDist()
# bounds are counted in lattice steps of 2^-12: firmware/smoothing/intrs_radius_squared.c
UNIT = 1 << 12
# discrete noise is a continuous Gaussian of variance s^2 - ROUNDING, rounded at random (theorem 6), but for at most
# ROUNDING_TV a coordinate
ROUNDING, ROUNDING_TV = Fraction(9, 4), Fraction(11, 10**20)
LEAST_STEPS = 3
# of alpha, for a leader that is not the class of the highest probability at all
LEADER_SHARE = Fraction(1, 20)
_LARGEST = 4  # deviates beyond this are taken to be this
_LEVELS = 1024


@dataclass(frozen=True)
class BoundRule:
    """Level k >= 1 is the deviate low + (k - 1) step, in units of 1 / (UNIT sqrt(variance)); proved by Phi of it + tv.

    A ``claims.Rule``, so that the same exact search finds which counts prove which deviate.
    """

    variance: Fraction
    tv: Fraction
    low: int
    step: int = 1

    @property
    def grid(self) -> Ints | None:
        """See ``Rule``."""
        return None

    def needed(self, squared: int) -> int:
        """See ``Rule``."""
        with mpmath.workdps(_DIGITS):
            variance = mpmath.mpf(self.variance.numerator) / self.variance.denominator
            x = (self.low + (squared - 1) * self.step) / (UNIT * mpmath.sqrt(variance))
            charge = mpmath.mpf(self.tv.numerator) / self.tv.denominator
            return to_scale(mpmath.ncdf(x) + charge + mpmath.mpf(10) ** -45)

    def pair(self, squared: Ints) -> Pair:
        """See ``Rule``: x is off by 5 U, which moves the smaller of p and q by at most 5 (x^2 + 1) U relatively."""
        x = (self.low + (squared - 1) * self.step) / self._unit
        known = np.abs(x) < 7
        tail = upper_normal(np.where(known, np.abs(x), 0.0))
        charge = float(self.tv)
        q = np.where(x < 0, 1 - (tail + charge), tail - charge)
        known &= q > np.where(x < 0, 0.25, tail / 3)
        p = np.where(x < 0, tail + charge, 1 - q)
        return Pair(np.where(known, p, 1.0), np.where(known, q, 0.0))

    def about(self, bounds: Floats) -> Ints:
        """See ``Rule``."""
        p = np.clip(bounds - float(self.tv), 1e-300, 1 - 1e-16)
        x = np.array([_NORMAL.inv_cdf(v) for v in p])
        levels: Ints = np.maximum((x * self._unit - self.low) / self.step, 1).astype(np.int64)
        return levels

    @property
    def _unit(self) -> float:
        """One standard deviation in 1/UNIT lattice steps, about."""
        return UNIT * math.sqrt(float(self.variance))


@dataclass(frozen=True)
class TwoSidedTable:
    """The device's table for ``n`` samples, in 1/UNIT lattice steps.

    Full (``step`` 0): ``values[count - first]`` is the deviate that a count proves. Compact: ``values[j]`` is the
    smallest count that proves low + j step. ``margin`` is taken off the sum of two of them: it pays for the sampler's
    error. ``leads``: which leads a class needs that was not selected on other samples.
    """

    n: int
    first: int
    low: int
    step: int
    margin: int
    values: tuple[int, ...]
    leads: PredictTable | None

    @property
    def compact(self) -> bool:
        """Whether ``values`` are counts per level."""
        return self.step > 0

    def bound(self, count: int) -> int | None:
        """The deviate that a count proves; None below the table."""
        if self.compact:
            level = bisect_right(self.values, count)
            return self.low + (level - 1) * self.step if level else None
        return self.values[count - self.first] if count >= self.first else None

    def lookup(self, count: int, other: int = 0) -> int:
        """The squared radius of a count against the most votes of another class, as ``intrs_radius_squared``."""
        if other > self.n - count or (self.leads is not None and not _leads(self.leads, count, other)):
            return 0
        mine, theirs = self.bound(count), self.bound(self.n - other)
        if mine is None or theirs is None:
            return 0
        twice = max(0, mine + theirs - self.margin)
        return twice * twice // (2 * UNIT) ** 2

    def canonical(self) -> list[object]:
        """Everything it decides by, for hashing."""
        leads = self.leads.totals if self.leads is not None else ()
        return [self.n, self.first, self.low, self.step, self.margin, self.values, leads]


def _leads(leads: PredictTable, count: int, other: int) -> bool:
    return count > other and leads.decides(count, other)


@dataclass(frozen=True)
class _Maker:
    n: int
    share: Fraction
    variance: Fraction
    tv: Fraction

    @cached_property
    def unit(self) -> float:
        """One standard deviation in 1/UNIT lattice steps, about."""
        return UNIT * math.sqrt(float(self.variance))

    @cached_property
    def most(self) -> int:
        """The deviate that n of n votes prove, at most _LARGEST."""
        cap = int(_LARGEST * self.unit)
        found = int(self._claims(-cap).radii(np.array([self.n]))[0])
        return min(cap, found - 1 - cap) if found else -cap

    @cached_property
    def margin(self) -> int:
        """What pays for 2 D, whatever the deviates."""
        return margin_of(max(self.most, 0), self.variance, self.tv)

    def _claims(self, low: int, step: int = 1) -> Claims:
        return Claims(self.n, self.share, BoundRule(self.variance, self.tv, low, step))

    def full(self) -> tuple[int, int, int, Sequence[int]]:
        """first, low, step, values."""
        low = self.margin + 1 - self.most  # below it not even n of n votes prove anything together
        claims = self._claims(low)
        first = claims.least
        found = low - 1 + claims.radii(np.arange(first, self.n + 1))
        return first, 0, 0, np.minimum(found, self.most).tolist()

    def compact(self) -> tuple[int, int, int, Sequence[int]]:
        """first, low, step, values."""
        low = self.margin + 1 - self.most
        step = max(1, ceil_div(self.most - low, _LEVELS))
        levels = np.arange(1, (self.most - low) // step + 2)
        return 0, low, step, self._claims(low, step).counts(levels).tolist()


def margin_of(largest: int, variance: Fraction, tv: Fraction) -> int:
    """What pays for 2 D: more than 2 D / phi(x), x being the largest deviate and 1/4 (theorem 5); in 1/UNIT steps."""
    with mpmath.workdps(_DIGITS):
        sigma = UNIT * mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator)
        x = largest / sigma + mpmath.mpf(1) / 4
        cost = 2 * mpmath.mpf(tv.numerator) / tv.denominator / mpmath.npdf(x)
        if cost > 0.5:
            raise IntrsError(
                f"the sampler's total variation of {float(tv):.1e} is too large for a two-sided certificate: "
                "ask for --certificate one-sided"
            )
        return int(cost * sigma) + 1


def effective(sigma_steps: Fraction, tv: Fraction, dimension: int, rounded: bool) -> tuple[Fraction, Fraction]:
    """The variance of the continuous noise and the distance from it that theorem 5 is used with. Raises IntrsError for
    discrete noise below ``LEAST_STEPS``.
    """
    if not rounded and sigma_steps < LEAST_STEPS:
        raise IntrsError(
            f"a two-sided certificate of discrete noise needs a sigma of {LEAST_STEPS}/255 or more, not "
            f"{float(sigma_steps / 255):g}: take --certificate one-sided or --noise {continuous()}"
        )
    return sigma_steps**2 - (0 if rounded else ROUNDING), tv + (0 if rounded else dimension * ROUNDING_TV)


def two_sided_table(
    n: int, alpha: Fraction, sigma_steps: Fraction, tv: Fraction, dimension: int, rounded: bool, selected: bool
) -> TwoSidedTable:
    """The full table up to ``FULL_TABLE_LIMIT`` samples, else the compact one.

    tv: of the sampler's noise vector from the ideal one. rounded: whether that is a rounded Gaussian; else discrete.
    selected: whether the class is chosen on other samples; else it is the leader of these. Raises IntrsError for
    discrete noise below ``LEAST_STEPS``.
    """
    checked_counts(n, n)
    left = alpha if selected else alpha * (1 - LEADER_SHARE)
    maker = _Maker(n, left / 2, *effective(sigma_steps, tv, dimension, rounded))
    leads = None if selected else predict_table(n, alpha * LEADER_SHARE)
    if 2 * maker.most <= maker.margin:
        return TwoSidedTable(n, 0, 0, 0, maker.margin, (), leads)
    first, low, step, values = maker.full() if n <= FULL_TABLE_LIMIT else maker.compact()
    return TwoSidedTable(n, first, low, step, maker.margin, tuple(values), leads)
