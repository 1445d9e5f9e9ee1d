# SPDX-License-Identifier: Apache-2.0
"""Where every block lies: dynamic storage allocation by first fit, repaired, then by branch and bound."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import replace

from intrs_edge.budget import Steps
from intrs_edge.codegen.memory.types import Block, peak

MAX_NODES = 50_000
MAX_ROUNDS = 50
_LOOKS = 10  # placed blocks looked at in an elementary step

_SORTINGS = (
    lambda b: (-b.bytes, b.first),
    lambda b: (-(b.last - b.first), -b.bytes),
    lambda b: (-(b.last - b.first + 1) * b.bytes, b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (-b.last, -b.bytes),
)


class _Arena:
    """Placed blocks in the order of placement, and by rising offset."""

    def __init__(self, placed: Sequence[Block]) -> None:
        self.placed = list(placed)
        self.spans = sorted((b.offset, b.offset + b.bytes, b.first, b.last) for b in placed)

    def fit(self, block: Block) -> int:
        """The lowest offset that meets no placed block alive at the same time."""
        offset, size, first, last = 0, block.bytes, block.first, block.last
        for start, end, since, until in self.spans:
            if since <= last and first <= until:
                if start - offset >= size:
                    break
                if end > offset:  # noqa: PLR1730 - the innermost line of the planner: max() takes three times as long
                    offset = end
        return offset

    def add(self, block: Block, offset: int) -> None:
        """Puts a block at an offset."""
        self.placed.append(replace(block, offset=offset))
        insort(self.spans, (offset, offset + block.bytes, block.first, block.last))

    def pop(self) -> None:
        """Takes the last block away."""
        b = self.placed.pop()
        self.spans.remove((b.offset, b.offset + b.bytes, b.first, b.last))

    @property
    def bytes(self) -> int:
        """How far it reaches."""
        return max((b.offset + b.bytes for b in self.placed), default=0)


def first_fit(order: Sequence[Block], fixed: Sequence[Block] = ()) -> list[Block]:
    """Every block in turn at the lowest offset that is free while it is alive; ``fixed`` ones are there before."""
    arena = _Arena(fixed)
    for block in order:
        arena.add(block, arena.fit(block))
    return arena.placed


def place(blocks: Sequence[Block], pins: Mapping[int, int], budget: Steps | None = None) -> tuple[list[Block], str]:
    """Offsets for blocks: (placed blocks, how). ``pins``: tensor -> offset that its block must have."""
    budget = budget or Steps()
    fixed = [replace(b, offset=pins[t]) for b in blocks for t in b.tensors if t in pins]
    free = [b for b in blocks if not any(t in pins for t in b.tensors)]
    floor = max(
        peak(blocks, 1 + max((b.last for b in blocks), default=0)),
        max((b.offset + b.bytes for b in fixed), default=0),
    )
    best, size = _repaired(free, fixed, floor, budget)
    if size == floor or not free:
        return best, "first fit, meets the lower bound"
    if pins or budget.left < 0:
        return best, "first fit"
    search = _Search(best, size, floor, budget)
    search.run(sorted(free, key=_SORTINGS[0]))
    if not search.complete:
        return search.best, f"best of first fit and {search.nodes} nodes of branch and bound"
    return search.best, f"branch and bound, proven optimal for this order ({search.nodes} nodes)"


def _repaired(free: Sequence[Block], fixed: Sequence[Block], floor: int, budget: Steps) -> tuple[list[Block], int]:
    """The best of first fit over several sortings, each repaired in rounds: (placed, bytes)."""
    best: list[Block] = []
    size = 0
    for key in _SORTINGS:
        order = sorted(free, key=key)
        for _ in range(MAX_ROUNDS):
            enough = budget.take(1 + len(order) * len(order) // (2 * _LOOKS))
            if best and not enough:
                return best, size
            placed = first_fit(order, fixed)
            total = max((b.offset + b.bytes for b in placed), default=0)
            if not best or total < size:
                best, size = placed, total
            if size == floor or not order:
                return best, size
            # what came to lie highest chooses first in the next round
            highest = max(range(len(order)), key=lambda i: placed[len(fixed) + i].offset + order[i].bytes)
            order.insert(0, order.pop(highest))
    return best, size


class _Search:
    """Branch and bound. Every optimal plan is the first fit of its blocks in order of offset, so sequences of rising
    offsets are enough; equal blocks need one order only.
    """

    def __init__(self, best: list[Block], size: int, floor: int, budget: Steps) -> None:
        self.best, self.size, self.floor, self.budget = best, size, floor, budget
        self.nodes = 0
        self.complete = True

    def run(self, blocks: list[Block]) -> None:
        """Searches; afterwards `best` and `complete` (proven, or it met the lower bound) say what came of it."""
        arena = _Arena(())
        # one entry a block placed: what is left, the next of it to try, the signatures tried, the top so far
        stack: list[tuple[list[Block], int, set[tuple[int, int, int]], int]] = [(blocks, 0, set(), 0)]
        self.nodes = 1
        while stack:
            rest, i, seen, top = stack.pop()
            if not rest:
                self.best, self.size = list(arena.placed), top
            entered = False
            lowest = arena.placed[-1].offset if arena.placed else 0
            while i < len(rest) and not entered:
                block = rest[i]
                i += 1
                signature = (block.bytes, block.first, block.last)
                if signature in seen:
                    continue
                if not self.budget.take(1 + len(arena.placed) // _LOOKS):
                    self.complete = False
                    return
                offset = arena.fit(block)
                if offset + block.bytes >= self.size or offset < lowest:
                    continue
                seen.add(signature)
                arena.add(block, offset)
                stack.append((rest, i, seen, top))
                stack.append((rest[: i - 1] + rest[i:], 0, set(), max(top, offset + block.bytes)))
                self.nodes += 1
                entered = True
            if entered:
                continue
            if arena.placed:
                arena.pop()
            if self.size == self.floor:
                return
            if self.nodes > MAX_NODES:
                self.complete = False
                return
