"""Where every tensor lies in the arena, and in which order the calls run.

Two searches. The order: dynamic programming over the sets of executed calls, which is exact while there are at most
`MAX_STATES` of them (chains and residual networks have a few per call); else the model's own order. The offsets, for
that order: dynamic storage allocation by first fit over several sortings, each repaired in rounds, then branch and
bound over first-fit sequences. The sum of what is alive at the worst call bounds every plan from below, so a plan that
meets it is optimal, and the report says so or gives the gap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

ALIGN = 16
MAX_STATES = 20_000
MAX_NODES = 50_000
MAX_ROUNDS = 50


@dataclass(frozen=True)
class Step:
    """A call: tensors it reads and writes, scratch bytes, and the positions in ``inputs`` whose memory its first output
    may take over.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: int = 0
    inplace: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """A piece of the arena: offset and bytes, alive from call ``first`` to call ``last`` (positions in the order), for
    these tensors.

    The input is alive from call 0, the output to the last call. ``scratch`` names the step whose scratch it is, else
    -1.
    """

    tensors: tuple[int, ...]
    bytes: int
    first: int
    last: int
    offset: int = 0
    scratch: int = -1

    def meets(self, other: Block) -> bool:
        """Whether both are alive at one call."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """The arena: ``order`` of the steps, blocks, total bytes, and how good it is.

    ``lower_bound``: no plan with this order is smaller. ``order_proven``: no other order has a smaller bound.
    """

    order: tuple[int, ...]
    blocks: tuple[Block, ...]
    bytes: int
    lower_bound: int
    order_method: str
    order_proven: bool
    offset_method: str

    @property
    def optimal(self) -> bool:
        """Whether the arena meets the lower bound."""
        return self.bytes == self.lower_bound

    def offset(self, tensor: int) -> int:
        """Byte offset of a tensor; KeyError for one without memory."""
        for block in self.blocks:
            if tensor in block.tensors:
                return block.offset
        raise KeyError(tensor)

    def scratch_offset(self, step: int) -> int:
        """Byte offset of a step's scratch; KeyError where it has none."""
        for block in self.blocks:
            if block.scratch == step:
                return block.offset
        raise KeyError(step)


