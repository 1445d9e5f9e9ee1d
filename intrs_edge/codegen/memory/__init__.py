# SPDX-License-Identifier: Apache-2.0
"""Where every tensor lies in the arena, and in which order the calls run.

Two searches. The order: dynamic programming over the sets of executed calls, which is exact while there are at most
`MAX_STATES` of them (chains and residual networks have a few per call); else the model's own order. The offsets, for
that order: dynamic storage allocation by first fit over several sortings, each repaired in rounds, then branch and
bound over first-fit sequences. The sum of what is alive at the worst call bounds every plan from below, so a plan that
meets it is optimal, and the report says so or gives the gap. Both count their steps and end with what they have when a
budget is used up, so that no model takes minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from intrs_edge.budget import Steps
from intrs_edge.codegen.memory.order import MAX_STATES, Problem
from intrs_edge.codegen.memory.place import MAX_NODES, first_fit, place
from intrs_edge.codegen.memory.types import ALIGN, Block, Plan, Step, align, alive, peak

__all__ = [
    "ALIGN",
    "MAX_NODES",
    "MAX_STATES",
    "Block",
    "Plan",
    "Problem",
    "Step",
    "align",
    "alive",
    "first_fit",
    "peak",
    "place",
    "plan",
    "resolved",
]


def plan(
    steps: Sequence[Step],
    sizes: Mapping[int, int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    aliases: Mapping[int, int] | None = None,
    pinned: Mapping[int, int] | None = None,
    budget: Steps | None = None,
) -> Plan:
    """Plans the arena.

    sizes: bytes of every tensor that needs memory (constants have none). aliases: tensor -> the tensor whose bytes it
    is. pinned: tensor -> fixed offset (inputs or outputs only, used where several models share one arena). budget: what
    the searches may still spend.
    """
    budget = budget or Steps()
    home = _homes(aliases or {})
    steps = [resolved(step, home, sizes) for step in steps]
    pins = {home.get(t, t): offset for t, offset in (pinned or {}).items()}
    problem = Problem(
        steps,
        {t: align(max(size, 1)) for t, size in sizes.items() if home.get(t, t) == t},
        tuple(dict.fromkeys(home.get(t, t) for t in inputs)),
        tuple(dict.fromkeys(home.get(t, t) for t in outputs)),
        pins,
    )
    half = Steps(budget.left // 2)  # the placement needs the rest
    order, method, proven = problem.best_order(half)
    budget.take(half.spent)
    blocks = problem.blocks(order)
    placed, offset_method = place(blocks, pins, budget)
    members: dict[int, list[int]] = {}
    for tensor in sizes:
        members.setdefault(home.get(tensor, tensor), []).append(tensor)
    named = tuple(replace(b, tensors=tuple(m for t in b.tensors for m in members[t])) for b in placed)
    total = max((b.offset + b.bytes for b in named), default=0)
    return Plan(order, named, total, peak(blocks, len(steps)), method, proven, offset_method)


def _homes(aliases: Mapping[int, int]) -> dict[int, int]:
    """The tensor at the end of every chain of aliases."""
    home: dict[int, int] = {}
    for tensor in aliases:
        chain = [tensor]
        while chain[-1] in aliases and chain[-1] not in home:
            chain.append(aliases[chain[-1]])
        end = home.get(chain[-1], chain[-1])
        home.update(dict.fromkeys((t for t in chain if t in aliases), end))
    return home


def resolved(step: Step, home: Mapping[int, int], sizes: Mapping[int, int]) -> Step:
    """A step on the tensors that hold memory, without those that have none."""

    def rename(tensors: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(home.get(t, t) for t in tensors if t in sizes))

    # a tensor that is also read at a position which must stay intact is not offered
    kept = {home.get(t, t) for i, t in enumerate(step.inputs) if i not in step.inplace}
    inputs = rename(step.inputs)
    offered = tuple(i for i, t in enumerate(inputs) if t not in kept)
    return Step(step.name, inputs, rename(step.outputs), align(step.scratch), offered)
