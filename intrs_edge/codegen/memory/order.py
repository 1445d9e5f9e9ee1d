# SPDX-License-Identifier: Apache-2.0
"""In which order the calls run: dynamic programming over the sets of executed calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intrs_edge.budget import Steps
from intrs_edge.codegen.memory.types import Block, Step

MAX_STATES = 20_000
_TRANSITION = 6  # elementary steps (microseconds, about) of going from one set to the next
_WORD = 512  # bits of a set that such a step handles


@dataclass(frozen=True)
class _Set:
    """A set of executed calls on the best way into it: bit sets of tensors that hold a value still needed and of calls
    that may run next, the bytes of the former, the largest peak so far, and the way (the call before, linked)."""

    alive: int
    ready: int
    bytes: int
    peak: int
    way: Any


def bits(mask: int) -> Iterator[int]:
    """The positions of the ones, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Problem:
    """The planning problem without aliases; sizes are aligned."""

    def __init__(
        self,
        steps: Sequence[Step],
        sizes: Mapping[int, int],
        inputs: Sequence[int],
        outputs: Sequence[int],
        pinned: Collection[int],
    ) -> None:
        self.steps, self.sizes, self.pinned = steps, sizes, pinned
        self.inputs, self.outputs = tuple(inputs), frozenset(outputs)
        self.readers: dict[int, int] = dict.fromkeys(sizes, 0)  # bit set of steps
        self.writers: dict[int, int] = dict.fromkeys(sizes, 0)
        for i, step in enumerate(steps):
            for t in step.inputs:
                self.readers[t] |= 1 << i
            for t in step.outputs:
                self.writers[t] |= 1 << i
        # a step waits for every writer of what it reads, and an in-place writer for nothing more: see `reused`; a
        # writer that comes after it in the model's order is another alias of the same bytes
        self.needs = [_union(self.writers[t] for t in step.inputs) & ((1 << i) - 1) for i, step in enumerate(steps)]
        self.followers = [
            _union(self.readers[t] for t in step.outputs) & ~(1 << i) for i, step in enumerate(steps)
        ]  # fmt: skip
        self.touched = [tuple(dict.fromkeys((*step.inputs, *step.outputs))) for step in steps]

    def reused(self, i: int, done: int) -> int | None:
        """The tensor whose memory step i's first output takes over when the steps in ``done`` have run."""
        step = self.steps[i]
        if not step.outputs or self.writers[step.outputs[0]] & done:
            return None
        after = done | 1 << i
        best = None
        for t in (step.inputs[position] for position in step.inplace):
            if t in self.pinned or t in step.outputs or self._needed(t, after):
                continue
            if best is None or self.sizes[t] > self.sizes[best]:
                best = t
        return best

    def _needed(self, t: int, done: int) -> bool:
        """Whether a tensor is still read, written or an output after the steps in ``done``."""
        return t in self.outputs or bool((self.readers[t] | self.writers[t]) & ~done)

    def _begin(self) -> _Set:
        alive = [t for t in dict.fromkeys(self.inputs) if self._needed(t, 0)]
        ready = sum(1 << i for i, need in enumerate(self.needs) if not need)
        return _Set(sum(1 << t for t in alive), ready, sum(self.sizes[t] for t in alive), 0, None)

    def _after(self, before: _Set, i: int, done: int) -> _Set:
        """The set with step i as well, ``done`` without it."""
        step, after = self.steps[i], done | 1 << i
        fresh = [t for t in self.touched[i] if not before.alive >> t & 1]
        during = before.bytes + sum(self.sizes[t] for t in fresh) + step.scratch
        taken = self.reused(i, done)
        if taken is not None:
            during -= min(self.sizes[taken], self.sizes[step.outputs[0]])
        alive, size = before.alive, before.bytes
        for t in self.touched[i]:
            held, needed = alive >> t & 1, self._needed(t, after)
            if held != needed:
                alive ^= 1 << t
                size += self.sizes[t] if needed else -self.sizes[t]
        ready = before.ready & ~(1 << i)
        for f in bits(self.followers[i] & ~after):
            if not self.needs[f] & ~after:
                ready |= 1 << f
        return _Set(alive, ready, size, max(before.peak, during), (before.way, i))

    def best_order(self, budget: Steps | None = None) -> tuple[tuple[int, ...], str, bool]:
        """(order, how it was found, whether it is proven to have the smallest peak)."""
        budget = budget or Steps()
        n = len(self.steps)
        given = tuple(range(n))
        bound = self.peak_of(given)
        floor = max((self.during_alone(i) for i in range(n)), default=0)
        if bound == floor:
            return given, "the model's order, whose peak no order can lower", True
        # done -> the best way there; sets of one size at a time, so every way into a set is seen before it is left
        layer: dict[int, _Set] = {0: self._begin()}
        states = 0
        cost = _TRANSITION + n // _WORD
        for _ in range(n):
            following: dict[int, _Set] = {}
            for done, before in layer.items():
                for i in bits(before.ready):
                    if not budget.take(cost):
                        return given, "the model's order (too many others to search)", False
                    reached = self._after(before, i, done)
                    known = following.get(done | 1 << i)
                    if reached.peak <= bound and (known is None or reached.peak < known.peak):
                        following[done | 1 << i] = reached
            states += len(following)
            if states > MAX_STATES:
                return given, f"the model's order (more than {MAX_STATES} states to search)", False
            layer = following
        best = layer[(1 << n) - 1]
        if best.peak == bound:
            return given, f"the model's order, the best of all orders ({states} states searched)", True
        return _unlinked(best.way), f"the best of all orders ({states} states searched)", True

    def during_alone(self, i: int) -> int:
        """Bytes that step i needs in any order: its own tensors and scratch."""
        step = self.steps[i]
        total = sum(self.sizes[t] for t in self.touched[i]) + step.scratch
        spared = [min(self.sizes[step.inputs[p]], self.sizes[step.outputs[0]]) for p in step.inplace if step.outputs]
        return total - max(spared, default=0)

    def peak_of(self, order: Sequence[int]) -> int:
        """The most bytes in use at one call."""
        done, reached = 0, self._begin()
        for i in order:
            reached = self._after(reached, i, done)
            done |= 1 << i
        return reached.peak

    def blocks(self, order: Sequence[int]) -> list[Block]:
        """Blocks of an order, in-place outputs merged with what they overwrite, scratch last."""
        holder: dict[int, int] = {}  # tensor -> first tensor of its block
        first: dict[int, int] = dict.fromkeys(self.inputs, 0)
        last: dict[int, int] = dict.fromkeys(self.inputs, 0)
        done = 0
        scratch = []
        for position, i in enumerate(order):
            step = self.steps[i]
            taken = self.reused(i, done)
            if taken is not None:
                holder[step.outputs[0]] = holder.get(taken, taken)
            for t in self.touched[i]:
                first.setdefault(t, position)
                last[t] = position
            if step.scratch:
                scratch.append(Block((), step.scratch, position, position, scratch=i))
            done |= 1 << i
        for t in self.outputs:
            last[t] = max(len(order) - 1, 0)
            first.setdefault(t, 0)
        groups: dict[int, list[int]] = {}
        for t in first:
            groups.setdefault(holder.get(t, t), []).append(t)
        tensors = [
            Block(
                tuple(group),
                max(self.sizes[t] for t in group),
                min(first[t] for t in group),
                max(last[t] for t in group),
            )
            for group in groups.values()
        ]
        return tensors + scratch


def _union(masks: Iterable[int]) -> int:
    total = 0
    for mask in masks:
        total |= mask
    return total


def _unlinked(way: Any) -> tuple[int, ...]:
    order = []
    while way is not None:
        way, i = way
        order.append(i)
    return tuple(reversed(order))
