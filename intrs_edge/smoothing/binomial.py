# SPDX-License-Identifier: Apache-2.0
"""Binomial tails that are never too small, and the exact one-sided Clopper-Pearson bound that rests on them.

A tail is summed upward in 256-bit fixed point with every rounding upward; its first term is computed in 60 digits and
enlarged by 1e-40. So ``tail <= alpha`` here implies it in the reals, and a count, a bound or a radius derived from it
is never optimistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

import mpmath
import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.settings import Number
from intrs_edge.smoothing.tails import lower_bounds

_DIGITS = 60
SCALE = 256
ONE = 1 << SCALE
_NORMAL = NormalDist()


def checked_alpha(alpha: Number) -> Fraction:
    """alpha as a Fraction; IntrsError unless 1e-30 <= alpha < 1/2."""
    value = exact(alpha, "alpha")
    if not Fraction(1, 10**30) <= value < Fraction(1, 2):
        raise IntrsError(
            f"alpha {alpha} is outside 1e-30 .. 0.5: give the probability of a false certificate, such as 0.001"
        )
    return value


def checked_counts(count: int, n: int) -> None:
    """Raises IntrsError unless 0 <= count <= n and 1 <= n <= 10^8."""
    if not 1 <= n <= 10**8:
        raise IntrsError(f"{n} samples are outside 1 .. 100000000: choose n in that range")
    if not 0 <= count <= n:
        raise IntrsError(f"a count of {count} is outside 0 .. {n}: it must be a number of those samples")


@lru_cache(maxsize=8)
def _log_factorial(n: int) -> mpmath.mpf:
    with mpmath.workdps(_DIGITS):
        return mpmath.loggamma(n + 1)


def _log_choose(n: int, k: int) -> mpmath.mpf:
    return _log_factorial(n) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)


def to_scale(p: mpmath.mpf) -> int:
    """A probability as fixed point, rounded up (a larger p has the larger upper tail)."""
    with mpmath.workdps(_DIGITS + 30):
        return int(mpmath.ceil(mpmath.ldexp(p, SCALE)))


def fraction_to_scale(p: Fraction, up: bool) -> int:
    """A Fraction as fixed point, rounded up or down."""
    return -((-p.numerator << SCALE) // p.denominator) if up else (p.numerator << SCALE) // p.denominator


@dataclass
class Tail:
    """P(Bin(n, p) >= count) from above, and the term at count: integers over 2^256."""

    n: int
    p: int
    count: int
    term: int
    total: int

    @classmethod
    def at(cls, n: int, count: int, p: int) -> Tail:
        """The tail at a count; where the count is not above n p it is at least a half, and 1 is returned for it."""
        if count <= 0 or p >= ONE or count << SCALE <= n * p:
            return cls(n, p, count, ONE, ONE)
        if p <= 0:
            return cls(n, p, count, 0, 0)
        with mpmath.workdps(_DIGITS):
            x = mpmath.ldexp(mpmath.mpf(p), -SCALE)
            log_term = _log_choose(n, count) + count * mpmath.log(x) + (n - count) * mpmath.log1p(-x)
            first = mpmath.exp(log_term) * (1 + mpmath.mpf(10) ** -40)
            term = min(ONE, int(mpmath.ceil(mpmath.ldexp(first, SCALE))))
        tail = cls(n, p, count, term, 0)
        tail.total = tail._sum()
        return tail

    def _sum(self) -> int:
        k, term, total, q = self.count, self.term, self.term, ONE - self.p
        while k < self.n:
            up, down = (self.n - k) * self.p, (k + 1) * q
            if term < 1 << 100:  # what is left is below a geometric series of this ratio, which only falls
                return total + term * up // (down - up) + 1
            term = term * up // down + 1
            total += term
            k += 1
        return total

    def down(self) -> Tail:
        """The tail at count - 1, again from above."""
        k = self.count
        term = self.term * k * (ONE - self.p) // ((self.n - k + 1) * self.p) + 1
        return Tail(self.n, self.p, k - 1, term, self.total + term)


def tail_at_most(n: int, count: int, p: int, alpha: Fraction) -> bool:
    """Whether P(Bin(n, p) >= count) <= alpha is proved; p is fixed point (``to_scale``)."""
    return Tail.at(n, count, p).total <= fraction_to_scale(alpha, up=False)


def smallest_count(n: int, p: int, alpha: Fraction) -> int:
    """The smallest count with P(Bin(n, p) >= count) <= alpha; n + 1 when there is none."""
    if p <= 0:
        return 1
    limit = fraction_to_scale(alpha, up=False)
    x = min(1.0, p / ONE)
    z = -_NORMAL.inv_cdf(float(alpha))
    spread = math.sqrt(n * x * (1 - x))
    guess = n * x + z * spread + (z * z - 1) * (1 - 2 * x) / 6 + 1
    count = min(n, max(1, math.ceil(guess)))
    tail = Tail.at(n, count, p)
    while tail.total > limit:
        if tail.count == n:
            return n + 1
        tail = Tail.at(n, min(n, tail.count + 1 + tail.count // 5000), p)
    while tail.count > 1 and ((tail.count - 1) << SCALE) > n * p:
        lower = tail.down()
        if lower.total > limit:
            break
        tail = lower
    return tail.count


def clopper_pearson(count: int, n: int, alpha: Fraction) -> mpmath.mpf:
    """The one-sided lower bound to 40 digits: the p with P(Bin(n, p) >= count) = alpha, by Newton's method on the
    logarithm of the tail.
    """
    with mpmath.workdps(_DIGITS):
        target = mpmath.mpf(alpha.numerator) / alpha.denominator
        if count == 0:
            return mpmath.mpf(0)
        if count == n:
            return mpmath.exp(mpmath.log(target) / n)
        start = lower_bounds(np.array([float(count)]), n, float(alpha), -_NORMAL.inv_cdf(float(alpha)))
        x = mpmath.mpf(float(start[0]))
        log_target = mpmath.log(target)
        for _ in range(60):
            tail = Tail.at(n, count, to_scale(x))
            value, term = mpmath.ldexp(mpmath.mpf(tail.total), -SCALE), mpmath.ldexp(mpmath.mpf(tail.term), -SCALE)
            # d/dp P(Bin(n,p) >= count) = count * pmf(count) / p
            step = (mpmath.log(value) - log_target) * value * x / (count * term)
            x = min(max(x - step, x / 2), (x + mpmath.mpf(count) / n) / 2)
            if abs(step) < x * mpmath.mpf(10) ** -25:  # quadratic: the next error is below 1e-45
                return x
        raise ArithmeticError(f"the Clopper-Pearson bound of {count} of {n} at {alpha} did not converge")


def round_down(x: mpmath.mpf) -> float:
    """The largest double not above x (less 1e-38 relative, for what a 40-digit x may lack)."""
    with mpmath.workdps(_DIGITS):
        x = x - abs(x) * mpmath.mpf(10) ** -38
        value = float(x)
        return value if mpmath.mpf(value) <= x else math.nextafter(value, -math.inf)


def lower_confidence_bound(count: int, n: int, alpha: Number) -> float:
    """The exact one-sided Clopper-Pearson bound, rounded down: p >= bound with confidence 1 - alpha.

    count of n independent samples had the class; alpha is the allowed error. Raises IntrsError for counts outside 0 ..
    n or an alpha outside 1e-30 .. 0.5. Clopper and Pearson 1934.
    """
    checked_counts(count, n)
    return round_down(clopper_pearson(count, n, checked_alpha(alpha)))
