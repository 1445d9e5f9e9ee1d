# SPDX-License-Identifier: Apache-2.0
"""One target's model: kernels chosen, memory planned, and the text of its intrs_model.c."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from intrs_edge.budget import Steps
from intrs_edge.codegen import memory
from intrs_edge.codegen.choose import Banned, Considered, choose, consider
from intrs_edge.codegen.cwrite import Pool, crc_text
from intrs_edge.codegen.front import FORMAT
from intrs_edge.codegen.isa import Level
from intrs_edge.codegen.kernels import Array, Choice, Emit, Kernel, Site
from intrs_edge.codegen.render import render
from intrs_edge.codegen.samplers import Sampler, samplers
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.ir import Graph

# instructions that a smaller arena may cost, over the fewest
_PATIENCE = {"speed": 1.02, "balanced": 1.02, "size": 1.1}

_CHOICE = 30  # elementary steps of choosing kernels once, for each that might stand somewhere

_SMALLER = "another kernel makes the arena smaller"

# what kernels emitted at their sites: weights are packed once, however often the memory is planned
Emitted = dict[tuple[tuple[int, ...], str], tuple[Emit, ...]]


@dataclass(frozen=True)
class Call:
    """A kernel call of a schedule: whose choice it is, and what it passes."""

    choice: Choice
    emit: Emit


@dataclass(frozen=True)
class LevelModel:
    """The model for one instruction-set level: calls in the order of execution, and their memory."""

    level: Level
    choices: tuple[Choice, ...]
    calls: tuple[Call, ...]
    plan: memory.Plan


@dataclass(frozen=True)
class Model:
    """The model for one target: a level for every CPU it may meet, best first, in one arena of ``batch`` images.

    ``skeleton``: the text with zeros for constants, which compiles in no time to code and data of the same sizes.
    """

    graph: Graph
    levels: tuple[LevelModel, ...]
    batch: int
    arena_bytes: int
    input_offset: int
    output_offset: int
    text: str
    skeleton: str
    weight_bytes: int

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of kernels and vector samplers below firmware/, sorted."""
        kernels = {s for level in self.levels for c in level.calls for s in c.emit.sources}
        return tuple(sorted(kernels | {s.source for s in self.samplers}))

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """Vector variants of the noise sampler."""
        return samplers((m.level for m in self.levels), self.batch)


def plan_level(
    graph: Graph,
    level: Level,
    optimize: str,
    batch: int = 1,
    weight_budget: int | None = None,
    arena_budget: int | None = None,
    shared: bool = False,
    only: Collection[str] | None = None,
) -> LevelModel:
    """Chooses kernels and plans their memory; where the arena passes its budget, kernels at the fullest calls give way
    to others.

    Without need the arena also shrinks where that costs few more instructions (`_PATIENCE`). ``shared``: fix where
    input and output lie, because other levels use the same arena. An arena that stays above its budget is returned as
    it is: the caller knows what else competes for the memory. The search is counted and ends with what it has.
    """
    considered = consider(graph, level, batch, only)
    emitted: Emitted = {}
    budget = Steps()

    def planned(banned: Banned) -> LevelModel:
        choices = choose(graph, level, optimize, weight_budget, batch, banned, considered=considered)
        calls = _calls(choices, emitted)
        plan = _plan(graph, calls, batch, shared, budget)
        return LevelModel(level, choices, tuple(calls[i] for i in plan.order), plan)

    banned: Banned = {}
    best = planned(banned)
    small = batch == 1
    patience = _PATIENCE[optimize] * _instructions(best)
    while (small and best.plan.bytes > 0) or (arena_budget is not None and best.plan.bytes > arena_budget):
        must = arena_budget is not None and best.plan.bytes > arena_budget
        better = None
        steps = fullest(best.plan)
        for group in dict.fromkeys([*((step,) for step in steps), tuple(steps)]):
            if not budget.take(len(considered) * _CHOICE):
                return better or best
            trial = banned | _too_large(graph, considered, best.plan.lower_bound, batch, emitted)
            for choice in (best.calls[step].choice for step in group):
                trial[(choice.site.ops, choice.kernel.name)] = _SMALLER
            try:
                other = planned(trial)
            except IntrsError:  # nothing else can stand there
                continue
            if other.plan.bytes < (better or best).plan.bytes and (must or _instructions(other) <= patience):
                better, chosen = other, trial
        if better is None:
            break
        best, banned = better, chosen
    return best


def _instructions(m: LevelModel) -> float:
    return sum(c.cost.instructions for c in m.choices)


