# SPDX-License-Identifier: Apache-2.0
"""Audits of what was built: the host's library and program, a board's library and image or program."""

from __future__ import annotations

import os
from pathlib import Path

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen.prefix import DEFAULT
from intrs_edge.codegen.sizes import stack_bound as graph_bound
from intrs_edge.errors import IntrsError
from intrs_edge.targets.audit.archive import audit_archive
from intrs_edge.targets.audit.binary import data_words, disassemble, sections, symbols
from intrs_edge.targets.audit.floats import floating_attributes, floating_instructions, soft_float_helpers
from intrs_edge.targets.audit.layout import flash_image, layout_faults
from intrs_edge.targets.audit.rules import ALLOCATORS, MEMORY_FUNCTIONS, AuditReport
from intrs_edge.targets.audit.stack import read_stack_usage, stack_bound
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import project_board

_KEPT = (".text", ".rodata", ".data", ".bss")
_EXCEPTION_FRAME = 32 + 4  # registers that the core pushes on an exception, and the word that aligns them


def audit_project(directory: Path | str) -> list[AuditReport]:
    """Audits a built project: the host's library and (where gcc compiled it, which writes call graphs) its program; and
    of a board, where it was built, the library by itself and the image, or the program. Raises IntrsError.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    board, name = project_board(manifest), manifest.raw.get("prefix", DEFAULT)
    build = directory / "build"
    library, program = build / "host" / "libintrs.so", build / "host" / "intrs"
    found = [audit_library(library)] if library.is_file() else []
    objects = sorted(p for part in (name, f"{name}_program") for p in (build / f"CMakeFiles/{part}.dir").rglob("*.o"))
    if program.is_file() and any(path.with_suffix(".ci").is_file() for path in objects):
        found.append(audit_program(program, load_board("host"), objects))
    image = build / "board" / ("intrs.elf" if board.os == "none" else "intrs")
    if board.id != "host" and image.is_file():
        if board.os == "none":
            archive = image.parent / f"lib{name}.a"
            usage = sorted((image.parent / f"CMakeFiles/{name}.dir").rglob("*.su"))
            found += [audit_archive(archive, board, usage)] if archive.is_file() else []
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
    report.add(
        "integer-only instructions",
        floating_instructions(functions, architecture),
        f"{len(functions)} functions",
    )
    outside = {name for name, kind in symbols("", library, dynamic=True).items() if kind == "U"}
    foreign = sorted(outside - MEMORY_FUNCTIONS - {"__stack_chk_fail"})
    report.add("calls nothing outside but memcpy and memset", foreign, ", ".join(sorted(outside)) or "nothing")
    report.sections = {n: s.size for n, s in sections("", library).items() if n in _KEPT}
    return report


def audit_program(image: Path, board: Board, objects: list[Path]) -> AuditReport:
    """A Linux program through the objects it was linked from: the C library beside them is not ours to judge.

    Recursion and stack come from the call graphs that gcc leaves beside the objects (-fcallgraph-info=su).
    """
    report = AuditReport(str(image), board.id)
    architecture = os.uname().machine
    if board.toolchain:
        architecture = "aarch64" if board.toolchain.startswith("aarch64") else "arm"
    if not objects:
        raise IntrsError(f"{image.parent} holds no object files; build the project again")
    floating: list[str] = []
    names: set[str] = set()
    for path in objects:
        floating += floating_instructions(disassemble(board.toolchain, path, empty=True), architecture)
        names |= set(symbols(board.toolchain, path))
    report.add("integer-only instructions", floating, f"{len(objects)} objects")
    report.add("no allocation", sorted(ALLOCATORS & names), "no allocator named")
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
    report.add("no recursion, every frame of known size", faults, good)
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
    report.add("integer-only instructions", floating, f"{len(functions)} functions")
    report.add("no soft-float helper", soft_float_helpers(tools, image), "none linked")
    report.add("built without a floating-point unit", floating_attributes(tools, image), "build attributes agree")
    report.add("no allocation", sorted(ALLOCATORS & set(symbols(tools, image))), "no allocator linked")

    data = flash_image(tools, image)
    report.add("image layout", layout_faults(data, board), f"{len(data)} bytes begin as the chip's boot code wants")
    placed = sections(tools, image)
    report.sections = {name: s.size for name, s in placed.items()}
    usage, dynamic = read_stack_usage(stack_usage)
    kept = data_words(tools, image, [n for n in placed if n in (".data", ".rodata")])
    bound = stack_bound(functions, "intrs_reset", usage, dynamic, kept, architecture)
    report.stack_bytes = bound.bytes + (_EXCEPTION_FRAME if architecture == "arm" else 0)
    if any(f.name == "fault" for f in functions):
        report.stack_bytes += stack_bound(functions, "fault", usage, dynamic, (), architecture).bytes
    report.stack_path = bound.path
    report.add("no recursion", list(bound.cycles), f"call graph of {len(functions)} functions has no cycle")
    good = f"{len(usage)} functions in -fstack-usage files"
    report.add("every frame is of known size", list(bound.unbounded), good)
    reserved = placed[".stack"].size if ".stack" in placed else board.stack_bytes
    over = [] if report.stack_bytes <= reserved else [f"{report.stack_bytes} bytes of {reserved} reserved"]
    report.add("stack bound", over, f"{report.stack_bytes} bytes of {reserved} reserved")

    for memory in board.memory:
        inside = range(memory.origin, memory.origin + memory.size)
        used = sum(s.size for s in placed.values() if s.run in inside or (s.loaded and s.load in inside))
        if used:
            over = [] if used <= memory.size else [f"{used} bytes of {memory.size}"]
            report.add(f"fits {memory.name}", over, f"{used} bytes of {memory.size}")
    return report
