# SPDX-License-Identifier: Apache-2.0
"""Which counts prove which squared radii, for single counts and for whole tables (docs/certificate.md, section 4).

A class of probability p at most falsely reaches a count with a probability of P(Bin(n, p) >= count) at most. When the
class was selected on other samples, that alone must be at most alpha for p = needed(L). When it is the leader of the
very samples that are counted, the other classes may claim something as well, and their share is added (theorem 3).
Comparisons are made in doubles where their error bounds decide, else in exact integers: the result is that of the
exact integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist
from typing import Protocol

import mpmath
import numpy as np
import numpy.typing as npt

from intrs_edge.smoothing.binomial import ONE, SCALE, Tail, fraction_to_scale
from intrs_edge.smoothing.tails import Floats, Pair, U, exp, log, log_tail, lower_bounds

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_NORMAL = NormalDist()
_NEGLIGIBLE = 60.0  # e^-60 of alpha


class Rule(Protocol):
    """Which probability proves which radius."""

    @property
    def grid(self) -> Ints | None:
        """The squared radii that it tells apart, ascending; None for every integer."""
        ...

    def needed(self, squared: int) -> int:
        """The probability that proves squared radius ``squared`` >= 1 (lattice steps squared): fixed point over 2^256,
        rounded up.
        """
        ...

    def pair(self, squared: Ints) -> Pair:
        """The same for many squared radii in doubles; q is 0 where those know nothing."""
        ...

    def about(self, bounds: Floats) -> Ints:
        """About the squared radii that these lower bounds on p_A prove; only a starting point."""
        ...


def log_of(alpha: Fraction) -> float:
    """log alpha as a double."""
    with mpmath.workdps(40):
        return float(mpmath.log(mpmath.mpf(alpha.numerator) / alpha.denominator))


def search(
    low: Ints, high: Ints, guess: Ints, accepted: Callable[[Ints, Ints], Bools], move: Callable[[Ints, Ints], Floats]
) -> Ints:
    """The smallest integer of (low, high] that is accepted, entry by entry; acceptance never ends above it.

    ``high`` counts as accepted, ``low`` as not. ``accepted(values, entries)`` judges some entries; ``move(values,
    entries)`` says how far the answer is from there, about. What eight steps have not found is halved.
    """
    low, high, value = low.copy(), high.copy(), np.clip(guess, low + 1, high - 1)
    todo, steps = np.flatnonzero(high - low > 1), 0
    while todo.size:
        good = accepted(value[todo], todo)
        high[todo[good]], low[todo[~good]] = value[todo[good]], value[todo[~good]]
        step = np.ceil(move(value[todo], todo))
        value[todo] += np.where(good, np.minimum(step, -1), np.maximum(step, 1)).astype(np.int64)
        todo, steps = todo[high[todo] - low[todo] > 1], steps + 1
        inside = np.clip(value[todo], low[todo] + 1, high[todo] - 1)
        value[todo] = inside if steps < 8 else (low[todo] + high[todo]) // 2
    return high


@dataclass(frozen=True)
class Claims:
    """What counts of ``n`` samples prove with error ``alpha``.

    selected: whether the class was chosen on other samples; else it is the leader of these.
    """

    n: int
    alpha: Fraction
    rule: Rule
    selected: bool = True

    @cached_property
    def least(self) -> int:
        """The smallest count that proves anything, n + 1 for none."""
        return int(self.counts(np.array([1]))[0])

    def proves(self, count: int, squared: int) -> bool:
        """Whether ``count`` proves ``squared``, in exact integers."""
        return self._proves(count, squared, count if squared == 1 else self.least)

    def _proves(self, count: int, squared: int, least: int) -> bool:
        p, limit = self.rule.needed(squared), fraction_to_scale(self.alpha, up=False)
        total = Tail.at(self.n, count, p).total
        if self.selected or p >= ONE:
            return total <= limit
        convex = (count - 1) << SCALE >= (self.n - 1) * p
        return convex and total <= limit and total + Tail.at(self.n, least, ONE - p).total <= limit

    def counts(self, squared: Sequence[int] | Ints) -> Ints:
        """The smallest count that proves each of these squared radii, n + 1 where none does."""
        squared = np.asarray(squared, dtype=np.int64)
        n, (p, q) = self.n, self._floats(squared)
        z = -_NORMAL.inv_cdf(float(self.alpha))
        guess = np.ceil(n * p + z * np.sqrt(n * p * q) + (z * z - 1) * (1 - 2 * p) / 6 + 0.5).astype(np.int64)
        values = np.zeros(len(squared))

        def accepted(counts: Ints, entries: Ints) -> Bools:
            good, values[entries] = self._judge(counts, squared[entries])
            return good

        def move(counts: Ints, entries: Ints) -> Floats:
            ratio = (n - counts) * p[entries] / ((counts + 1) * q[entries])
            step: Floats = values[entries] / -np.log(np.clip(ratio, 1e-300, 0.999))
            return np.clip(step, -n, n)

        some = np.zeros(len(squared), np.int64)
        return search(some, some + n + 1, np.minimum(guess, n), accepted, move)

    def radii(self, counts: Ints) -> Ints:
        """The largest squared radius that each of these counts proves; 0 for none. Ascending counts of at least 1."""
        if self.rule.grid is not None:
            found = np.searchsorted(self.counts(self.rule.grid), counts, side="right")
            return np.concatenate([[0], self.rule.grid])[found]
        result = np.zeros(len(counts), np.int64)
        live = np.flatnonzero(counts >= self.least)
        some = counts[live]
        guess = self.rule.about(_interpolated(some, self.n, self.alpha))
        values = np.zeros(len(some))

        def refused(squared: Ints, entries: Ints) -> Bools:
            good, values[entries] = self._judge(some[entries], squared)
            return ~good

        def move(squared: Ints, entries: Ints) -> Floats:
            here, p, q = some[entries], *self._floats(squared)
            falls = (here / p - (self.n - here) / q) * (self._floats(squared + 1)[0] - p)
            step: Floats = -values[entries] / np.maximum(falls, 1e-9)
            return np.clip(step, -(1 << 30), 1 << 30)

        low = np.ones_like(some)
        result[live] = search(low, low + (1 << 40), guess, refused, move) - 1
        return result

    def _floats(self, squared: Ints) -> tuple[Floats, Floats]:
        """p and q for starting points."""
        pair = self.rule.pair(squared)
        return np.clip(pair.p, 1e-9, 1 - 1e-9), np.clip(pair.q, 1e-9, 1.0)

    def _judge(self, counts: Ints, squared: Ints) -> tuple[Bools, Floats]:
        """Whether each count proves its squared radius; and log(error / alpha), about."""
        pair = self.rule.pair(squared)
        known = pair.q > 0
        n = np.full(len(counts), float(self.n))
        some = counts.astype(np.float64)
        pair = Pair(np.where(known, pair.p, 0.5), np.where(known, pair.q, 0.5))
        value, error = log_tail(n, some, pair)
        unclear = ~known
        bad = np.zeros(len(counts), np.bool_)
        if not self.selected:
            slack, margin = some - 1 - (n - 1) * pair.p, 128 * U * n
            bad |= slack < -margin
            unclear |= abs(slack) <= margin
            value, error = self._with_others(counts, squared, pair, value, error)
        value = value - self._log_alpha
        error = error + 8 * U * abs(self._log_alpha)
        good = (value <= -error) & ~bad
        for i in np.flatnonzero(unclear | ~(bad | (abs(value) > error))):
            least = int(counts[i]) if squared[i] == 1 else self.least
            good[i] = self._proves(int(counts[i]), int(squared[i]), least)
        return good, value

    def _with_others(
        self, counts: Ints, squared: Ints, pair: Pair, value: Floats, error: Floats
    ) -> tuple[Floats, Floats]:
        """Adds what the other classes may claim, which is at least the smallest claim."""
        first = squared == 1
        least = np.where(first, counts, 0 if first.all() else self.least).astype(np.float64)
        # Hoeffding: the tail is at most exp(-2 n (least / n - q)^2) where least > n q
        gap = np.maximum(least / self.n - pair.q, 0)
        some = np.flatnonzero(2 * self.n * gap * gap < _NEGLIGIBLE - self._log_alpha)
        others, other_error = log_tail(np.full(len(some), float(self.n)), least[some], pair.swapped.at(some))
        more = log(1 + exp(others - value[some]))
        value, error = value.copy(), error + 2 * np.exp(-_NEGLIGIBLE)
        value[some] += more
        error[some] = np.maximum(error[some], other_error) + 8 * U * (1 + abs(others) + abs(more))
        return value, error

    @cached_property
    def _log_alpha(self) -> float:
        return log_of(self.alpha)


def _interpolated(counts: Ints, n: int, alpha: Fraction) -> Floats:
    """``lower_bounds`` of many ascending counts, most of them interpolated."""
    error, z = float(alpha), -_NORMAL.inv_cdf(float(alpha))
    if len(counts) < 4000:
        return lower_bounds(counts.astype(np.float64), n, error, z)
    rest = n - counts
    chosen = np.unique(np.concatenate([np.flatnonzero(rest < 500), np.linspace(0, len(counts) - 1, 1500).astype(int)]))
    exact = lower_bounds(counts[chosen].astype(np.float64), n, error, z)

    def width(c: Ints) -> Floats:
        f = c / n
        wide: Floats = np.sqrt(f * (1 - f) / n + 1 / (n * n))
        return wide

    scaled = (counts[chosen] / n - exact) / width(counts[chosen])
    result: Floats = counts / n - np.interp(counts, counts[chosen], scaled) * width(counts)
    return result
