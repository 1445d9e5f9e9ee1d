# SPDX-License-Identifier: Apache-2.0
"""What a generation has to say: sizes before anything is flashed, kernels chosen, the memory plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from intrs_edge.boards import Board
from intrs_edge.codegen import memory_text
from intrs_edge.codegen.budgets import Limits
from intrs_edge.codegen.model import LevelModel, Model
from intrs_edge.codegen.sizes import Sizes
from intrs_edge.errors import several


@dataclass(frozen=True)
class Report:
    """The result of `generate`. ``sizes``: bytes on the board, or on the host where that is the target."""

    project: str
    board: Board
    model: Model
    sizes: Sizes
    manifest: dict[str, Any]
    notes: tuple[str, ...] = ()  # what a pixel means to the model, and what differs from its training
    limits: Limits | None = None  # of a bare-metal board

    def as_json(self) -> dict[str, Any]:
        """Everything, ready for json.dumps."""
        level = self.model.levels[0]
        return {
            "project": self.project,
            "board": self.board.id,
            "sizes": {**asdict(self.sizes), "flash": self.sizes.flash},
            "limits": {"flash": self.board.flash_bytes, "ram": self.board.ram_bytes, "stack": self.board.stack_bytes},
            "notes": list(self.notes),
            "memory": memory_json(level),
            "kernels": {m.level.name: kernels_json(m) for m in self.model.levels},
            "manifest": self.manifest,
        }

    def as_text(self) -> str:
        """The same for people."""
        s, m = self.sizes, self.manifest
        lines = [
            f"project  {self.project}",
            f"board    {self.board.id} ({self.board.name})",
            f"model    {m['model_hash'][:16]}, {several(len(m['classes']), 'class', 'classes')}, "
            f"image {'x'.join(map(str, m['image_shape']))}",
            *([f"output   the logits; left out behind them: {m['dropped']} (docs/graph.md)"] if m["dropped"] else []),
            *(f"WARNING  {note}" for note in m["warnings"]),
            f"tables   {m['table_hash'][:16]}",
            *self.notes,
            *claim_lines(m["certificate"]),
            *sizes_lines(s, self.board),
            *(
                []
                if m["input_map"]["exact"]
                else ["note     the input map is not round-to-nearest everywhere (docs/generate.md)"]
            ),
            "",
            *level_lines(self.model.levels[0]),
        ]
        return "\n".join(lines)


def claim_lines(c: dict[str, str]) -> list[str]:
    """The certificate in words: noise, the sampler's error, the most that can be certified."""
    lines = [
        f"noise    {c['noise']}",
        f"radius   at most {c['largest_radius']} ([0,1] pixels) when all samples agree; "
        f"sampler error D <= {c['total_variation']} {c['total_variation_is']}",
    ]
    return lines if c["claim"] == "sound" else [*lines, f"WARNING  certificate {c['claim']}"]


def sizes_lines(s: Sizes, board: Board) -> list[str]:
    """Flash, RAM and stack against the board's limits."""
    how = "measured" if s.measured else "estimated, upper bound"
    flash = f" of {board.flash_bytes}" if board.flash_bytes else ""
    lines = [f"flash    {s.flash}{flash} bytes: code {s.code} ({how}), weights {s.weights}, tables {s.tables}"]
    ram = f" of {board.ram_bytes}" if board.ram_bytes else ""
    data = f" + {s.ram} data" if s.measured else ""
    lines.append(f"RAM      {s.arena + s.ram}{ram} bytes: arena {s.arena}{data}")
    if board.os == "none":
        bound = f"at most {s.stack}" if s.measured else "not measured: no compiler"
        lines.append(f"stack    {bound}, {board.stack_bytes} reserved")
    return lines


def step_names(level: LevelModel) -> list[str]:
    """A short name for every call, in the order of execution."""
    return [f"{c.choice.site.name} {c.choice.kernel.name}" for c in level.calls]


def memory_json(level: LevelModel) -> dict[str, Any]:
    """The plan as data."""
    plan = level.plan
    return {
        "arena_bytes": plan.bytes,
        "lower_bound": plan.lower_bound,
        "order": list(plan.order),
        "order_method": plan.order_method,
        "order_proven": plan.order_proven,
        "offset_method": plan.offset_method,
        "steps": step_names(level),
        "blocks": [asdict(b) for b in memory_text.by_address(plan)],
    }


def kernels_json(level: LevelModel) -> list[dict[str, Any]]:
    """Which kernel stands where, and why."""
    return [
        {
            "ops": list(c.site.ops),
            "kinds": [c.site.graph.ops[i].kind for i in c.site.ops],
            "kernel": c.kernel.name,
            "instructions": round(c.cost.instructions),
            "weight_bytes": c.cost.weight_bytes,
            "scratch_bytes": c.cost.scratch_bytes,
            "why": c.why,
            "others": [list(o) for o in c.others],
        }
        for c in level.choices
    ]


def level_lines(level: LevelModel) -> list[str]:
    """Kernels and memory of one level."""
    lines = [f"kernels for {level.level.name}"]
    for c in level.choices:
        kinds = " + ".join(c.site.graph.ops[i].kind for i in c.site.ops)
        batch, *rest = c.site.output().shape or (1,)
        shape = "x".join(map(str, (batch * c.site.images, *rest)))
        lines.append(
            f"  {c.site.name:<10} {kinds:<24} {shape:<14} {c.kernel.name:<26} {c.cost.weight_bytes:>8} bytes, "
            f"~{c.cost.instructions / 1e3:.0f} k instructions; {c.why}"
        )
    lines += ["", f"memory   {memory_text.verdict(level.plan)}"]
    lines += ["  " + line for line in memory_text.table(level.plan, step_names(level))]
    return lines
