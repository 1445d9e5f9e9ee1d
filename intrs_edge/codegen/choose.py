# SPDX-License-Identifier: Apache-2.0
"""Which kernel stands at each op: the fastest set that fits the flash budget, found by a price on weight bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from intrs_edge.codegen.images import Sites
from intrs_edge.codegen.isa import Level
from intrs_edge.codegen.kernels import Choice, Cost, Kernel, Site, registered
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph

OPTIMIZE = ("speed", "balanced", "size")

# what `size` may spend over the fewest weight bytes (constants in the order of reading), and in scratch for one kernel
_SIZE_SLACK = 1.125
_SIZE_SCRATCH = 4096

# what a fused kernel may cost over the kernels apart: it saves a tensor
_FUSED = 1.04

# a kernel that must not stand at a site, and why: {(ops, kernel name): reason}
Banned = dict[tuple[tuple[int, ...], str], str]


@dataclass(frozen=True)
class _Option:
    site: Site
    kernel: Kernel
    cost: Cost


def readers_of(graph: Graph) -> dict[int, list[int]]:
    """The ops that read each tensor."""
    readers: dict[int, list[int]] = {}
    for i, op in enumerate(graph.ops):
        for t in set(op.inputs):
            readers.setdefault(t, []).append(i)
    return readers


def chains(
    graph: Graph, first: int, pattern: tuple[str, ...], readers: dict[int, list[int]] | None = None
) -> Iterator[tuple[int, ...]]:
    """The chain of ops from ``first`` with these kinds, each op's only output read by the next alone (none or one)."""
    readers = readers_of(graph) if readers is None else readers
    ops = [first]
    if graph.ops[first].kind != pattern[0]:
        return
    for kind in pattern[1:]:
        outputs = graph.ops[ops[-1]].outputs
        following = readers.get(outputs[0], [])
        if len(outputs) != 1 or outputs[0] in graph.outputs or len(following) != 1:
            return
        op = graph.ops[following[0]]
        if op.kind != kind or op.inputs.count(outputs[0]) != 1:
            return
        ops.append(following[0])
    yield tuple(ops)


Considered = tuple[tuple[_Option, str | None], ...]


def consider(graph: Graph, level: Level, batch: int = 1, only: Collection[str] | None = None) -> Considered:
    """Every kernel at every place that its pattern fits, with the reason where it cannot stand there.

    This looks at all weights; a caller that chooses again and again from the same graph does it once.
    """
    readers, sites = readers_of(graph), Sites(graph, batch)
    found: list[tuple[_Option, str | None]] = []
    for kernel in registered().values():
        if not kernel.requires <= level.features or (only is not None and kernel.name not in only):
            continue
        for first in range(len(graph.ops)):
            for pattern in kernel.patterns:
                for ops in chains(graph, first, pattern, readers):
                    site = sites.at(ops)
                    if site is None:
                        continue
                    why = kernel.reject(site)
                    cost = kernel.cost(site) if why is None else Cost(0, 0)
                    cost = replace(cost, instructions=cost.instructions * site.images)
                    found.append((_Option(site, kernel, cost), why))
    return tuple(found)


def _options(
    graph: Graph, considered: Considered, banned: Banned
) -> tuple[list[list[_Option]], dict[tuple[int, ...], list[tuple[str, str]]]]:
    """Options by first op, and by chain what was rejected and why."""
    options: list[list[_Option]] = [[] for _ in graph.ops]
    rejected: dict[tuple[int, ...], list[tuple[str, str]]] = {}
    for option, reason in considered:
        ops = option.site.ops
        why = banned.get((ops, option.kernel.name)) or reason
        if why is None:
            options[ops[0]].append(option)
        else:
            rejected.setdefault(ops, []).append((option.kernel.name, f"rejected: {why}"))
    return options, rejected


def _cover(options: list[list[_Option]], price: float | None) -> list[_Option]:
    """The cheapest kernels that cover every op once, with weight bytes at a price (None: bytes first)."""

    def key(option: _Option) -> tuple[float, float]:
        cost = option.cost
        if price is None:
            return (cost.weight_bytes, cost.instructions)
        return (cost.instructions + price * cost.weight_bytes, cost.weight_bytes)

    single = [min((o for o in at if len(o.site.ops) == 1), key=key, default=None) for at in options]
    taken: dict[int, _Option] = {}

    def apart(option: _Option) -> tuple[float, float]:
        """The cheapest kernels for its ops one by one, and a little more."""
        rivals = [single[op] for op in option.site.ops]
        if any(o is None for o in rivals):
            return float("inf"), 0
        first, second = map(sum, zip(*(key(o) for o in rivals if o is not None), strict=True))
        return (first, _FUSED * second) if price is None else (_FUSED * first, second)

    # of two chains that want one op the one with more work goes first: in a residual block with a projection, the
    # projection then runs while its input is still needed, and the larger convolution beside its own input and the sum
    fused = [o for at in options for o in at if len(o.site.ops) > 1]
    for option in sorted(fused, key=lambda o: (-len(o.site.ops), [-x for x in apart(o)], key(o))):
        if not any(op in taken for op in option.site.ops) and key(option) <= apart(option):
            taken.update(dict.fromkeys(option.site.ops, option))
    for op, alone in enumerate(single):
        if op not in taken and alone is not None:
            taken[op] = alone
    return list({id(taken[op]): taken[op] for op in sorted(taken, key=lambda i: taken[i].site.ops[-1])}.values())


