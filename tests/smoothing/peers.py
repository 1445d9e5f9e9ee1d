"""Other procedures that decide R >= r, for comparison: what this project did before, and two that were published.

Each gives, per look, the counts that accept and those below which it is given up.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from intrs_edge.smoothing.binomial import fraction_to_scale, smallest_count
from intrs_edge.smoothing.claims import Claims, Rule

Floats = npt.NDArray[np.float64]


class Procedure(NamedTuple):
    """Looks, and per look the smallest count that accepts and the smallest that is not given up."""

    looks: list[int]
    accept: list[int]
    reject: list[int]


def least(n: int, rule: Rule, squared: int, alpha: Fraction) -> int:
    return int(Claims(n, alpha, rule).counts([squared])[0])


def union(n: int, alpha: Fraction, rule: Rule, squared: int) -> Procedure:
    """This project until now: looks in ratio 1.5, alpha / 2 at the last and alpha / 2 shared by those before it that
    can accept; given up where an image at the edge falls with a probability of 1 % over all looks. After n0 = 100
    samples that select the class.
    """
    first = 50 if n >= 10_000 else 25
    looks, x = [n], Fraction(n) / Fraction(3, 2)
    while x >= first:
        looks.append(math.ceil(x))
        x /= Fraction(3, 2)
    looks.reverse()
    before = len(looks) - 1
    for sharing in range(before, 0, -1):
        share = alpha / 2 / sharing
        if least(looks[before - sharing], rule, squared, share) <= looks[before - sharing]:
            break
    accept = [least(m, rule, squared, share) if i >= before - sharing else m + 1 for i, m in enumerate(looks[:-1])] + [
        least(n, rule, squared, alpha / 2)
    ]
    edge = Fraction(accept[-1], n)
    reject = [
        max(0, m - smallest_count(m, fraction_to_scale(1 - edge, up=True), Fraction(1, 100) / before) + 1)
        for m in looks[:-1]
    ]
    return Procedure(looks, accept, [*reject, 0])


def stages(n: int, alpha: Fraction, rule: Rule, squared: int) -> Procedure:
    """Horvath et al. 2022, algorithm 2 (adaptive sampling): stages of n / 100, n / 10, n, a Bonferroni share of alpha
    each; a stage gives up where its upper bound at that share is below the edge.
    """
    looks = [n // 100, n // 10, n]
    share = alpha / len(looks)
    p = rule.needed(squared)
    accept = [least(m, rule, squared, share) for m in looks]
    # the counts whose upper bound is below p: P(Bin(m, p) <= c) <= share
    reject = [max(0, m - smallest_count(m, (1 << 256) - p, share) + 1) for m in looks]
    return Procedure(looks, accept, [*reject[:-1], 0])


def betting(n: int, alpha: Fraction, rule: Rule, squared: int) -> Procedure:
    """Voracek 2024: a wealth process against p <= p0 and one against p >= p0, each a mixture over p with Jeffreys'
    prior, looked at after every sample; either ends it at 1 / alpha.
    """
    p = rule.needed(squared) / 2**256
    looks = list(range(1, n + 1))
    accept, reject = [], []
    for m in looks:
        c = np.arange(m + 1, dtype=float)
        mixture = gammaln(c + 0.5) + gammaln(m - c + 0.5) - gammaln(c + (m - c) + 1) - math.log(math.pi)
        wealth = mixture - c * math.log(p) - (m - c) * math.log1p(-p)
        above, below = c > m * p, c < m * p
        good = np.flatnonzero(above & (wealth >= -math.log(alpha)))
        bad = np.flatnonzero(below & (wealth >= -math.log(alpha)))
        accept.append(int(good[0]) if good.size else m + 1)
        reject.append(int(bad[-1]) + 1 if bad.size else 0)
    return Procedure(looks, accept, reject)


def gammaln(x: Floats) -> Floats:
    """Stirling's series, after eight steps of the recurrence."""
    shift = np.zeros_like(x)
    for _ in range(8):
        shift += np.log(x)
        x = x + 1
    return (
        (x - 0.5) * np.log(x)
        - x
        + 0.5 * math.log(2 * math.pi)
        + 1 / (12 * x)
        - 1 / (360 * x**3)
        + 1 / (1260 * x**5)
        - 1 / (1680 * x**7)
        - shift
    )


def mean_samples(plan: Procedure, p: Floats) -> tuple[float, float]:
    """Expected samples and share accepted, exact, for one class of probability p each; the mean over ``p``."""
    used = accepted = 0.0
    for chance, times in zip(*np.unique(p, return_counts=True), strict=True):
        alive, low, before = np.ones(1), 0, 0
        for m, good, bad in zip(*plan, strict=True):
            if not alive.size:
                break
            used += times * (m - before) * float(alive.sum())
            first, chances = increments(m - before, chance)
            alive, low = np.convolve(alive, chances), low + first
            counts = np.arange(low, low + len(alive))
            taken = counts >= good
            accepted += times * float(alive[taken].sum())
            alive = np.where(taken | (counts < bad), 0, alive)
            some = np.flatnonzero(alive > 1e-14)
            alive, low = (alive[some[0] : some[-1] + 1], low + int(some[0])) if some.size else (np.ones(0), 0)
            before = m
    return used / len(p), accepted / len(p)


def error_probability(plan: Procedure, p: float, leader: bool) -> float:
    """The probability that a class of probability p is ever accepted; a leader's plan gives up on every class at
    once.
    """
    alive, low, before, wrong = np.ones(1), 0, 0, 0.0
    for m, good, bad in zip(*plan, strict=True):
        first, chances = increments(m - before, p)
        alive, low, before = np.convolve(alive, chances), low + first, m
        counts = np.arange(low, low + len(alive))
        wrong += float(alive[counts >= good].sum())
        lost = (counts < bad) & (counts > m - bad) if leader else counts < bad
        alive = np.where((counts >= good) | lost, 0, alive)
    return wrong


def increments(n: int, p: float) -> tuple[int, Floats]:
    """The first count that matters and the binomial probabilities from it on, nine deviations each way."""
    reach = 9 * (n * p * (1 - p)) ** 0.5 + 9
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = gammaln(np.array([n + 1.0])) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
        logs += np.where(k > 0, k * np.log(p), 0) + np.where(k < n, (n - k) * np.log1p(-p), 0)
    return int(k[0]), np.exp(logs)
