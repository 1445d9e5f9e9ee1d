# SPDX-License-Identifier: Apache-2.0
"""Instruction sets: which kernel features a CPU has, and how generated code finds out at run time.

A target gets one model per level, best first; the last level needs nothing. On a microcontroller there is one level,
known when the project is generated.
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import dataclass

from intrs_edge.boards import Board
from intrs_edge.boards.cores import CORES
from intrs_edge.errors import IntrsError


@dataclass(frozen=True)
class Level:
    """A set of features, the preprocessor condition under which its code compiles, and the C expression that is true
    when the CPU has them.
    """

    name: str
    features: frozenset[str]
    guard: str = ""
    probe: str = ""


PORTABLE = Level("portable", frozenset())

_X86 = "defined(__x86_64__)"
_A64 = "defined(__aarch64__)"
_A32 = "defined(__ARM_NEON) && !defined(__aarch64__)"

_HOST = {
    "x86_64": (
        Level("avx512vnni", frozenset({"x86", "avx2", "avx512vnni"}), _X86, "intrs_cpu_has_avx512vnni()"),
        Level("avx2", frozenset({"x86", "avx2"}), _X86, "intrs_cpu_has_avx2()"),
        PORTABLE,
    ),
    "aarch64": (
        Level("dotprod", frozenset({"neon", "aarch64", "dotprod"}), _A64, "intrs_cpu_has_dotprod()"),
        Level("neon", frozenset({"neon", "aarch64"}), _A64, "1"),
        PORTABLE,
    ),
    "armhf": (Level("neon32", frozenset({"neon", "aarch32"}), _A32, "intrs_cpu_has_neon()"), PORTABLE),
}

# what kernels may use on a microcontroller, by the words of its isa; Armv7-M runs those of Armv6-M too
_SMALL = frozenset({"armv6m", "thumb1"})
_MAIN = frozenset({"armv6m", "armv7m"})
_DSP = frozenset({"armv7m", "dsp"})
_RV32 = frozenset({"rv32"})
_BASES = {"cortex-m0": _SMALL, "cortex-m0plus": _SMALL, "cortex-m23": _SMALL, "rv32imc": _RV32, "rv32imac": _RV32}


def levels(cpu: str, isa: Collection[str] | None = None) -> tuple[Level, ...]:
    """The levels of a CPU, best first: ``x86_64``, ``aarch64``, ``armhf``, or a core as in a board file. isa: what it
    has of what it may have (`boards.cores`); None: all. IntrsError for another.
    """
    if cpu in _HOST:
        return tuple(x for x in _HOST[cpu] if isa is None or x.features & {"neon", "dotprod"} <= set(isa))
    if cpu not in CORES:
        raise IntrsError(f"cpu {cpu!r} is not known to the generator; one of {', '.join(sorted({*_HOST, *CORES}))}")
    if cpu == "generic":
        return (PORTABLE,)
    has = CORES[cpu].may if isa is None else tuple(isa)
    features = _DSP | set(has) if "dsp" in has else _BASES.get(cpu, _MAIN)
    lacking = "".join(f"_no{word}" for word in CORES[cpu].may if word not in has)
    return (Level(cpu.removeprefix("cortex-") + lacking, features),)


_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def host_levels(machine: str | None = None) -> tuple[Level, ...]:
    """The levels of the machine that generates (or of a named one, as platform.machine() spells it); portable alone
    where unknown.
    """
    name = _MACHINES.get((machine or platform.machine()).lower())
    return levels(name) if name else (PORTABLE,)


def board_levels(board: Board) -> tuple[Level, ...]:
    """The levels of a board: a Linux board's by the architecture of its compiler, a microcontroller's by its core."""
    if board.os == "linux":
        if board.toolchain.startswith("aarch64"):
            return levels("aarch64", board.isa)
        if board.toolchain.startswith("arm"):
            return levels("armhf", board.isa)
        return host_levels()
    return levels(board.cpu, board.isa)
