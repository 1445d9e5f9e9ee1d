# SPDX-License-Identifier: Apache-2.0
"""Tables made at run time: they decide as those that `generate` writes into a library do."""

from __future__ import annotations

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import SequentialPlan, Smoothing
from intrs_edge.smoothing.gates import GatePlan
from intrs_edge.smoothing.results import Mode, Stop


class TableJudge:
    """A `targets.base.Judge` by the tables of ``smoothing``."""

    def __init__(self, smoothing: Smoothing) -> None:
        self.smoothing = smoothing
        self._places: dict[Mode, dict[int, int]] = {}

    def next_look(self, mode: Mode, samples: int) -> int:
        """See Judge."""
        return next((look for look in self._looks(mode) if look > samples), 0)

    def judge(self, mode: Mode, samples: int, count: int, other: int) -> tuple[int, Stop] | None:
        """See Judge. Raises IntrsError for samples that are no checkpoint, and for more votes than samples."""
        look = self._looks(mode).get(samples)
        if look is None or count > samples or other > samples - count:
            raise IntrsError(f"{count} votes, and {other} of another class, of {samples} samples: no checkpoint")
        plan = self._plan(mode)
        if plan is None:
            return self.smoothing.radius.lookup(count, other), Stop.FULL
        decision = plan.decide(look, count, other)
        return (decision[1], decision[0]) if decision is not None else None

    def proved(self, mode: Mode, samples: int, count: int, other: int) -> int:
        """See Judge."""
        return self.smoothing.proved(mode, samples, count, other)

    def decides(self, top: int, second: int) -> bool:
        """See Judge."""
        return 0 <= second <= top <= self.smoothing.n - second and self.smoothing.predict.decides(top, second)

    def _plan(self, mode: Mode) -> SequentialPlan | GatePlan | None:
        return self.smoothing.plans.get(mode)

    def _looks(self, mode: Mode) -> dict[int, int]:
        """The checkpoints of a mode, each with its place; none where there are no tables."""
        if mode not in self._places:
            plan = self._plan(mode)
            looks = [look.samples for look in plan.looks] if plan is not None else []
            if mode == Mode.FIXED:
                looks = [self.smoothing.n]
            self._places[mode] = {samples: place for place, samples in enumerate(looks)}
        return self._places[mode]
