# SPDX-License-Identifier: Apache-2.0
"""The library of a microcontroller by itself, as it goes into somebody else's firmware: linked alone, then judged."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from intrs_edge.boards import Board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.audit.binary import data_words, disassemble, run_tool, sections, symbols
from intrs_edge.targets.audit.floats import floating_attributes, floating_instructions, soft_float_helpers
from intrs_edge.targets.audit.rules import ALLOCATORS, MEMORY_FUNCTIONS, AuditReport
from intrs_edge.targets.audit.stack import StackBound, read_stack_usage, stack_bound

# sections that may be written at run time; .data.rel.ro holds constants with addresses
_VARIABLES = re.compile(r"\.(s|t)?(data|bss)(?!\.rel\.ro)")


def audit_archive(archive: Path, board: Board, stack_usage: Sequence[Path]) -> AuditReport:
    """A static library: every function of it may be called, so the stack is the most below any. What a caller hands
    over to be called (a progress function) is the caller's. stack_usage: as `audit_image`. Raises IntrsError.
    """
    report = AuditReport(str(archive), board.id)
    tools = board.toolchain
    architecture = "riscv" if tools.startswith("riscv") else "arm"
    with tempfile.TemporaryDirectory(prefix="intrs-audit-") as folder:
        image = Path(folder) / "library.elf"
        whole = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive", "-lgcc"]
        alone = ["-nostdlib", "-nostartfiles", "-Wl,--unresolved-symbols=ignore-all", "-Wl,--entry=0"]
        run_tool([f"{tools}gcc", *board.cflags, *alone, *whole, "-o", str(image)])
        functions = disassemble(tools, image, "armv8.1-m.main" if "mve" in board.isa else "")
        floating = floating_instructions(functions, architecture)
        report.add("integer-only instructions", floating, f"{len(functions)} functions")
        report.add("no soft-float helper", soft_float_helpers(tools, image), "none linked")
        report.add("built without a floating-point unit", floating_attributes(tools, image), "build attributes agree")
        linked, own = set(symbols(tools, image)), symbols(tools, archive, "--defined-only")
        outside = set(symbols(tools, archive, "--undefined-only")) - linked  # the compiler's helpers are linked
        report.add("no allocation", sorted(ALLOCATORS & (outside | set(own))), "no allocator named")
        foreign = sorted(outside - MEMORY_FUNCTIONS - ALLOCATORS)
        good = ", ".join(sorted(outside)) or "nothing"
        report.add("calls nothing outside but memory copies", foreign, good)
        placed = sections(tools, image)
        report.sections = {name: s.size for name, s in placed.items()}
        report.add("no variables", _variables(tools, archive), "all that it writes is the caller's")
        kept = data_words(tools, image, [n for n in placed if n in (".data", ".sdata", ".rodata")])
    usage, dynamic = read_stack_usage(stack_usage)
    entries = [f.name for f in functions if own.get(f.name) == "T"]
    if not entries:
        raise IntrsError(f"{archive} has no function that can be called; build the project again")
    bounds = [stack_bound(functions, name, usage, dynamic, kept, architecture) for name in entries]
    _stack(report, bounds, len(usage), board.stack_bytes)
    return report


def _variables(toolchain: str, archive: Path) -> list[str]:
    words = [line.split() for line in run_tool([f"{toolchain}size", "-A", str(archive)]).splitlines()]
    found = [w for w in words if len(w) == 3 and _VARIABLES.match(w[0]) and int(w[1]) > 0]
    common = [name for name, kind in symbols(toolchain, archive, "--defined-only").items() if kind == "C"]
    return [f"{size} bytes of {name}" for name, size, _ in found] + common


def _stack(report: AuditReport, bounds: Sequence[StackBound], known: int, reserved: int) -> None:
    cycles = sorted({cycle for bound in bounds for cycle in bound.cycles})
    unbounded = sorted({name for bound in bounds for name in bound.unbounded})
    deepest = max(bounds, key=lambda bound: bound.bytes)
    report.stack_bytes, report.stack_path = deepest.bytes, deepest.path
    report.add("no recursion", cycles, f"call graphs below {len(bounds)} functions have no cycle")
    report.add("every frame is of known size", unbounded, f"{known} functions in -fstack-usage files")
    over = [f"{deepest.bytes} bytes of {reserved} reserved"] if deepest.bytes > reserved else []
    report.add("stack bound", over, f"{deepest.bytes} bytes of {reserved} reserved")
