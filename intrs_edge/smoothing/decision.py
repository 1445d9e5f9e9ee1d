# SPDX-License-Identifier: Apache-2.0
"""Deciding R >= r with few samples: looks by dynamic programming, their error proved (docs/certificate.md, section 5).

Which counts accept, reject or go on is a matter of cost: it is found by Bayes backward induction in doubles. What the
plan may err is a matter of proof: ``crossing`` adds up every path of counts that accepts, in positive doubles whose
error is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np

from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.binomial import ONE, SCALE
from intrs_edge.smoothing.claims import Claims, Rule
from intrs_edge.smoothing.tails import Floats, Pair, U, exp, log, log_binomial, log_tail

# at most so many looks, each so much later than the one before: 24 bytes a look on the device, below 1 KiB
MOST_LOOKS = 40
_RATIOS = tuple(Fraction(r) for r in ("6/5", "5/4", "4/3", "3/2", "2"))
# the distribution of p that the costs are weighed by: 60 % spread over .3 .. 1, the rest towards 1. It resembles what
# networks show at every sigma; another one costs samples, never soundness
_SPREAD, _SPREAD_POINTS, _LARGE_POINTS = 0.6, 70, 15
# a true claim that is not made costs as much as this many times n samples
_LOSS = 3.0
# what is left out of the sums, as a share of alpha; they have less than 10^7 terms
_OUTSIDE = 1e-15


def schedule(n: int) -> list[int]:
    """The looks: n, n / ratio, ... down to 20 samples (40 from n = 10 000 on), ascending."""
    least = 20 if n < 10_000 else 40
    for ratio in _RATIOS:
        samples, x = [n], n / ratio
        while x >= least:
            samples.append(ceil_div(x.numerator, x.denominator))
            x /= ratio
        if len(samples) <= MOST_LOOKS:
            break
    return samples[::-1]


@lru_cache(maxsize=4096)
def _increments(samples: int, p: float, q: float, small: float) -> tuple[int, Floats]:
    """The least count that matters, and the probabilities of it and those after it; all others together have less than
    2 ``small``.
    """
    reach = (-2 * np.log(small) * samples * p * q) ** 0.5 + 20
    while True:
        low, high = max(0, int(samples * p - reach)), min(samples, int(samples * p + reach) + 1)
        size = np.array([samples, samples])
        outer = np.array([float(high + 1), float(samples - low + 1)])
        value, error = log_tail(size, np.minimum(outer, samples), Pair(np.array([p, q]), np.array([q, p])))
        if (exp(value + error)[outer <= samples] < small).all():
            break
        reach *= 2
    k = np.arange(low, high + 1, dtype=np.float64)
    size = np.full(len(k), float(samples))
    pair = Pair(np.full(len(k), p), np.full(len(k), q))
    none = samples * log(pair.q)
    return low, exp(np.where(k > 0, log_binomial(size, np.maximum(k, 1.0), pair), none))


def crossing(
    looks: list[int], accept: list[int], reject: list[int], p: float, q: float, leader: bool, small: float
) -> float:
    """An upper bound on the probability that a class of probability p (q = 1 - p) is ever accepted.

    It is accepted at the first look where its count is at least ``accept``, unless the certification was given up
    before: for a class that was selected, where its count was below ``reject``; for a leader, where every class's count
    was, which needs its own to be below ``reject`` and above the samples less ``reject``. All terms are positive: a
    look adds U (1024 samples + 2^14) of relative error by its probabilities and the number of its terms by the sums.
    Single probabilities below ``small`` are not followed but added to the bound.
    """
    low, alive, before, wrong, outside, terms = 0, np.ones(1), 0, 0.0, 0.0, 0
    for samples, least, give_up in zip(looks, accept, reject, strict=True):
        first, chances = _increments(samples - before, p, q, small)
        terms += min(len(alive), len(chances)) + len(alive) + len(chances)
        alive, low, before = np.convolve(alive, chances), low + first, samples
        outside += 2 * small
        counts = np.arange(low, low + len(alive))
        accepted = counts >= least
        wrong += float(alive[accepted].sum())
        given_up = counts < give_up
        if leader:
            given_up &= counts > samples - give_up
        alive = np.where(accepted | given_up, 0.0, alive)
        some = np.flatnonzero(alive > small)
        outside += len(alive) * small
        if not some.size:
            break
        alive, low = alive[some[0] : some[-1] + 1], low + int(some[0])
    return wrong * (1 + U * (2048 * looks[-1] + len(looks) * 2.0**15 + 4 * terms)) + outside


def convex_from(samples: int, p: int) -> int:
    """The smallest count c from which on x^c (1-x)^(samples-c) is convex on [0, p], p fixed point over 2^256: where c
    is a standard deviation above its mean, (c - m p)^2 (m - 1) >= c (m - c).
    """
    low, high = (samples * p >> SCALE), samples  # at all samples it is convex
    while high - low > 1:
        c = (low + high) // 2
        above = (c << SCALE) - samples * p
        if above > 0 and above * above * (samples - 1) >= (c * (samples - c)) << (2 * SCALE):
            high = c
        else:
            low = c
    return high


@dataclass(frozen=True)
class Decision:
    """The plan that decides whether ``squared`` is certified: per look its samples, the count that accepts (samples +
    1: none) and the one below which it is given up; the last look is at n. ``error``: proved, at most alpha.
    """

    looks: tuple[int, ...]
    accept: tuple[int, ...]
    reject: tuple[int, ...]
    error: float


@dataclass(frozen=True)
class Designer:
    """Finds the plan of one decision."""

    n: int
    alpha: Fraction
    rule: Rule
    squared: int
    selected: bool

    @cached_property
    def looks(self) -> list[int]:
        """Samples at each look."""
        return schedule(self.n)

    @cached_property
    def _p(self) -> int:
        return self.rule.needed(self.squared)

    @property
    def _small(self) -> float:
        return _OUTSIDE * float(self.alpha)

    @cached_property
    def _null(self) -> tuple[float, float]:
        """p and q at the edge as doubles, p rounded up."""
        q = (ONE - self._p) / ONE
        return float(np.nextafter(self._p / ONE, 2)), q

    def error(self, accept: list[int], reject: list[int]) -> float:
        """An upper bound on the probability of a false claim, whatever the probabilities of the classes (theorem 4)."""
        p, q = self._null
        own = crossing(self.looks, accept, reject, p, q, not self.selected, self._small)
        return own if self.selected else own + self._others(accept)

    def _others(self, accept: list[int]) -> float:
        """What classes may claim that have what the class at the edge leaves."""
        p, q = self._null
        m, c = np.array(self.looks), np.array(accept, dtype=np.float64)
        m, c = m[c <= m], c[c <= m]
        value, error = log_tail(m, c, Pair(np.full(len(m), q), np.full(len(m), p)))
        union = float(exp(value + error).sum())
        if union < 1e-5 * float(self.alpha):
            return union
        return crossing(self.looks, accept, [0] * len(accept), q, p, False, self._small)

    def _sound(self, accept: list[int], reject: list[int]) -> tuple[list[int], list[int], float]:
        """The counts, made such that theorem 4 applies, and their error."""
        accept = [max(a, c) for a, c in zip(accept, self._least, strict=True)]
        # where success has become impossible, there is nothing to go on for
        final = accept[-1]
        reject = [max(r, final - (self.n - m)) for r, m in zip(reject, self.looks, strict=True)]
        reject = [min(r, a) for r, a in zip(reject, accept, strict=True)]
        reject[-1] = 0
        return accept, reject, self.error(accept, reject)

    @cached_property
    def _least(self) -> list[int]:
        """No look accepts fewer: for a leader, where theorem 4 applies; else only at the last look, its mean at the
        edge, because a plan that decides everything before it would leave it any count.
        """
        if not self.selected:
            return [convex_from(m, self._p) for m in self.looks]
        return [0] * (len(self.looks) - 1) + [self.n * self._p >> SCALE]

    def design(self) -> Decision | None:
        """The plan, None where not even n of n proves anything."""
        final = int(Claims(self.n, self.alpha, self.rule, self.selected).counts([self.squared])[0])
        if final > self.n:
            return None
        only_last = [m + 1 for m in self.looks[:-1]] + [final]
        best = self._sound(only_last, [0] * len(self.looks))
        if len(self.looks) > 1:
            low, high = 0.0, 48.0
            for _ in range(13):  # the smallest price of an error, as a power of two, that keeps it at most alpha
                middle = (low + high) / 2
                trial = self._sound(*self._induced(float(exp(np.array([middle * 0.6931471805599453]))[0])))
                if trial[2] <= float(self.alpha):
                    best, high = trial, middle
                else:
                    low = middle
            best = self._filled(*best)
        accept, reject, error = best
        if error > float(self.alpha):  # the convexity of theorem 4, or the last digit: one more agreeing sample
            return self._stricter(accept, reject)
        return Decision(tuple(self.looks), tuple(accept), tuple(reject), error)

    def _filled(self, accept: list[int], reject: list[int], error: float) -> tuple[list[int], list[int], float]:
        """What alpha is left goes to the last look: its smallest count whose error, which falls with the count, is at
        most alpha. Steps that double, then halves: a large n has thousands of counts to give away.
        """
        best, step = (accept, reject, error), 1
        while True:
            trial = self._sound([*best[0][:-1], best[0][-1] - step], reject)
            if trial[2] > float(self.alpha) or trial[0] == best[0]:
                break
            best, step = trial, 2 * step
        while step > 1:
            step //= 2
            trial = self._sound([*best[0][:-1], best[0][-1] - step], reject)
            if trial[2] <= float(self.alpha):
                best = trial
        return best

    def _stricter(self, accept: list[int], reject: list[int]) -> Decision | None:
        while accept[-1] < self.n:
            accept, reject, error = self._sound([*accept[:-1], accept[-1] + 1], reject)
            if error <= float(self.alpha):
                return Decision(tuple(self.looks), tuple(accept), tuple(reject), error)
        return None

    # --- Bayes backward induction, in units of the likelihood at the edge

    @cached_property
    def _grids(self) -> list[tuple[int, Floats, Floats]]:
        """Per look the first count of interest, and for it and those after it the weight of all p and of those whose
        claim is true.
        """
        p0, q0 = self._null
        spread = 0.3 + 0.7 * (np.arange(_SPREAD_POINTS) + 0.5) / _SPREAD_POINTS
        large = 1 - exp(-2.3 - 0.55 * np.arange(_LARGE_POINTS))
        p = np.concatenate([spread, large])
        weight = np.concatenate(
            [
                np.full(_SPREAD_POINTS, _SPREAD / _SPREAD_POINTS),
                np.full(_LARGE_POINTS, (1 - _SPREAD) / _LARGE_POINTS),
            ]
        )
        gain, drop = log(p / p0), log((1 - p) / q0)
        true = p > p0
        grids = []
        for m in self.looks:
            reach = 9 * (m * p0 * q0) ** 0.5 + 10
            low, high = max(0, int(m * p0 - reach)), min(m, int(m * p0 + reach))
            counts = np.arange(low, high + 1, dtype=np.float64)[:, None]
            ratios = weight * exp(np.minimum(counts * gain + (m - counts) * drop, 600.0))
            grids.append((low, ratios.sum(axis=1), ratios[:, true].sum(axis=1)))
        return grids

    @cached_property
    def _steps(self) -> list[tuple[int, Floats]]:
        """Between each look and the next: what the count at the edge grows by."""
        p, q = self._null
        return [_increments(b - a, p, q, self._small) for a, b in zip(self.looks, self.looks[1:], strict=False)]

    def _induced(self, price: float) -> tuple[list[int], list[int]]:
        """The counts that accept and reject at the least expected cost, a false claim costing ``price``."""
        accept, reject = [0] * len(self.looks), [0] * len(self.looks)
        after: Floats = np.zeros(0)
        after_low = 0
        for i in range(len(self.looks) - 1, -1, -1):
            low, every, true = self._grids[i]
            given_up = _LOSS * self.n * true
            value = np.minimum(given_up, price)
            if i < len(self.looks) - 1:
                first, chances = self._steps[i]
                wanted = np.arange(low + first, low + first + len(every) + len(chances) - 1) - after_low
                known = after[np.clip(wanted, 0, len(after) - 1)]
                expected = np.correlate(np.where(wanted >= len(after), price, known), chances, "valid")
                value = np.minimum(value, (self.looks[i + 1] - self.looks[i]) * every + expected)
            accepting = np.flatnonzero(value >= price)
            rejecting = np.flatnonzero((value >= given_up) & (given_up < price))
            accept[i] = low + int(accepting[0]) if accepting.size else self.looks[i] + 1
            reject[i] = low + int(rejecting[-1]) + 1 if rejecting.size else 0
            after, after_low = value, low
        return accept, reject
