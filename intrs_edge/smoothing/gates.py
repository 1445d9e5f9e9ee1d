# SPDX-License-Identifier: Apache-2.0
"""Deciding R >= r two-sidedly with few samples (docs/certificate.md, section 5, theorem 8).

A gate (u, w) asks for two things of the votes: that the class has a deviate of u, and that the rest against its
strongest rival has one of w; the two together prove r. A plan has some gates, from classes with few votes and hardly a
rival to those with one rival only, and per look how far the votes must be above a gate's probabilities. A gate's bar
is a formula of integers, the same in ``firmware/smoothing/intrs_judge.c``; what it may err is added up over all paths
of counts by ``decision.crossing``, for every gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.binomial import ONE
from intrs_edge.smoothing.decision import Designer, _increments, crossing
from intrs_edge.smoothing.radius import SoundRule
from intrs_edge.smoothing.results import Stop, lattice_squared
from intrs_edge.smoothing.tails import Floats, Pair, exp, log_tail
from intrs_edge.smoothing.twosided import UNIT, BoundRule, effective, margin_of

Ints = npt.NDArray[np.int64]
_NORMAL = NormalDist()
_BYTES, _TURN_BYTES, _GATE_BYTES = 1024, 12, 16  # of the device's tables
_MOST_GATES = 40
_LOWEST = -1.0  # deviate of the first gate: a class with 16 % of the votes
_FEWEST = 8  # votes of a rival, about, below which no gate of n samples can be passed
_SKEW = 1.5  # votes: (z^2 - 1) / 6 at z = 3.2, to be multiplied by 1 - 2p
_P, _SPREAD, _SHIFT, _WIDE = 32, 16, 12, 8  # binary places of a bar's fields, and of a turn's


@dataclass(frozen=True)
class Bar:
    """So many votes of m: p m + spread wide, in 1/2^32, 1/2^16 and 1/2^8, ``wide`` being the turn's. To pass, ``shift``
    (in 1/2^12) is added, which may take no more than half of the second term.
    """

    p: int
    spread: int
    shift: int

    def to_pass(self, samples: int, up: int) -> int:
        """The smallest number of votes that passes; may be more than there are samples."""
        above = self.spread * up << 8
        return -(-(self.p * samples + max(above + (self.shift << 20), above >> 1)) >> _P)

    def to_go_on(self, samples: int, down: int) -> int:
        """The smallest number of votes with which it is not hopeless; may be negative."""
        return -(-(self.p * samples - (self.spread * down << 8)) >> _P)


@dataclass(frozen=True)
class Turn:
    """A look: ``samples`` so far; how far above a bar the votes must be to pass, how far below they may be to go on."""

    samples: int
    up: int
    down: int


@dataclass(frozen=True)
class Gate:
    """What the class's votes, and the samples less the strongest rival's votes, must reach together."""

    mine: Bar
    theirs: Bar

    def passed(self, look: Turn, count: int, other: int) -> bool:
        """Whether both do; exactly as the firmware."""
        m, rest = look.samples, look.samples - other
        return count >= self.mine.to_pass(m, look.up) and rest >= self.theirs.to_pass(m, look.up)

    def open(self, look: Turn, count: int, other: int) -> bool:
        """Whether both may still do."""
        m, rest = look.samples, look.samples - other
        return count >= self.mine.to_go_on(m, look.down) and rest >= self.theirs.to_go_on(m, look.down)


@dataclass(frozen=True)
class GatePlan:
    """The looks of a two-sided decision about ``squared``. ``error``: of all that it may claim, proved."""

    looks: tuple[Turn, ...]
    gates: tuple[Gate, ...]
    squared: int
    error: float

    def decide(self, index: int, count: int, other: int) -> tuple[Stop, int] | None:
        """See ``SequentialPlan``."""
        look, last = self.looks[index], index == len(self.looks) - 1
        squared = self._proved(look, count, other)
        if last:
            return Stop.FULL, squared
        if squared:
            return Stop.ACCEPT, squared
        return None if any(gate.open(look, count, other) for gate in self.gates) else (Stop.REJECT, 0)

    def proved(self, samples: int, count: int, other: int) -> int:
        """See ``SequentialPlan``: what the next look proves if all samples up to it vote for the rival."""
        look = next((look for look in self.looks if look.samples >= samples), None)
        return self._proved(look, count, other + look.samples - samples) if look is not None else 0

    @property
    def largest(self) -> int:
        """The largest squared radius that it can prove."""
        return self.squared

    def _proved(self, look: Turn, count: int, other: int) -> int:
        return self.squared if any(gate.passed(look, count, other) for gate in self.gates) else 0

    def canonical(self) -> list[list[object]]:
        """Everything the plan decides by, for hashing."""
        bars: list[list[object]] = [[b.p, b.spread, b.shift] for gate in self.gates for b in (gate.mine, gate.theirs)]
        looks: list[list[object]] = [[k.samples, k.up, k.down] for k in self.looks]
        return [[self.squared], *looks, *bars]


@dataclass(frozen=True)
class GateDesigner:
    """Finds the plan. ``variance`` and ``tv`` as in theorems 5 and 6: the continuous noise's, and the sampler's D."""

    n: int
    alpha: Fraction
    variance: Fraction
    tv: Fraction
    squared: int
    selected: bool

    @cached_property
    def _rho(self) -> float:
        return math.sqrt(self.squared / float(self.variance))

    @cached_property
    def _plan(self) -> tuple[list[int], Floats, Floats] | None:
        """Samples at each look; how far to be above and below a bar, in deviations of one sample. None: out of reach.

        They are those of the one-sided plan of a selected class: which ones is a matter of cost.
        """
        rule = SoundRule(Fraction(round(math.sqrt(float(self.variance)) * UNIT), UNIT), self.tv)
        one = Designer(self.n, self.alpha / 2, rule, self.squared, True).design()
        if one is None:  # then no gate can be passed: each asks at least as much of the rest against a rival
            return None
        m, p = np.array(one.looks), _NORMAL.cdf(self._rho)
        accept, deviation = np.array(one.accept, float), math.sqrt(p * (1 - p))
        deviate = (accept - m * p) / deviation / np.sqrt(m)
        usable = accept <= m
        deviate = np.where(usable, deviate, deviate[usable].max())
        return list(one.looks), deviate * np.sqrt(m), (m * p + 1 - np.array(one.reject)) / deviation

    @property
    def _shape(self) -> tuple[list[int], Floats, Floats]:
        assert self._plan is not None, "within reach"
        return self._plan

    @cached_property
    def _sides(self) -> tuple[Ints, Ints]:
        """u and w of each gate, in 1/UNIT lattice steps."""
        unit, most = UNIT * math.sqrt(float(self.variance)), self._rho
        least = max(_LOWEST, 2 * most + _NORMAL.inv_cdf(min(0.5, _FEWEST / self.n)))
        gates = min(_MOST_GATES, (_BYTES - _TURN_BYTES * len(self._shape[0])) // _GATE_BYTES)
        deviates = np.linspace(min(least, most), most, gates if least < most else 1)
        margin = margin_of(int(unit * max(abs(deviates - most))) + 1, self.variance, self.tv)
        mine = np.rint(deviates * unit).astype(np.int64)
        both = math.isqrt(4 * UNIT**2 * self.squared - 1) + 1 + margin  # rounded up
        return mine, both - mine

    def _null(self, deviate: int) -> tuple[float, float]:
        """The probability that proves a deviate, rounded up, and its complement."""
        p = BoundRule(self.variance, self.tv, deviate).needed(1)
        return float(np.nextafter(p / ONE, 2)), (ONE - p) / ONE

    def _least(self, bar: Bar, up: list[int]) -> list[int]:
        return [bar.to_pass(m, w) for m, w in zip(self._shape[0], up, strict=True)]

    def _error(self, deviate: int, accept: list[int]) -> float:
        """The probability that a class which does not have this deviate ever reaches these counts, at most."""
        p, q = self._null(deviate)
        looks = self._shape[0]
        counts = [min(a, m + 1) for a, m in zip(accept, looks, strict=True)]
        return crossing(looks, counts, [0] * len(looks), p, q, False, 1e-15 * float(self.alpha))

    def _bars(self, deviates: Ints, up: list[int], share: float) -> list[Bar]:
        """For each deviate a low bar whose error is at most ``share``."""
        bars, start = [], 1.0
        for deviate in deviates.tolist():
            bar, start = self._bar(deviate, up, share, start)
            bars.append(bar)
        return bars

    def _bar(self, deviate: int, up: list[int], share: float, start: float) -> tuple[Bar, float]:
        """The bar, and its spread in deviations of one sample; ``start``: a guess of that."""
        p, q = self._null(deviate)
        deviation = math.sqrt(p * q) * 2**_SPREAD

        def made(scale: float) -> Bar:
            spread = min(math.ceil(scale * deviation), 2**16 - 1)
            return Bar(min(round(p * 2**_P), 2**_P - 1), spread, round((1 - 2 * p) * _SKEW * 2**_SHIFT))

        low, high, scale, steps = 0.5, 4.0, start, 0
        while steps < 4 or high == 4.0:
            error = self._error(deviate, self._least(made(scale), up))
            low, high = (low, min(high, scale)) if error <= share else (max(low, scale), high)
            if scale >= 4.0:
                break
            # its logarithm falls by about 11 of the scale, by steps
            scale = scale + math.log(max(error, 1e-300) / share) / 11 + 0.002
            scale = (low + high) / 2 if high < 4.0 and not low < scale < high else min(scale, 4.0)
            steps += 1
        return made(high), high

    def errors(self, gates: list[Gate], up: list[int]) -> tuple[float, float]:
        """At most: of the class of the highest probability, and of all others at a leader's place (theorem 8)."""
        mine, theirs = self._sides
        counts = np.array([self._least(gate.mine, up) for gate in gates])
        rests = np.array([self._least(gate.theirs, up) for gate in gates])
        # of gates k and after, the lowest bar of the class; of those before it, the lowest of the rest
        after = np.minimum.accumulate(counts[::-1])[::-1]
        before = np.minimum.accumulate(rests)
        own = [self._error(int(u), row.tolist()) for u, row in zip(mine, after, strict=True)] + [0.0]
        rival = [0.0] + [self._error(int(w), row.tolist()) for w, row in zip(theirs, before, strict=True)]
        return max(map(sum, zip(own, rival, strict=True))), 0.0 if self.selected else self._others(counts, rests)

    def _others(self, counts: Ints, rests: Ints) -> float:
        """The sum over the looks of the binomial test's largest p-value that a gate lets pass."""
        total, looks = 0.0, np.array(self._shape[0])
        for m, least, rest in zip(looks, np.maximum(counts, 0).T, rests.T, strict=True):
            other = np.minimum(m - rest, m - least)
            usable = (least <= m) & (other >= 0)
            if usable.any():
                votes, lead = (least + other)[usable].astype(float), least[usable].astype(float)
                half = np.full(len(votes), 0.5)
                value, error = log_tail(np.maximum(votes, 1.0), lead, Pair(half, half))
                total += min(1.0, 2 * float(exp(value + error).max()))
        return total

    def design(self) -> GatePlan | None:
        """The plan, None where n samples pass no gate even if all agree."""
        if self._plan is None:
            return None
        looks, high, low = self._plan
        up = [math.ceil(v * 2**_WIDE) for v in high]
        down = [math.floor(v * 2**_WIDE) for v in low]
        mine, theirs = self._sides
        alpha = float(self.alpha)
        share = 0.4995 * alpha  # what the others may claim is mostly nothing
        gates: list[Gate] = []
        for _ in range(4):
            bars = zip(self._bars(mine, up, share), self._bars(theirs, up, share), strict=True)
            gates = [Gate(a, b) for a, b in bars]
            own, others = self.errors(gates, up)
            if (error := (own + others) * (1 + 1e-12)) <= alpha:
                break
            share *= 0.9 * max(alpha - others, 0.1 * alpha) / own
        _increments.cache_clear()
        # while all samples agree there is hope: the last gate stays open
        last = (gates[-1].mine, gates[-1].theirs)
        hope = [max(-(((1 << _P) - bar.p) * m // max(bar.spread << 8, 1)) for bar in last) for m in looks]
        down = [max(d, h) for d, h in zip(down, hope, strict=True)]
        turns = tuple(Turn(m, u, d) for m, u, d in zip(looks, up, down, strict=True))
        if error > alpha or not any(gate.passed(turns[-1], self.n, 0) for gate in gates):
            return None
        return GatePlan(turns, tuple(gates), self.squared, error)


def gate_plan(
    n: int,
    alpha: Fraction,
    sigma_steps: Fraction,
    tv: Fraction,
    dimension: int,
    target: Fraction,
    rounded: bool,
    selected: bool,
) -> GatePlan:
    """The plan that decides R >= target ([0,1] pixels) two-sidedly with error alpha; arguments as ``two_sided_table``.

    Raises IntrsError for a target below one lattice step or beyond what n samples prove even when all agree.
    """
    variance, charged = effective(sigma_steps, tv, dimension, rounded)
    squared = lattice_squared(target) if target > 0 else 0
    if squared < 1:
        raise IntrsError(f"a target radius of {float(target):g} is below one lattice step, 1/255: ask for a larger one")
    plan = GateDesigner(n, alpha, variance, charged, squared, selected).design()
    if plan is None:
        raise IntrsError(
            f"{n} samples cannot prove a radius of {float(target):g} at alpha {float(alpha):g} and sigma "
            f"{float(sigma_steps / 255):g}, even if all agree: take more samples or a smaller target"
        )
    return plan
