# SPDX-License-Identifier: Apache-2.0
"""The call graph of a bare-metal image and the most stack it can take.

A function's frame is the larger of what the compiler reports (-fstack-usage) and what its instructions show. A call
through a pointer is taken to reach every function whose address is kept somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.targets.audit.binary import Function, Instruction


@dataclass(frozen=True)
class StackBound:
    """``bytes`` from the entry down ``path``; ``cycles``: recursion; ``unbounded``: functions with a dynamic frame."""

    bytes: int
    path: tuple[str, ...]
    cycles: tuple[str, ...]
    unbounded: tuple[str, ...]


def read_stack_usage(files: Iterable[Path]) -> tuple[dict[str, int], set[str]]:
    """From -fstack-usage files: bytes by function name (the most where names repeat), and names with dynamic frames."""
    frames: dict[str, int] = {}
    dynamic = set()
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            where, size, kind = line.split("\t")
            name = where.rsplit(":", 1)[1].partition(".")[0]
            frames[name] = max(frames.get(name, 0), int(size))
            if kind == "dynamic":
                dynamic.add(name)
    return frames, dynamic


def frame_bytes(function: Function) -> int:
    """The stack that a function's own instructions take: pushes and constants subtracted from sp, added up (Thumb;
    RISC-V, where the constant is added)."""
    total = 0
    for i in function.code:
        name = i.mnemonic.removesuffix(".w").removesuffix(".n")
        if name == "push" or (name in ("stmdb", "stmfd") and i.operands.startswith("sp!")):
            total += 4 * _registers(i.operands)
        elif name in ("vpush", "vstmdb"):
            total += (8 if "d" in i.operands else 4) * _registers(i.operands)
        elif match := re.match(r"subw? sp, (?:sp, )?#(\d+)|.*\[sp, #-(\d+)\]!", f"{name} {i.operands}"):
            total += int(match[1] or match[2])
        elif match := re.match(r"addi? sp,sp,-(\d+)", f"{name} {i.operands}"):
            total += int(match[1])
    return total


def _registers(operands: str) -> int:
    inside = operands[operands.index("{") + 1 : operands.index("}")]
    count = 0
    for part in inside.split(","):
        first, dash, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if dash else 1
    return count


def stack_bound(
    functions: list[Function],
    entry: str,
    usage: dict[str, int],
    dynamic: set[str],
    kept_words: Iterable[int],
    architecture: str = "arm",
) -> StackBound:
    """The bound from ``entry``. kept_words: words of the data sections, among which addresses of functions may be.
    architecture: arm (Thumb) or riscv."""
    by_address = {f.address: f for f in functions}
    if architecture == "riscv":  # addresses are made in registers; the entry lies where a round constant may point
        made = {i.target for f in functions for i in f.code if i.mnemonic in ("add", "addi")}
        kept = (made | set(kept_words)) - {f.address for f in functions if f.name == entry}
    else:  # literal pools and data; bit 0 of an address says Thumb, and only such a word is a function's
        kept = {w & ~1 for f in functions for w in f.words if w & 1} | {w & ~1 for w in kept_words if w & 1}
    reachable_by_pointer = [by_address[a] for a in sorted(kept) if a in by_address]
    frames: dict[int, int] = {}
    calls: dict[int, list[Function]] = {}
    for f in functions:
        own = {i.address for i in f.code}
        jumps = [i for i in f.code if architecture != "riscv" or _RISCV_JUMP.fullmatch(i.mnemonic)]
        found = {i.target for i in jumps if i.target in by_address and (i.target not in own or i.mnemonic in _CALLS)}
        calls[f.address] = [by_address[a] for a in sorted(found)]
        if any(_by_pointer(i.mnemonic, i.operands) for i in f.code):
            calls[f.address] += reachable_by_pointer
        frames[f.address] = max(frame_bytes(f), usage.get(f.name.split(".")[0], 0))

    deepest: dict[int, tuple[int, tuple[str, ...]]] = {}
    cycles: set[str] = set()
    open_path: list[Function] = []

    def visit(f: Function) -> tuple[int, tuple[str, ...]]:
        if f.address in deepest:
            return deepest[f.address]
        if f in open_path:
            names = [g.name for g in open_path[open_path.index(f) :]]
            cycles.add(" -> ".join([*names, f.name]))
            return 0, ()
        open_path.append(f)
        below = max((visit(callee) for callee in calls[f.address]), default=(0, ()))
        open_path.pop()
        deepest[f.address] = (frames[f.address] + below[0], (f.name, *below[1]))
        return deepest[f.address]

    size, path = visit(next(f for f in functions if f.name == entry))
    reached = {by_address[a].name.partition(".")[0]: by_address[a] for a in deepest}
    unknown = {n for n, f in reached.items() if n not in usage and any(map(_moves_stack_by_register, f.code))}
    return StackBound(size, path, tuple(sorted(cycles)), tuple(sorted(reached.keys() & dynamic | unknown)))


_CALLS = ("bl", "jal", "jalr")
_RISCV_JUMP = re.compile(r"j|jr|jal|jalr|b\w+")


def _moves_stack_by_register(i: Instruction) -> bool:
    """A frame of a size that the instruction does not show (a large one on a Cortex-M0, or one that varies)."""
    if re.fullmatch(r"sp,\w+,\S+( .*)?", i.operands):  # RISC-V, whose objdump calls addi add too; the entry sets sp
        return re.fullmatch(r"sp,\w+,[a-z]\w*", i.operands) is not None
    return bool(re.match(r"(?:add|sub)s?(?:\.w)?$", i.mnemonic) and re.match(r"sp, (?:sp, )?[a-z]", i.operands))


def _by_pointer(mnemonic: str, operands: str) -> bool:
    """A call or tail call to an address in a register other than the return address."""
    register = operands.partition(";")[0].strip()
    if mnemonic in ("jr", "jalr"):
        return re.fullmatch(r"[ats]\d+", register) is not None
    return mnemonic in ("blx", "bx") and re.fullmatch(r"r\d+|ip|sl|fp", register) is not None