def fullest(plan: memory.Plan) -> list[int]:
    """Positions in the order whose calls have the most bytes alive."""
    alive = memory.alive(plan.blocks, len(plan.order))[: len(plan.order)]
    most = max(alive, default=0)
    return [i for i, n in enumerate(alive) if n == most]


def _too_large(graph: Graph, considered: Considered, limit: int, batch: int, emitted: Emitted) -> Banned:
    """Kernels whose own tensors and scratch take ``limit`` bytes or more: in no plan are fewer alive at once."""
    found: Banned = {}

    def size(t: int) -> int:
        return 0 if graph.tensors[t].constant else graph.tensors[t].bytes * batch

    def alone(e: Emit) -> int:
        reused = [min(size(e.inputs[i]), size(e.outputs[0])) for i in e.inplace]
        together = sum(map(size, {*e.inputs, *e.outputs}))
        return together + (e.scratch_bytes or 0) - max(reused, default=0)

    for option, why in considered:
        # what it certainly does not pass need not be emitted
        ops = [graph.ops[i] for i in option.site.ops]
        most = sum(size(t) for op in ops for t in (*op.inputs, *op.outputs) if t >= 0) + option.cost.scratch_bytes
        if why is None and most >= limit and max(map(alone, _emit(option.site, option.kernel, emitted))) >= limit:
            found[(option.site.ops, option.kernel.name)] = _SMALLER
    return found


def _emit(site: Site, kernel: Kernel, emitted: Emitted) -> tuple[Emit, ...]:
    key = (site.ops, kernel.name)
    if key not in emitted:
        emit = kernel.emit(site)
        emitted[key] = emit if isinstance(emit, tuple) else (emit,)
    return emitted[key]


def _calls(choices: tuple[Choice, ...], emitted: Emitted) -> list[Call]:
    return [Call(choice, emit) for choice in choices for emit in _emit(choice.site, choice.kernel, emitted)]


def _sizes(graph: Graph, calls: list[Call], batch: int) -> dict[int, int]:
    used = {*graph.inputs, *graph.outputs} | {t for c in calls for t in (*c.emit.inputs, *c.emit.outputs)}
    return {t: graph.tensors[t].bytes * batch for t in sorted(used) if not graph.tensors[t].constant}


def _plan(graph: Graph, calls: list[Call], batch: int, shared: bool, budget: Steps) -> memory.Plan:
    steps, aliases = [], {}
    for call in calls:
        e = call.emit
        if e.aliases:
            aliases[e.outputs[0]] = e.inputs[0]
        inputs = [(t, i in e.inplace) for i, t in enumerate(e.inputs) if not graph.tensors[t].constant]
        steps.append(
            memory.Step(
                call.choice.site.name,
                tuple(t for t, _ in inputs),
                e.outputs,
                e.scratch_bytes or 0,
                tuple(i for i, (_, ok) in enumerate(inputs) if ok),
            )
        )
    sizes = _sizes(graph, calls, batch)
    pinned = None
    if shared:
        pinned = {graph.outputs[0]: memory.align(sizes[graph.inputs[0]]), graph.inputs[0]: 0}
    return memory.plan(steps, sizes, graph.inputs, graph.outputs, aliases, pinned, budget)


def build_model(graph: Graph, levels: tuple[LevelModel, ...], batch: int, input_map: InputMap) -> Model:
    """The text of intrs_model.c for planned levels, best first. A level that chose exactly what the next one did is
    left out.
    """
    kept = [m for m, following in pairwise(levels) if _names(m) != _names(following)] + [levels[-1]]
    pool = Pool()
    parts: list[dict[str, Any]] = []
    written: set[str] = set()
    for m in reversed(kept):  # the unguarded level first: its constants are open to all
        params, lines, places = _level_text(graph, m, batch, pool, f"{m.level.name}_" if len(kept) > 1 else "")
        fresh = {name for name, _ in pool.arrays.values()} - written
        written |= fresh
        structs = list(pool.structs)
        pool.structs.clear()
        parts.append(
            {"level": m.level, "fresh": fresh, "structs": structs, "params": params, "calls": lines, "places": places}
        )
    headers = sorted({h.rsplit("/", 1)[1] for m in kept for c in m.calls for h in c.emit.headers})
    offsets = {(m.plan.offset(graph.inputs[0]), m.plan.offset(graph.outputs[0])) for m in kept}
    if len(offsets) != 1:
        raise AssertionError("levels of one target disagree on the input's or output's place")

    def text(zeros: bool) -> str:
        arrays = [
            {**part, "arrays": pool.declarations(part["fresh"], zeros), "blocks": pool.blocks(part["fresh"])}
            for part in parts
        ]
        return render(
            "intrs_model.c.j2",
            format=FORMAT, parts=arrays, dispatch=[m.level for m in kept], headers=headers, map=input_map,
            map_crc=crc_text(np.array([*input_map.mul, *input_map.add, input_map.shift], np.int32)), batch=batch,
        )  # fmt: skip

    input_offset, output_offset = offsets.pop()
    arena = max(m.plan.bytes for m in kept)
    return Model(graph, tuple(kept), batch, arena, input_offset, output_offset, text(False), text(True), pool.bytes)


