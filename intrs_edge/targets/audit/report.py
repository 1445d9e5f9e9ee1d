"""The rules, and the report that shows them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from intrs_edge.boards import Board
from intrs_edge.codegen.sizes import stack_bound as graph_bound
from intrs_edge.errors import IntrsError
from intrs_edge.targets.audit.binary import data_words, disassemble, sections, symbols
from intrs_edge.targets.audit.floats import floating_attributes, floating_instructions, soft_float_helpers
from intrs_edge.targets.audit.layout import flash_image, layout_faults
from intrs_edge.targets.audit.stack import read_stack_usage, stack_bound
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import project_board

_ALLOCATORS = {
    "malloc",
    "calloc",
    "realloc",
    "free",
    "aligned_alloc",
    "posix_memalign",
    "alloca",
    "_sbrk",
    "sbrk",
    "_malloc_r",
}
_KEPT = (".text", ".rodata", ".data", ".bss")
_EXCEPTION_FRAME = 32 + 4  # registers that the core pushes on an exception, and the word that aligns them


@dataclass(frozen=True)
class Rule:
    """One thing that was checked; ``detail`` says what was found."""

    name: str
    holds: bool
    detail: str


@dataclass
class AuditReport:
    """Rules in the order checked, section sizes, and the stack bound in bytes (bare metal only, else -1)."""

    image: str
    board: str
    rules: list[Rule] = field(default_factory=list)
    sections: dict[str, int] = field(default_factory=dict)
    stack_bytes: int = -1
    stack_path: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every rule holds."""
        return all(rule.holds for rule in self.rules)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"holds": self.holds}

    def as_text(self) -> str:
        """For a terminal."""
        lines = [f"{self.image} ({self.board})"]
        lines += [f"  {'ok  ' if r.holds else 'FAIL'} {r.name}: {r.detail}" for r in self.rules]
        lines += [f"  section {name:<12} {size:>9}" for name, size in self.sections.items()]
        if self.stack_bytes >= 0:
            lines.append(f"  deepest stack: {' > '.join(self.stack_path)}")
        return "\n".join(lines)


def audit_project(directory: Path | str) -> list[AuditReport]:
    """Audits a built project: the host library and, where there is one, the board's image. Raises IntrsError."""
    directory = Path(directory)
    board = project_board(read_manifest(directory))
    host = directory / "build" / "host" / "libintrs.so"
    image = directory / "build" / "board" / ("intrs.elf" if board.os == "none" else "intrs")
    found = [audit_library(host)] if host.is_file() else []
    if board.id != "host" and image.is_file():
        if board.os == "none":
            found.append(audit_image(image, board, sorted(image.parent.rglob("*.su"))))
        else:
            found.append(audit_program(image, board, sorted(image.parent.rglob("*.o"))))
    if not found:
        raise IntrsError(f"{directory} is not built; build it first: intrs-edge build {directory}")
    return found


def audit_library(library: Path) -> AuditReport:
    """The host's shared library: integer instructions, and nothing called from outside but memory copies."""
    report = AuditReport(str(library), "host")
    architecture = os.uname().machine
    if architecture not in ("x86_64", "aarch64"):
        raise IntrsError(f"audit knows no rules for this computer's {architecture}; audit the board's image instead")
    functions = [f for f in disassemble("", library) if not f.name.endswith("@plt")]
    _add(
        report,
        "integer-only instructions",
        floating_instructions(functions, architecture),
        f"{len(functions)} functions",
    )
    outside = {name for name, kind in symbols("", library, dynamic=True).items() if kind == "U"}
    foreign = sorted(outside - {"memcpy", "memset", "memmove", "memcmp", "__stack_chk_fail"})
    _add(report, "calls nothing outside but memcpy and memset", foreign, ", ".join(sorted(outside)) or "nothing")
    report.sections = {n: s.size for n, s in sections("", library).items() if n in _KEPT}
    return report