def _weights(chosen: list[_Option]) -> int:
    return sum(o.cost.weight_bytes for o in chosen)


def choose(
    graph: Graph,
    level: Level,
    optimize: str,
    weight_budget: int | None = None,
    batch: int = 1,
    banned: Banned | None = None,
    only: Collection[str] | None = None,
    considered: Considered | None = None,
) -> tuple[Choice, ...]:
    """A kernel for every op, in an order of execution.

    ``size``: the fewest instructions with at most an eighth more than the fewest weight bytes and 4 KiB of scratch.
    ``balanced``: the fewest instructions with at most twice those bytes. ``speed``: the fewest instructions with at
    most ``weight_budget`` bytes. ``only`` restricts the choice to kernels of these names (tests). ``considered``: what
    `consider` found for the same graph and level. Raises IntrsError where an op has no kernel.
    """
    if optimize not in OPTIMIZE:
        raise IntrsError(f"optimize {optimize!r} is not one of {', '.join(OPTIMIZE)}")
    options, rejected = _options(graph, considered or consider(graph, level, batch, only), banned or {})
    smallest = _cover(options, None)
    covered = {op for o in smallest for op in o.site.ops}
    missing = [i for i in range(len(graph.ops)) if i not in covered]
    if missing:
        what = ", ".join(sorted({f"{graph.ops[i].kind} (op {i})" for i in missing}))
        raise IntrsError(
            f"no kernel for {what} on {level.name}: replace the op in the model, or ask for another target"
        )
    budget = {
        "size": int(_SIZE_SLACK * _weights(smallest)),
        "balanced": 2 * _weights(smallest),
        "speed": weight_budget,
    }[optimize]
    if weight_budget is not None and budget is not None:
        budget = min(budget, weight_budget)
    if optimize == "size":
        options = [[o for o in at if o.cost.scratch_bytes <= _SIZE_SCRATCH or o in smallest] for at in options]
    chosen = _within(options, budget, smallest)
    return tuple(_explained(o, options, rejected, optimize) for o in chosen)


def _within(options: list[list[_Option]], budget: int | None, smallest: list[_Option]) -> list[_Option]:
    """The fastest cover within the budget: the smallest price that meets it, by bisection (a Lagrange multiplier, on
    the convex hull).
    """
    fastest = _cover(options, 0.0)
    if budget is None or _weights(fastest) <= budget:
        return fastest
    low, high, best = 0.0, 1e9, smallest
    for _ in range(60):
        price = (low + high) / 2 if low else high / 1e3
        chosen = _cover(options, price)
        if _weights(chosen) <= budget:
            high, best = price, chosen
        else:
            low = price
        if high - low < 1e-6 * high:
            break
        if not low and high < 1e-6:
            break
    return _fill(options, budget, best)


def _fill(options: list[list[_Option]], budget: int, chosen: list[_Option]) -> list[_Option]:
    """Spends what the hull left over: the best exchange for a faster kernel on the same ops, again and again."""
    while True:
        left = budget - _weights(chosen)
        best: tuple[float, int, _Option] | None = None
        for i, old in enumerate(chosen):
            for new in options[old.site.ops[0]]:
                gain = old.cost.instructions - new.cost.instructions
                more = new.cost.weight_bytes - old.cost.weight_bytes
                if new.site.ops == old.site.ops and gain > 0 and more <= left:
                    worth = gain / max(more, 1)
                    if best is None or worth > best[0]:
                        best = (worth, i, new)
        if best is None:
            return chosen
        chosen = [*chosen[: best[1]], best[2], *chosen[best[1] + 1 :]]


def _explained(
    option: _Option, options: list[list[_Option]], rejected: dict[tuple[int, ...], list[tuple[str, str]]], optimize: str
) -> Choice:
    others = [
        (o.kernel.name, f"{o.cost.instructions:.0f} instructions, {o.cost.weight_bytes} bytes of weights")
        for op in option.site.ops
        for o in options[op]
        if o is not option
    ]
    for op in option.site.ops:
        for ops, reasons in rejected.items():
            if ops[0] == op:
                others += reasons
    why = "the only kernel" if not others else f"best under optimize {optimize}"
    return Choice(option.site, option.kernel, option.cost, why, tuple(others))
