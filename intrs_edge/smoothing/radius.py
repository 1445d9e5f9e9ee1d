"""From a count of votes to a certified squared radius, in lattice steps squared (docs/certificate.md, theorems 1 and
2).

Everything is one question asked of integers: ``needed(L)`` is the probability that proves squared radius L, and a
count proves L exactly when P(Bin(n, needed(L)) >= count) <= alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Protocol

import mpmath

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.binomial import (
    checked_alpha,
    checked_counts,
    clopper_pearson,
    round_down,
    smallest_count,
    tail_at_most,
    to_scale,
)
from intrs_edge.smoothing.noise import DiscreteGaussian, Number, exact

_DIGITS = 60


class Rule(Protocol):
    """Which probability proves which radius."""

    def needed(self, squared: int) -> int:
        """The probability that proves squared radius ``squared`` >= 1 (lattice steps squared): fixed point over 2^256,
        rounded up.
        """
        ...

    def guess(self, bound: mpmath.mpf) -> int:
        """About the squared radius that a lower bound on p_A proves; only a starting point."""
        ...


@dataclass(frozen=True)
class SoundRule:
    """Theorem 1 with the sampler's error charged: p_A - 2 D >= Phi(sqrt(L) / s)."""

    sigma_steps: Fraction
    tv: Fraction = Fraction(0)

    def needed(self, squared: int) -> int:
        """See ``Rule``."""
        with mpmath.workdps(_DIGITS):
            x = mpmath.sqrt(squared) * self.sigma_steps.denominator / self.sigma_steps.numerator
            charge = 2 * mpmath.mpf(self.tv.numerator) / self.tv.denominator
            return to_scale(mpmath.ncdf(x) + charge + mpmath.mpf(10) ** -45)

    def guess(self, bound: mpmath.mpf) -> int:
        """See ``Rule``."""
        above = float(1 - bound) + 2 * float(self.tv)
        if above >= 0.5:
            return 0
        return int((float(self.sigma_steps) * -NormalDist().inv_cdf(above)) ** 2)


@dataclass(frozen=True)
class PaperRule:
    """The published quantile of the 1-D discrete Gaussian, R = inf{k: F(k) >= p_A}. NOT SOUND: for comparison with its
    figures only.
    """

    noise: DiscreteGaussian

    def needed(self, squared: int) -> int:
        """See ``Rule``: R >= k exactly when p_A > F(k - 1)."""
        k = math.isqrt(squared - 1) + 1
        if k - 1 > self.noise.last:
            return 1 << 256
        with mpmath.workdps(_DIGITS):
            return to_scale(self.noise.cdf(k - 1))

    def guess(self, bound: mpmath.mpf) -> int:
        """See ``Rule``."""
        low, high = 0, self.noise.last + 1
        while low < high:  # the first k with F(k) >= bound
            middle = (low + high) // 2
            if middle <= self.noise.last and self.noise.cdf(middle) < bound:
                low = middle + 1
            else:
                high = middle
        return low * low


def squared_radius(count: int, n: int, alpha: Fraction, rule: Rule) -> int:
    """The largest squared radius that ``count`` of ``n`` proves; 0 when it proves none."""
    if 2 * count <= n:
        return 0
    squared = max(0, rule.guess(clopper_pearson(count, n, alpha)))
    while squared > 0 and not tail_at_most(n, count, rule.needed(squared), alpha):
        squared -= 1
    if isinstance(rule, SoundRule):  # the guess is within a few units in 2^53: at most one step up
        while tail_at_most(n, count, rule.needed(squared + 1), alpha):
            squared += 1
    return squared


def certified_radius_squared(count: int, n: int, alpha: Number, sigma_steps: Number, tv: Number = 0) -> int:
    """floor(R^2), R = s Phi^-1(p_A - 2 tv), p_A the one-sided Clopper-Pearson bound at alpha (docs/certificate.md,
    theorems 1 and 2).

    count: votes of the class among n samples; sigma_steps: s in lattice steps (0.25 of full scale is 63.75); tv: total
    variation of the sampler's noise vector. In lattice steps squared; 0 means abstain. Raises IntrsError for arguments
    out of range.
    """
    checked_counts(count, n)
    rule = SoundRule(_positive_sigma(sigma_steps), _checked_tv(tv))
    return squared_radius(count, n, checked_alpha(alpha), rule)


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

    def lookup(self, count: int) -> int:
        """The squared radius of a count, exactly as ``intrs_radius_squared`` finds it."""
        if not self.compact:
            return self.values[count - self.first] if count >= self.first else 0
        squared, level = 0, 1
        for needed in self.values:
            if count < needed:
                break
            squared, level = level, next_level(level)
        return squared


FULL_TABLE_LIMIT = 4096


def radius_table(
    n: int, alpha: Fraction, rule: Rule, progress: Callable[[int, int], None] | None = None
) -> RadiusTable:
    """The full table up to ``FULL_TABLE_LIMIT`` samples, else the compact one."""
    checked_counts(n, n)
    if n > FULL_TABLE_LIMIT:
        return RadiusTable(n, 0, level_counts(n, alpha, rule))
    first = smallest_count(n, rule.needed(1), alpha)
    values = []
    for count in range(first, n + 1):
        values.append(squared_radius(count, n, alpha, rule))
        if progress is not None:
            progress(count - first + 1, n + 1 - first)
    return RadiusTable(n, first if values else n + 1, tuple(values))


def level_counts(n: int, alpha: Fraction, rule: Rule) -> tuple[int, ...]:
    """The smallest count that proves each level, for the levels that n samples can prove at all."""
    counts, level = [], 1
    while (count := smallest_count(n, rule.needed(level), alpha)) <= n:
        counts.append(count)
        level = next_level(level)
    return tuple(counts)