def audit_program(image: Path, board: Board, objects: list[Path]) -> AuditReport:
    """A Linux program through the objects it was linked from: the C library beside them is not ours to judge.

    Recursion and stack come from the call graphs that gcc leaves beside the objects (-fcallgraph-info=su).
    """
    report = AuditReport(str(image), board.id)
    architecture = "aarch64" if board.toolchain.startswith("aarch64") else "arm"
    if not objects:
        raise IntrsError(f"{image.parent} holds no object files; build the project again")
    floating: list[str] = []
    names: set[str] = set()
    for path in objects:
        floating += floating_instructions(disassemble(board.toolchain, path, empty=True), architecture)
        names |= set(symbols(board.toolchain, path))
    _add(report, "integer-only instructions", floating, f"{len(objects)} objects")
    _add(report, "no allocation", sorted(_ALLOCATORS & names), "no allocator named")
    graphs = [path.with_suffix(".ci") for path in objects]
    faults = [f"{path.name} is missing: build with gcc" for path in graphs if not path.is_file()]
    bound = 0
    if not faults:
        try:
            texts = [path.read_text(encoding="utf-8", errors="replace") for path in graphs]
            bound = graph_bound(texts, "main", symbols(board.toolchain, image))
        except IntrsError as error:
            faults = [str(error)]
    good = f"call graphs of {len(graphs)} objects; at most {bound} bytes of stack besides the C library's"
    _add(report, "no recursion, every frame of known size", faults, good)
    report.sections = {n: s.size for n, s in sections(board.toolchain, image).items() if n in _KEPT}
    return report


def audit_image(image: Path, board: Board, stack_usage: list[Path]) -> AuditReport:
    """A board's image. stack_usage: the compiler's -fstack-usage files, may be empty. Raises IntrsError."""
    report = AuditReport(str(image), board.id)
    tools = board.toolchain
    machine = "armv8.1-m.main" if "mve" in board.isa else ""
    architecture = "riscv" if tools.startswith("riscv") else "arm"
    functions = disassemble(tools, image, machine)
    floating = floating_instructions(functions, architecture)
    _add(report, "integer-only instructions", floating, f"{len(functions)} functions")
    _add(report, "no soft-float helper", soft_float_helpers(tools, image), "none linked")
    _add(report, "built without a floating-point unit", floating_attributes(tools, image), "build attributes agree")
    _add(report, "no allocation", sorted(_ALLOCATORS & set(symbols(tools, image))), "no allocator linked")

    data = flash_image(tools, image)
    _add(report, "image layout", layout_faults(data, board), f"{len(data)} bytes begin as the chip's boot code wants")
    placed = sections(tools, image)
    report.sections = {name: s.size for name, s in placed.items()}
    usage, dynamic = read_stack_usage(stack_usage)
    kept = data_words(tools, image, [n for n in placed if n in (".data", ".rodata")])
    bound = stack_bound(functions, "intrs_reset", usage, dynamic, kept, architecture)
    report.stack_bytes = bound.bytes + (_EXCEPTION_FRAME if architecture == "arm" else 0)
    if any(f.name == "fault" for f in functions):
        report.stack_bytes += stack_bound(functions, "fault", usage, dynamic, (), architecture).bytes
    report.stack_path = bound.path
    _add(report, "no recursion", list(bound.cycles), f"call graph of {len(functions)} functions has no cycle")
    _add(
        report, "every frame is of known size", list(bound.unbounded), f"{len(usage)} functions in -fstack-usage files"
    )
    reserved = placed[".stack"].size if ".stack" in placed else board.stack_bytes
    over = [] if report.stack_bytes <= reserved else [f"{report.stack_bytes} bytes of {reserved} reserved"]
    _add(report, "stack bound", over, f"{report.stack_bytes} bytes of {reserved} reserved")

    for memory in board.memory:
        inside = range(memory.origin, memory.origin + memory.size)
        used = sum(s.size for s in placed.values() if s.run in inside or (s.loaded and s.load in inside))
        if used:
            over = [] if used <= memory.size else [f"{used} bytes of {memory.size}"]
            _add(report, f"fits {memory.name}", over, f"{used} bytes of {memory.size}")
    return report


def _add(report: AuditReport, name: str, faults: list[str], good: str) -> None:
    shown = ", ".join(faults[:8]) + (f" and {len(faults) - 8} more" if len(faults) > 8 else "")
    report.rules.append(Rule(name, not faults, shown or good))
