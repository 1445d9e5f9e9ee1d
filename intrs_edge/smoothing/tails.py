# SPDX-License-Identifier: Apache-2.0
"""Binomial and normal tails of whole arrays in doubles, with proved bounds on what they may be off.

Only +, -, *, / and sqrt are used, which IEEE 754 rounds correctly, and tables that are rounded from 40 digits; so the
bounds below are those of the arithmetic, whatever the machine's mathematical library does. ``U`` is half a unit in the
last place of 1. Where a bound does not decide, the caller asks ``binomial.Tail``, which is exact; so no result depends
on the bounds being small, and much of the speed does.

``log``: x = m 2^e, m in [1/2, 1), t the nearest odd 1024th to m, and log x = e log 2 + log t + log(1 + (m - t) / t),
the last by six terms of its series (|r| <= 2^-9, remainder below 2^-65). Each of the four sums rounds by at most U (1 +
|log x|): off by less than 4 U (1 + |log x|).

``exp``: 2^k times the series of e^r to r^13, |r| <= .35; relative error below 4 U (1 + |y|), most of it from k log 2.

``upper_normal``: Q(x) = P(N(0,1) > x), 0 <= x <= 7, from the nearest 64th x_0 by Taylor's series with Hermite's
polynomials to the ninth power of h = x - x_0 (|h x| <= .06): the terms after the first add up to less than a tenth of
Q, so their roundings are small beside the first's; relative error below 16 U.

``log_tail``: with d(k) = 1/(12 k) - 1/(360 k^3) + ... , Stirling's correction (its series is enveloping),
log pmf = c log(n p / c) + (n-c) log(n q / (n-c)) + log(n / (2 pi c (n-c))) / 2 + d(n) - d(c) - d(n-c).
The arguments of the logarithms round by 3 U, the logarithms by 4 U (1 + |log|), and c |log(n p / c)| is at most
|log pmf| + n / 2: together below U (32 n + 8 |log pmf|). The tail is the pmf times a sum of products of ratios, all
positive: j factors round by 6 j U, and there are n at most. What p itself is off by dp moves the logarithm of the tail
by dp c / (p S), S >= 1 being that sum: by the tolerances of ``Pair`` at most 32 n U for p >= 1/2, and 512 n U below.
Altogether less than U (1024 n + 64 |log tail| + 4096), which is 1.2e-8 for n = 100 000.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import mpmath
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
U = 2.0**-53
_DIGITS = 40
_NODES, _REACH = 64, 7
_ROWS, _TERMS = 128, 256


@dataclass(frozen=True)
class Pair:
    """Probabilities p and q = 1 - p as doubles, each off by at most 16 U, and by at most 512 U relatively."""

    p: Floats
    q: Floats

    @property
    def swapped(self) -> Pair:
        """The complements."""
        return Pair(self.q, self.p)

    def at(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Pair:
        """Some of them."""
        return Pair(self.p[index], self.q[index])


@cache
def _log_table() -> tuple[Floats, Floats]:
    nodes = (2 * np.arange(256, 512) + 1) / 1024
    with mpmath.workdps(_DIGITS):
        return nodes, np.array([float(mpmath.log(mpmath.mpf(float(t)))) for t in nodes])


_LN2 = 0.6931471805599453


def log(x: Floats) -> Floats:
    """The natural logarithm of positive normal numbers, off by less than 4 U (1 + |log x|)."""
    m, e = np.frexp(x)
    nodes, logs = _log_table()
    k = np.minimum((m * 512).astype(np.int64), 511) - 256
    t = nodes[k]
    r = (m - t) / t
    tail = r - r * r * (1 / 2 - r * (1 / 3 - r * (1 / 4 - r * (1 / 5 - r / 6))))
    result: Floats = e * _LN2 + (logs[k] + tail)
    return result


def exp(y: Floats) -> Floats:
    """e^y for -700 <= y <= 700, relatively off by less than 4 U (1 + |y|); 0 for smaller y."""
    inside = np.clip(y, -700.0, 700.0)
    k = np.rint(inside / _LN2)
    r = inside - k * _LN2
    total = np.ones_like(r)
    for i in range(13, 0, -1):
        total = 1 + r * total / i
    return np.where(y < -700.0, 0.0, np.ldexp(total, k.astype(np.int64)))


@cache
def _normal_table() -> tuple[Floats, Floats]:
    with mpmath.workdps(_DIGITS):
        nodes = [mpmath.mpf(i) / _NODES for i in range(_NODES * _REACH + 1)]
        return (
            np.array([float(mpmath.ncdf(-x)) for x in nodes]),
            np.array([float(mpmath.npdf(x)) for x in nodes]),
        )


def upper_normal(x: Floats) -> Floats:
    """P(N(0, 1) > x) for 0 <= x <= 7, relatively off by less than 16 U."""
    tails, densities = _normal_table()
    k = np.rint(x * _NODES).astype(np.int64)
    node = k / _NODES
    h = x - node
    # Q(x_0 + h) = Q(x_0) - phi(x_0) sum_j He_j(x_0) (-1)^j h^(j+1) / (j+1)!
    before, hermite = np.zeros_like(h), np.ones_like(h)
    power, total = h.copy(), h.copy()
    for j in range(1, 9):
        before, hermite = hermite, node * hermite - (j - 1) * before
        power = -power * h / (j + 1)
        total += hermite * power
    result: Floats = tails[k] - densities[k] * total
    return result


@cache
def _corrections() -> Floats:
    """Stirling's correction d(k), k = 0 .. 31 (0 stands for no factor at all)."""
    with mpmath.workdps(_DIGITS):
        exact = [
            mpmath.loggamma(k + 1) - (k + mpmath.mpf(1) / 2) * mpmath.log(k) + k - mpmath.log(2 * mpmath.pi) / 2
            for k in range(1, 32)
        ]
    return np.array([0.0, *map(float, exact)])


