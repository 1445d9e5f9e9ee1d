# SPDX-License-Identifier: Apache-2.0
"""What a project would take with each of ``--optimize``'s words, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from intrs_edge.codegen.choose import OPTIMIZE
from intrs_edge.codegen.model import plan_level, weight_bytes
from intrs_edge.codegen.report import Report


@dataclass(frozen=True)
class Alternative:
    """One choice of kernels. ``flash`` has the code of the project at hand; that of other kernels differs by some KB.
    ``instructions``: of one inference, as the kernels' costs say. ``fits``: within the project's limits.
    """

    optimize: str
    chosen: bool
    flash: int
    weights: int
    ram: int
    instructions: int
    fits: bool


def alternatives(report: Report) -> tuple[Alternative, ...]:
    """Of a bare-metal project, the words in the order of `OPTIMIZE`; of others none: they have no such limits."""
    limits = report.limits
    if limits is None:
        return ()
    sizes, (own,) = report.sizes, report.model.levels
    fixed = sizes.code + sizes.tables
    chosen = report.manifest["settings"]["optimize"]
    found = []
    for word in OPTIMIZE:
        level = own
        if word != chosen:
            room = max(limits.flash.bytes - fixed, 0), max(limits.ram.bytes - sizes.ram, 0)
            level = plan_level(report.model.graph, own.level, word, 1, *room)
        weights = report.model.weight_bytes if word == chosen else weight_bytes(report.model.graph, level)
        flash, ram = fixed + weights, level.plan.bytes + sizes.ram
        instructions = round(sum(c.cost.instructions for c in level.choices))
        fits = flash <= limits.flash.bytes and ram <= limits.ram.bytes
        found.append(Alternative(word, word == chosen, flash, weights, ram, instructions, fits))
    return tuple(found)


def alternative_lines(report: Report) -> list[str]:
    """The same as a table."""
    found = alternatives(report)
    if not found:
        return []
    lines = ["", "optimize       flash       RAM  instructions"]
    for a in found:
        mark = "  <- this project" if a.chosen else "" if a.fits else "  more than the budget"
        about = " " if a.chosen else "~"
        lines.append(f"  {a.optimize:<9}{about}{a.flash:>8}  {a.ram:>8}  {a.instructions:>12}{mark}")
    return lines