def weight_bytes(graph: Graph, m: LevelModel, batch: int = 1) -> int:
    """Bytes of constants of a level by itself: equal ones count once."""
    pool = Pool()
    _level_text(graph, m, batch, pool, "")
    return pool.bytes


def _names(m: LevelModel) -> list[tuple[tuple[int, ...], str]]:
    return [(c.choice.site.ops, c.choice.kernel.name) for c in m.calls]


def _level_text(
    graph: Graph, m: LevelModel, batch: int, pool: Pool, prefix: str
) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, int, str]]]:
    """(parameter structs, (comment, call) of each, places in the arena: name, offset, what lies there) of a level."""
    params, lines = [], []
    places: dict[str, tuple[int, str]] = {}
    names = {t: f"{prefix}at_input" for t in graph.inputs}

    def place(t: int) -> str:
        places.setdefault(names[t], (m.plan.offset(t), _shape(graph, t)))
        return names[t]

    for position, call in enumerate(m.calls):
        e = call.emit
        name = prefix + step_name(call.choice.site)
        for t in e.outputs:
            if t not in names:
                taken = set(names.values())
                plain = f"{prefix}at_{step_name(call.choice.site)}"
                more = (f"{plain}_{i}" for i in range(2, len(taken) + 3))
                names[t] = plain if plain not in taken else next(n for n in more if n not in taken)
        if e.aliases:
            continue
        arguments = []
        if e.struct:
            own = pool.unique(f"{name}_params")
            params.append(pool.definition(e.struct, own, e.fields, name))
            arguments.append(f"&{own}")
        images = call.choice.site.images
        looped = batch * images > 1 and not e.batched
        if e.batched:
            arguments.append(str(batch * images))
        for i, t in enumerate((*e.inputs, *e.outputs)):
            tensor = graph.tensors[t]
            if tensor.constant:
                assert tensor.data is not None
                arguments.append(pool.array(Array(tensor.data.reshape(-1).view("int8")), f"{name}_constant{i}"))
                continue
            where = f"arena + {place(t)}" + (f" + i * {tensor.bytes // images}" if looped else "")
            arguments.append(f"({'const ' if t not in e.outputs else ''}int8_t *)({where})")
        if e.scratch_bytes is not None:
            scratch = f"{prefix}at_{step_name(call.choice.site)}_scratch"
            if e.scratch_bytes:
                offset = m.plan.scratch_offset(m.plan.order[position])
                if places.setdefault(scratch, (offset, f"{e.scratch_bytes} bytes"))[0] != offset:
                    scratch += f"_{position}"
                    places[scratch] = (offset, f"{e.scratch_bytes} bytes")
            arguments.append(f"arena + {scratch}" if e.scratch_bytes else "arena")
        text = f"{e.function}({', '.join(arguments)});"
        kinds = " + ".join(graph.ops[i].kind for i in call.choice.site.ops)
        passed = ", ".join(_shape(graph, t) for t in e.inputs if not graph.tensors[t].constant)
        comment = f"{kinds} {passed} -> {', '.join(_shape(graph, t) for t in e.outputs)}: {call.choice.kernel.name}"
        lines.append((comment, f"for (int32_t i = 0; i < {batch * images}; i++) {text}" if looped else text))
    return params, lines, [(n, offset, what) for n, (offset, what) in places.items()]


def _shape(graph: Graph, t: int) -> str:
    return "x".join(map(str, graph.tensors[t].shape)) or "1"


_SHORT = {
    "CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "TRANSPOSE_CONV": "transpose_conv", "FULLY_CONNECTED": "dense",
    "MAX_POOL_2D": "max_pool", "AVERAGE_POOL_2D": "average_pool",
}  # fmt: skip


def step_name(site: Site) -> str:
    """A C name of ours for the ops of a call, by their kinds and numbers: ``conv3`` or ``conv3_add4``."""
    kinds = [(site.graph.ops[i].kind, i) for i in site.ops]
    return "_".join(f"{_SHORT.get(kind, kind.lower())}{i}" for kind, i in kinds)
