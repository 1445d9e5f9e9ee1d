# SPDX-License-Identifier: Apache-2.0
"""Group-sequential certification: the same alpha from fewer samples (docs/certificate.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError, several
from intrs_edge.smoothing.binomial import checked_alpha
from intrs_edge.smoothing.claims import Claims, Rule
from intrs_edge.smoothing.decision import Designer
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.radius import SoundRule, level_counts, next_level
from intrs_edge.smoothing.results import Stop, lattice_squared
from intrs_edge.smoothing.settings import Number

Floats = npt.NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Look:
    """One checkpoint, in integers.

    ``samples`` so far. ``accept[k]`` is the smallest count that proves level k, the levels starting at squared radius
    ``squared`` (lattice steps squared) and going on by ``next_level``; a count above ``ceiling`` goes on all the same
    (not precise yet). A count below ``reject`` is given up.
    """

    samples: int
    reject: int
    ceiling: int
    squared: int
    accept: tuple[int, ...]

    def proved(self, count: int) -> int:
        """The squared radius that a count proves at this look; 0 for none."""
        squared, level = 0, self.squared
        for needed in self.accept:
            if count < needed:
                break
            squared, level = level, next_level(level)
        return squared


@dataclass(frozen=True)
class SequentialPlan:
    """The looks of one certification, the last of them at all samples.

    Made by ``for_target``, whose error is added up exactly, or by ``for_precision``, whose looks share alpha
    (docs/certificate.md, section 5).
    """

    looks: tuple[Look, ...]

    @classmethod
    def for_target(
        cls, n: int, alpha: Number, sigma: Number, radius: Number, tv: Number = 0, selected: bool = False
    ) -> SequentialPlan:
        """Decides R >= radius from at most n samples with error alpha.

        sigma and radius in [0,1] pixels; tv: total variation of the sampler's noise vector; selected: whether the class
        is chosen on other samples. Raises IntrsError for a radius below one lattice step or out of reach of n samples.
        """
        steps = 255 * exact(sigma, "sigma")
        rule = SoundRule(steps, exact(tv, "tv"))
        return target_plan(n, checked_alpha(alpha), rule, exact(radius, "target radius"), steps, selected)

    @classmethod
    def for_precision(
        cls, n: int, alpha: Number, sigma: Number, precision: Number, tv: Number = 0, selected: bool = False
    ) -> SequentialPlan:
        """Reports a radius to ``precision`` (0.1 is 10 %, 0.02 .. 0.5) from at most n samples with error alpha; units
        as above.
        """
        rule = SoundRule(255 * exact(sigma, "sigma"), exact(tv, "tv"))
        return precision_plan(n, checked_alpha(alpha), rule, exact(precision, "precision"), selected)

    def decide(self, index: int, count: int, other: int = 0) -> tuple[Stop, int] | None:
        """(stop, squared radius) when look ``index`` ends the certification at this count, else None; exactly as
        ``intrs_certify`` does. other: the most votes of another class, which do not matter to it.
        """
        look = self.looks[index]
        squared = look.proved(count)
        if index == len(self.looks) - 1:
            return Stop.FULL, squared
        if count < look.reject:
            return Stop.REJECT, 0
        if squared > 0 and count <= look.ceiling:
            return Stop.ACCEPT, squared
        return None

    def proved(self, samples: int, count: int, other: int = 0) -> int:
        """The squared radius that ``count`` votes of any first ``samples`` prove, for a caller who stops there; exactly
        as ``intrs_proved``: what the next look will prove if no other sample up to it votes for the class.
        """
        look = next((look for look in self.looks if look.samples >= samples), None)
        return look.proved(count) if look is not None else 0

    @property
    def largest(self) -> int:
        """The largest squared radius that it can prove."""
        return max(look.proved(look.samples) for look in self.looks)

    def canonical(self) -> list[list[object]]:
        """Everything the plan decides by, for hashing."""
        return [[k.samples, k.reject, k.ceiling, k.squared, list(k.accept)] for k in self.looks]


RATIO = Fraction(3, 2)
# chance, over all looks, of giving up on an image at the edge of what all samples could prove: costs power only
GIVE_UP = Fraction(1, 100)
# how far above its estimate the final radius is taken to be when a precision is judged: 76 % confidence
_OPTIMISM = 0.7
# below this radius, in sigma, a precision is relative to it, not to the radius itself
PRECISION_FLOOR = 0.5
_GRID = 2000


def look_samples(n: int) -> list[int]:
    """The checkpoints: n, n / 1.5, n / 1.5^2, ... down to 50 samples (25 below n = 10 000), ascending."""
    least, samples, x = 50 if n >= 10_000 else 25, [n], n / RATIO
    while x >= least:
        samples.append(math.ceil(x))
        x /= RATIO
    return samples[::-1]


def _spend(alpha: Fraction, samples: list[int], usable: Callable[[int, Fraction], bool]) -> list[Fraction | None]:
    """Error per look: alpha / 2 at the last, alpha / 2 shared evenly by the longest run of looks before it that can
    accept at all.

    None for a look that cannot accept. The sum is at most alpha, which is all that soundness needs (a union bound).
    """
    before = len(samples) - 1
    for sharing in range(before, 0, -1):
        if usable(samples[before - sharing], alpha / 2 / sharing):
            return [*[None] * (before - sharing), *[alpha / 2 / sharing] * sharing, alpha / 2]
    return [*[None] * before, alpha]


def target_plan(
    n: int, alpha: Fraction, rule: Rule, target: Fraction, sigma_steps: Fraction, selected: bool
) -> SequentialPlan:
    """The plan that decides R >= target ([0,1] pixels) with error alpha.

    selected: whether the class is chosen on other samples; else it is the leader at each look. Raises IntrsError for a
    target below one lattice step or beyond what n samples prove even when all agree.
    """
    squared = lattice_squared(target) if target > 0 else 0
    if squared < 1:
        raise IntrsError(f"a target radius of {float(target):g} is below one lattice step, 1/255: ask for a larger one")
    decision = Designer(n, alpha, rule, squared, selected).design()
    if decision is None:
        raise IntrsError(
            f"{several(n, 'sample')} cannot prove a radius of {float(target):g} at alpha {float(alpha):g} and sigma "
            f"{float(sigma_steps / 255):g}, even if all agree: take more samples or a smaller target"
        )
    return SequentialPlan(
        tuple(
            Look(samples, reject, samples, squared, (accept,) if accept <= samples else ())
            for samples, accept, reject in zip(decision.looks, decision.accept, decision.reject, strict=True)
        )
    )


def precision_plan(n: int, alpha: Fraction, rule: SoundRule, precision: Fraction, selected: bool) -> SequentialPlan:
    """The plan that stops once the radius is known to ``precision`` (0.1 is 10 %), with error alpha.

    It stops when the radius proved so far is within ``precision`` of what all n samples are expected to prove (their
    estimate, and 0.7 standard errors more), relative to that radius or to half of sigma, whichever is larger; and it
    gives up when all n samples would hardly prove more than ``precision`` times half of sigma. Which counts stop is
    judged in floating point, at generation time; what a stop proves is exact. Raises IntrsError for a precision
    outside 0.02 .. 0.5.
    """
    if not Fraction(2, 100) <= precision <= Fraction(1, 2):
        raise IntrsError(
            f"a precision of {float(precision):g} is outside 0.02 .. 0.5: 0.1 means within 10 % of the radius"
        )
    samples, x = look_samples(n), float(precision)
    quantile = -_NORMAL.inv_cdf(float(GIVE_UP) / max(1, len(samples) - 1))

    def stops(k: int, error: Fraction) -> tuple[int, int] | None:
        counts = _grid(k)
        proved = _deviate(_wilson(counts, k, -_NORMAL.inv_cdf(float(error))))
        final = _final(counts, k, n, _OPTIMISM, alpha)
        # 1 % of the proved radius goes to the levels
        good = counts[(proved > 0) & (final - 0.99 * proved <= x * np.maximum(final, PRECISION_FLOOR))]
        return (int(good.min()), int(good.max())) if good.size else None

    errors = _spend(alpha, samples, lambda k, error: stops(k, error) is not None)
    looks = []
    for k, error in zip(samples[:-1], errors[:-1], strict=True):
        hopeless = _grid(k)[_final(_grid(k), k, n, quantile, alpha) <= x * PRECISION_FLOOR]
        reject = int(hopeless.max()) + 1 if hopeless.size else 0
        interval = stops(k, error) if error else None
        if interval is None or error is None:
            looks.append(Look(k, reject, k, 1, ()))
        else:
            squared, accept = _levels_between(Claims(k, error, rule, selected), *interval)
            looks.append(Look(k, reject, interval[1], squared, accept))
    last = errors[-1] or alpha
    return SequentialPlan((*looks, Look(n, 0, n, 1, level_counts(Claims(n, last, rule, selected)))))


def _levels_between(claims: Claims, low: int, high: int) -> tuple[int, tuple[int, ...]]:
    """The last level that count ``low`` proves, and the counts that prove it and each level after it up to count
    ``high``.
    """
    least, most = claims.radii(np.array([low, high])).tolist()
    levels = [1]
    while next_level(levels[-1]) <= most:
        levels.append(next_level(levels[-1]))
    levels = [level for level in levels if next_level(level) > least]
    return levels[0], tuple(count for count in claims.counts(levels).tolist() if count <= high)


def _grid(n: int) -> Floats:
    """Counts from n / 2 to n, at most about ``_GRID`` of them."""
    return np.unique(np.linspace(n // 2, n, _GRID).astype(np.int64)).astype(np.float64)


def _wilson(counts: Floats, n: int, z: float) -> Floats:
    f = counts / n
    bound: Floats = (f + z * z / (2 * n) - z * np.sqrt(f * (1 - f) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return bound


def _final(counts: Floats, k: int, n: int, z: float, alpha: Fraction) -> Floats:
    """The radius in sigma that n samples prove when p_A is z standard errors above what ``counts`` of k say."""
    upper = 1 - _wilson(k - counts, k, z)
    return _deviate(_wilson(upper * n, n, -_NORMAL.inv_cdf(float(alpha) / 2)))


def _deviate(p: Floats) -> Floats:
    return np.array([_NORMAL.inv_cdf(min(max(x, 1e-15), 1 - 1e-15)) for x in p])
