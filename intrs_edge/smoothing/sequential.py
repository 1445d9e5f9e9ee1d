"""Group-sequential certification: the same alpha from fewer samples (docs/certificate.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from intrs_edge.smoothing.radius import Rule, next_level
from intrs_edge.smoothing.results import Stop


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
    """The looks of one certification, the last of them at all samples."""

    looks: tuple[Look, ...]

    def decide(self, index: int, count: int) -> tuple[Stop, int] | None:
        """(stop, squared radius) when look ``index`` ends the certification at this count, else None; exactly as
        ``intrs_certify`` does.
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

    def canonical(self) -> list[list[object]]:
        """Everything the plan decides by, for hashing."""
        return [[k.samples, k.reject, k.ceiling, k.squared, list(k.accept)] for k in self.looks]


def target_plan(n: int, alpha: Fraction, rule: Rule, target: Fraction, sigma_steps: Fraction) -> SequentialPlan:
    raise NotImplementedError


def precision_plan(n: int, alpha: Fraction, rule: Rule, precision: Fraction) -> SequentialPlan:
    raise NotImplementedError