def align(n: int) -> int:
    """Up to a multiple of 16."""
    return -(-n // ALIGN) * ALIGN


def plan(
    steps: Sequence[Step],
    sizes: Mapping[int, int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    aliases: Mapping[int, int] | None = None,
    pinned: Mapping[int, int] | None = None,
) -> Plan:
    """Plans the arena.

    sizes: bytes of every tensor that needs memory (constants have none). aliases: tensor -> the tensor whose bytes it
    is. pinned: tensor -> fixed offset (inputs or outputs only, used where several models share one arena).
    """
    home = _homes(aliases or {})
    steps = [_renamed(step, home, sizes) for step in steps]
    pins = {home.get(t, t): offset for t, offset in (pinned or {}).items()}
    problem = _Problem(
        steps,
        {t: align(max(size, 1)) for t, size in sizes.items() if home.get(t, t) == t},
        tuple(dict.fromkeys(home.get(t, t) for t in inputs)),
        tuple(dict.fromkeys(home.get(t, t) for t in outputs)),
        pins,
    )
    order, method, proven = problem.best_order()
    blocks = problem.blocks(order)
    placed, offset_method = place(blocks, pins)
    members: dict[int, list[int]] = {}
    for tensor in sizes:
        members.setdefault(home.get(tensor, tensor), []).append(tensor)
    named = tuple(
        Block(tuple(m for t in b.tensors for m in members[t]), b.bytes, b.first, b.last, b.offset, b.scratch)
        for b in placed
    )
    total = max((b.offset + b.bytes for b in named), default=0)
    return Plan(order, named, total, peak(blocks, len(steps)), method, proven, offset_method)


def _homes(aliases: Mapping[int, int]) -> dict[int, int]:
    home = {}
    for tensor in aliases:
        target = tensor
        while target in aliases:
            target = aliases[target]
        home[tensor] = target
    return home


def _renamed(step: Step, home: Mapping[int, int], sizes: Mapping[int, int]) -> Step:
    def rename(tensors: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(home.get(t, t) for t in tensors if t in sizes))

    # a tensor that is also read at a position which must stay intact is not offered
    kept = {home.get(t, t) for i, t in enumerate(step.inputs) if i not in step.inplace}
    inputs = rename(step.inputs)
    offered = tuple(i for i, t in enumerate(inputs) if t not in kept)
    return Step(step.name, inputs, rename(step.outputs), align(step.scratch), offered)


def peak(blocks: Sequence[Block], steps: int) -> int:
    """The most bytes alive at one call: a lower bound of every placement."""
    return max((sum(b.bytes for b in blocks if b.first <= t <= b.last) for t in range(max(steps, 1))), default=0)


class _Problem:
    """The planning problem without aliases; sizes are aligned."""

    def __init__(
        self,
        steps: Sequence[Step],
        sizes: Mapping[int, int],
        inputs: Sequence[int],
        outputs: Sequence[int],
        pinned: Collection[int],
    ) -> None:
        self.steps, self.sizes, self.inputs, self.outputs, self.pinned = steps, sizes, inputs, outputs, pinned
        self.readers: dict[int, int] = dict.fromkeys(sizes, 0)  # bit set of steps
        self.writers: dict[int, int] = dict.fromkeys(sizes, 0)
        for i, step in enumerate(steps):
            for t in step.inputs:
                self.readers[t] |= 1 << i
            for t in step.outputs:
                self.writers[t] |= 1 << i
        # a step waits for every writer of what it reads, and an in-place writer for nothing more: see `reused`
        self.needs = [self._mask(self.writers[t] for t in step.inputs) & ~(1 << i) for i, step in enumerate(steps)]

    @staticmethod
    def _mask(masks: object) -> int:
        total = 0
        for mask in masks:  # type: ignore[attr-defined]
            total |= mask
        return total

    def reused(self, i: int, done: int) -> int | None:
        """The tensor whose memory step i's first output takes over when the steps in ``done`` have run."""
        step = self.steps[i]
        if not step.outputs or self.writers[step.outputs[0]] & done:
            return None
        after = done | 1 << i
        best = None
        for t in (step.inputs[position] for position in step.inplace):
            if t in self.pinned:
                continue
            dies = not self.readers[t] & ~after and not self.writers[t] & ~after and t not in self.outputs
            if dies and t not in step.outputs and (best is None or self.sizes[t] > self.sizes[best]):
                best = t
        return best

    def alive(self, done: int) -> list[int]:
        """Tensors that hold a value still needed after the steps in ``done``."""
        return [
            t
            for t in self.sizes
            if (t in self.inputs or self.writers[t] & done)
            and (self.readers[t] & ~done or self.writers[t] & ~done or t in self.outputs)
        ]

    def during(self, i: int, done: int) -> int:
        """Bytes in use while step i runs after ``done``."""
        step = self.steps[i]
        before = set(self.alive(done))
        total = sum(self.sizes[t] for t in before.union(step.inputs, step.outputs)) + step.scratch
        taken = self.reused(i, done)
        return total if taken is None else total - min(self.sizes[taken], self.sizes[step.outputs[0]])

    def best_order(self) -> tuple[tuple[int, ...], str, bool]:
        """(order, how it was found, whether it is proven to have the smallest peak)."""
        n = len(self.steps)
        given = tuple(range(n))
        bound = self._peak_of(given)
        floor = max((self.during_alone(i) for i in range(n)), default=0)
        if bound == floor:
            return given, "the model's order, whose peak no order can lower", True
        # done -> (peak, order so far); sets of one size at a time, so every way into a set is seen before it is left
        layer: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
        states = 0
        for _ in range(n):
            following: dict[int, tuple[int, tuple[int, ...]]] = {}
            for done, (worst, path) in layer.items():
                for i in range(n):
                    if done >> i & 1 or self.needs[i] & ~done:
                        continue
                    reached = max(worst, self.during(i, done))
                    state = done | 1 << i
                    if reached <= bound and (state not in following or reached < following[state][0]):
                        following[state] = (reached, (*path, i))
            states += len(following)
            if states > MAX_STATES:
                return given, f"the model's order (more than {MAX_STATES} states to search)", False
            layer = following
        best, order = layer[(1 << n) - 1]
        if best == bound:
            return given, f"the model's order, the best of all orders ({states} states searched)", True
        return order, f"the best of all orders ({states} states searched)", True

    def during_alone(self, i: int) -> int:
        """Bytes that step i needs in any order: its own tensors and scratch."""
        step = self.steps[i]
        total = sum(self.sizes[t] for t in {*step.inputs, *step.outputs}) + step.scratch
        spared = [min(self.sizes[step.inputs[p]], self.sizes[step.outputs[0]]) for p in step.inplace if step.outputs]
        return total - max(spared, default=0)

    def _peak_of(self, order: Sequence[int]) -> int:
        done = worst = 0
        for i in order:
            worst = max(worst, self.during(i, done))
            done |= 1 << i
        return worst

    def blocks(self, order: Sequence[int]) -> list[Block]:
        """Blocks of an order, in-place outputs merged with what they overwrite, scratch last."""
        holder: dict[int, int] = {}  # tensor -> first tensor of its block
        first: dict[int, int] = {t: 0 for t in self.inputs}
        last: dict[int, int] = {t: 0 for t in self.inputs}
        done = 0
        scratch = []
        for position, i in enumerate(order):
            step = self.steps[i]
            taken = self.reused(i, done)
            if taken is not None:
                holder[step.outputs[0]] = taken
            for t in (*step.inputs, *step.outputs):
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
            root = t
            while root in holder:
                root = holder[root]
            groups.setdefault(root, []).append(t)
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


### offsets ###


def _first_fit(block: Block, placed: Sequence[Block]) -> int:
    """The lowest offset that meets no placed block alive at the same time."""
    spans = [(p.offset, p.offset + p.bytes) for p in placed if p.first <= block.last and block.first <= p.last]
    spans.sort()
    offset = 0
    for start, end in spans:
        if start - offset >= block.bytes:
            break
        offset = max(offset, end)
    return offset


def _at(block: Block, offset: int) -> Block:
    return Block(block.tensors, block.bytes, block.first, block.last, offset, block.scratch)


def place(blocks: Sequence[Block], pins: Mapping[int, int]) -> tuple[list[Block], str]:
    """Offsets for blocks: (placed blocks, how). ``pins``: tensor -> offset that its block must have."""
    fixed = [_at(b, pins[t]) for b in blocks for t in b.tensors if t in pins]
    free = [b for b in blocks if not any(t in pins for t in b.tensors)]
    floor = max(
        peak(blocks, 1 + max((b.last for b in blocks), default=0)),
        max((b.offset + b.bytes for b in fixed), default=0),
    )

    def total(placed: Sequence[Block]) -> int:
        return max((b.offset + b.bytes for b in placed), default=0)

    sortings = (
        lambda b: (-b.bytes, b.first),
        lambda b: (-(b.last - b.first), -b.bytes),
        lambda b: (-(b.last - b.first + 1) * b.bytes, b.first),
        lambda b: (b.first, -b.bytes),
        lambda b: (-b.last, -b.bytes),
    )
    best: list[Block] = []
    for key in sortings:
        order = sorted(free, key=key)
        for _ in range(MAX_ROUNDS):
            placed = list(fixed)
            for block in order:
                placed.append(_at(block, _first_fit(block, placed)))
            if not best or total(placed) < total(best):
                best = placed
            if total(best) == floor or not order:
                return best, "first fit, meets the lower bound"
            # what came to lie highest chooses first in the next round
            highest = max(range(len(order)), key=lambda i: placed[len(fixed) + i].offset + order[i].bytes)
            order.insert(0, order.pop(highest))
    if pins:
        return best, "first fit"
    size, nodes = total(best), 0

    # every optimal plan is the first fit of its blocks in order of offset, so sequences of rising offsets are enough;
    # equal blocks need one order only
    def search(placed: list[Block], rest: list[Block], top: int) -> None:
        nonlocal best, size, nodes
        nodes += 1
        if not rest:
            best, size = list(placed), top
            return
        lowest = placed[-1].offset if placed else 0
        seen = set()
        for i, block in enumerate(rest):
            signature = (block.bytes, block.first, block.last)
            offset = _first_fit(block, placed)
            if signature in seen or offset + block.bytes >= size or offset < lowest:
                continue
            seen.add(signature)
            placed.append(_at(block, offset))
            search(placed, rest[:i] + rest[i + 1 :], max(top, offset + block.bytes))
            placed.pop()
            if nodes > MAX_NODES or size == floor:
                return

    search([], sorted(free, key=sortings[0]), 0)
    if nodes > MAX_NODES:
        return best, f"best of first fit and {MAX_NODES} nodes of branch and bound"
    return best, f"branch and bound, proven optimal for this order ({nodes} nodes)"
