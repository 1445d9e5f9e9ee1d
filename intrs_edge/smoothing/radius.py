# SPDX-License-Identifier: Apache-2.0
"""From a count of votes to a certified squared radius, in lattice steps squared (docs/certificate.md, theorems 1 and
2).

Everything is one question asked of integers: ``needed(L)`` is the probability that proves squared radius L, and
``claims.Claims`` says which counts prove that probability.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from statistics import NormalDist

import mpmath
import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.binomial import (
    ONE,
    SCALE,
    checked_alpha,
    checked_counts,
    clopper_pearson,
    round_down,
    to_scale,
)
from intrs_edge.smoothing.claims import Claims, Ints, Rule
from intrs_edge.smoothing.noise import DiscreteGaussian, exact
from intrs_edge.smoothing.settings import Number
from intrs_edge.smoothing.tails import Floats, Pair, upper_normal

_DIGITS = 60
_NORMAL = NormalDist()


@dataclass(frozen=True)
class SoundRule:
    """Theorem 1 with the sampler's error charged: p_A - 2 D >= Phi(sqrt(L) / s)."""

    sigma_steps: Fraction
    tv: Fraction = Fraction(0)

    @property
    def grid(self) -> Ints | None:
        """See ``Rule``."""
        return None

    def needed(self, squared: int) -> int:
        """See ``Rule``."""
        with mpmath.workdps(_DIGITS):
            x = mpmath.sqrt(squared) * self.sigma_steps.denominator / self.sigma_steps.numerator
            charge = 2 * mpmath.mpf(self.tv.numerator) / self.tv.denominator
            return to_scale(mpmath.ncdf(x) + charge + mpmath.mpf(10) ** -45)

    def pair(self, squared: Ints) -> Pair:
        """See ``Rule``: x is off by 3 U, which moves q by (x phi(x) / Q(x)) 3 U <= 160 U for x <= 7 and so p by less
        than U.
        """
        x = np.sqrt(squared.astype(np.float64)) / float(self.sigma_steps)
        known = x < 7
        tail = upper_normal(np.where(known, x, 0.0))
        q = tail - 2 * float(self.tv)
        known &= q > tail / 3
        return Pair(np.where(known, 1 - q, 1.0), np.where(known, q, 0.0))

    def about(self, bounds: Floats) -> Ints:
        """See ``Rule``."""
        q = np.maximum(1 - bounds + 2 * float(self.tv), 1e-300)
        x = np.array([max(0.0, -_NORMAL.inv_cdf(min(v, 0.5))) for v in q])
        return np.maximum((float(self.sigma_steps) * x) ** 2, 1).astype(np.int64)


@dataclass(frozen=True)
class PaperRule:
    """The published quantile of the 1-D discrete Gaussian, R = inf{k: F(k) >= p_A}. NOT SOUND: for comparison with its
    figures only.
    """

    noise: DiscreteGaussian

    @cached_property
    def grid(self) -> Ints | None:
        """See ``Rule``: the squares."""
        return np.arange(1, self.noise.last + 2, dtype=np.int64) ** 2

    @cached_property
    def _needed(self) -> list[int]:
        """F(k - 1), k = 1 .. last + 1, fixed point, rounded up."""
        with mpmath.workdps(_DIGITS):
            inside, total = [], mpmath.mpf(0)
            for chance in self.noise.magnitudes:
                total += chance
                inside.append(to_scale((1 + total) / 2))
        return inside

    def needed(self, squared: int) -> int:
        """See ``Rule``: R >= k exactly when p_A > F(k - 1)."""
        k = math.isqrt(squared - 1) + 1
        return self._needed[k - 1] if k - 1 <= self.noise.last else ONE

    def pair(self, squared: Ints) -> Pair:
        """See ``Rule``."""
        exact_p = [self.needed(int(v)) for v in squared]
        return Pair(
            np.array([math.ldexp(p, -SCALE) for p in exact_p]), np.array([math.ldexp(ONE - p, -SCALE) for p in exact_p])
        )

    def about(self, bounds: Floats) -> Ints:
        """See ``Rule``: not asked of a rule that has a grid."""
        raise NotImplementedError


def certified_radius_squared(count: int, n: int, alpha: Number, sigma_steps: Number, tv: Number = 0) -> int:
    """floor(R^2), R = s Phi^-1(p_A - 2 tv), p_A the one-sided Clopper-Pearson bound at alpha (docs/certificate.md,
    theorems 1 and 2).

    count: votes of the class among n samples, chosen on others; sigma_steps: s in lattice steps (0.25 of full scale is
    63.75); tv: total variation of the sampler's noise vector. In lattice steps squared; 0 means abstain. Raises
    IntrsError for arguments out of range.
    """
    checked_counts(count, n)
    rule = SoundRule(_positive_sigma(sigma_steps), _checked_tv(tv))
    claims = Claims(n, checked_alpha(alpha), rule)
    return int(claims.radii(np.array([count]))[0]) if 2 * count > n else 0