def _correction(k: Floats) -> Floats:
    v = np.maximum(k, 1.0)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * v * v)) / (v * v)) / (v * v)) / v
    result: Floats = np.where(k < 32, _corrections()[np.minimum(k, 31).astype(np.int64)], series)
    return result


def log_binomial(n: Floats, count: Floats, pair: Pair) -> Floats:
    """log P(Bin(n, p) = count), 1 <= count <= n; off as ``log_tail``."""
    rest = n - count
    some = rest > 0
    safe = np.where(some, rest, 1.0)
    found = count * log(n * pair.p / count)
    more = safe * log(n * pair.q / safe) + log(n / (2 * np.pi * count * safe)) / 2
    more += _correction(n) - _correction(count) - _correction(rest)
    result: Floats = found + np.where(some, more, 0.0)
    return result


def log_tail(n: Floats, count: Floats, pair: Pair) -> tuple[Floats, Floats]:
    """log P(Bin(n, p) >= count) and a bound on its error, where count is an integer above n p and at most n.

    All arguments are arrays of one length. Elsewhere (count <= n p) the tail is taken to be 1.
    """
    low = count <= n * pair.p
    n, count = n.astype(np.float64), np.maximum(count, 1.0)
    result = log_binomial(n, count, pair) + log(_series(n, count, pair.p / pair.q, low))
    result = np.where(low, 0.0, result)
    return result, U * (1024 * n + 64 * np.abs(result) + 4096)


def lower_bounds(counts: Floats, n: int, alpha: float, z: float) -> Floats:
    """Clopper and Pearson's lower bounds at error ``alpha`` to about ten digits, without a bound on their own error.

    By Newton's method on the logarithm of the tail; counts of 1 .. n; z: the normal deviate of alpha.
    """
    f, size, log_alpha = counts / n, np.full(len(counts), float(n)), np.log(alpha)
    centre, half = f + z * z / (2 * n), z * np.sqrt(f * (1 - f) / n + z * z / (4 * n * n))
    p: Floats = np.clip((centre - half) / (1 + z * z / n), f * 1e-9, f * (1 - 1e-9))
    for _ in range(60):
        pair = Pair(p, np.maximum(1 - p, 1e-300))
        value, _ = log_tail(size, counts, pair)
        # d/dp P(Bin(n,p) >= c) = c pmf(c) / p, on a scale (log p) where the tail is nearly linear
        gain = counts * np.exp(log_binomial(size, counts, pair) - value)
        after = np.minimum(p * np.exp(np.clip((log_alpha - value) / gain, -1.0, 1.0)), (p + f) / 2)
        if (abs(after - p) <= 1e-13 * p).all():
            break
        p = after
    return p


def _series(n: Floats, count: Floats, odds: Floats, skip: npt.NDArray[np.bool_]) -> Floats:
    """1 + r_c + r_c r_(c+1) + ..., r_k = (n-k) p / ((k+1) q): the tail over its first term."""
    sums = np.ones(len(n))
    todo = np.flatnonzero(~skip & (count < n))
    for start in range(0, len(todo), _ROWS):
        rows = todo[start : start + _ROWS]
        last, k = np.ones(len(rows)), count[rows]
        while rows.size:
            steps = k[:, None] + np.arange(_TERMS)
            ratios = np.maximum(n[rows, None] - steps, 0) * odds[rows, None] / (steps + 1)
            products = last[:, None] * np.cumprod(ratios, axis=1)
            sums[rows] += products.sum(axis=1)
            last, k = products[:, -1], k + _TERMS
            # what is left is at most last r / (1 - r) <= last n / (k - n p), and k - n p is at least 1 by then: below
            # n U of the sum
            going = last > 2.0**-56 * sums[rows]
            rows, last, k = rows[going], last[going], k[going]
    return sums