def certified_radii_squared(n: int, alpha: Number, sigma_steps: Number, tv: Number = 0) -> Ints:
    """``certified_radius_squared`` of every count 0 .. n, int64 ``[n + 1]``, in a few seconds for n = 100 000.

    Raises IntrsError for arguments out of range.
    """
    checked_counts(n, n)
    rule = SoundRule(_positive_sigma(sigma_steps), _checked_tv(tv))
    table = radius_table(n, checked_alpha(alpha), rule, full=True)
    return np.concatenate([np.zeros(n + 1 - len(table.values), np.int64), np.array(table.values, np.int64)])


def certified_radius(count: int, n: int, alpha: Number, sigma: Number, tv: Number = 0) -> float:
    """sigma Phi^-1(p_A - 2 tv), rounded down: the radius in the units of ``sigma`` ([0,1] pixels for 0.25); 0.0 means
    abstain.

    The continuous radius, as published tables print it; the device reports ``certified_radius_squared``. Cohen et al.
    2019, theorem 1. Raises IntrsError for arguments out of range.
    """
    checked_counts(count, n)
    scale, charge = _positive_sigma(sigma), _checked_tv(tv)
    with mpmath.workdps(_DIGITS):
        bound = clopper_pearson(count, n, checked_alpha(alpha)) - 2 * mpmath.mpf(charge.numerator) / charge.denominator
        if bound <= 0.5:
            return 0.0
        x = mpmath.mpf(-NormalDist().inv_cdf(float(1 - bound)))
        for _ in range(6):  # Newton on Phi(x) = bound, through the upper tail so that no digit is lost
            x += (mpmath.ncdf(-x) - (1 - bound)) / mpmath.npdf(x)
        return max(0.0, round_down(x * scale.numerator / scale.denominator))


def _positive_sigma(sigma: Number) -> Fraction:
    value = exact(sigma, "sigma")
    if value <= 0:
        raise IntrsError(f"sigma {sigma} is not positive: give the standard deviation of the noise")
    return value


def _checked_tv(tv: Number) -> Fraction:
    value = exact(tv, "tv")
    if not 0 <= value <= 1:
        raise IntrsError(f"a total variation of {tv} is outside 0 .. 1")
    return value


def next_level(level: int) -> int:
    """The next level of a compact table: 2 % more (1 % in radius), at least 1 more; firmware: ``intrs_next_level``."""
    return level + max(1, level // 50)


@dataclass(frozen=True)
class RadiusTable:
    """The device's table of squared radii for ``n`` samples.

    Full: ``values[count - first]`` is the squared radius, ``first`` the smallest certified count. Compact (``first``
    0): ``values[j]`` is the smallest count that proves level j, levels 1, next_level(1), ... : never optimistic, at
    most 1 % of the radius below.
    """

    n: int
    first: int
    values: tuple[int, ...]

    @property
    def compact(self) -> bool:
        """Whether ``values`` are counts per level rather than radii per count."""
        return self.first == 0

    def lookup(self, count: int, other: int = 0) -> int:
        """The squared radius of a count, exactly as ``intrs_radius_squared`` finds it; ``other``, the most votes of
        another class, does not matter to it.
        """
        if not self.compact:
            return self.values[count - self.first] if count >= self.first else 0
        proved = bisect_right(self.values, count)  # a higher level never needs fewer votes
        return self._levels[proved - 1] if proved else 0

    @cached_property
    def _levels(self) -> tuple[int, ...]:
        """The level of each of ``values``, of a compact table."""
        return tuple(accumulate(range(1, len(self.values)), lambda level, _: next_level(level), initial=1))

    def canonical(self) -> list[object]:
        """Everything it decides by, for hashing."""
        return [self.n, self.first, self.values]


FULL_TABLE_LIMIT = 4096


def radius_table(n: int, alpha: Fraction, rule: Rule, selected: bool = True, full: bool | None = None) -> RadiusTable:
    """The full table (unless told otherwise, up to ``FULL_TABLE_LIMIT`` samples), else the compact one.

    selected: whether the class is chosen on other samples; else it is the leader of these.
    """
    checked_counts(n, n)
    claims = Claims(n, alpha, rule, selected)
    if not (n <= FULL_TABLE_LIMIT if full is None else full):
        return RadiusTable(n, 0, level_counts(claims))
    first = claims.least
    return RadiusTable(n, first, tuple(claims.radii(np.arange(first, n + 1)).tolist()))


def level_counts(claims: Claims) -> tuple[int, ...]:
    """The smallest count that proves each level, for the levels that n samples can prove at all."""
    if claims.least > claims.n:
        return ()
    most = int(claims.radii(np.array([claims.n]))[0])
    levels = [1]
    while next_level(levels[-1]) <= most:
        levels.append(next_level(levels[-1]))
    return tuple(claims.counts(levels).tolist())
