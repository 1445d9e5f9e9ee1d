# SPDX-License-Identifier: Apache-2.0
"""Integer-only: no floating-point instruction and no soft-float call, by architecture.

A compiler may do without floating-point instructions by calling helpers, so both are looked for. Moves through vector
registers are no arithmetic and are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from intrs_edge.targets.audit.binary import Function, run_tool, symbols

# run-time ABI for the Arm architecture, section 4.1; libgcc's own names for the same
_HELPER = re.compile(
    r"__aeabi_(?:[fd](?!iv)\w*|c[fd](?:r?cmp)\w*|[iul]{1,2}2[fdh]|h2f\w*|[fd]2\w+)"
    r"|__(?:add|sub|mul|div|neg|eq|ne|lt|le|gt|ge|unord|cmp|pow)[hsdtx][fc][23i]*"
    r"|__(?:fix|fixuns|float|floatun|floatuns|extend|trunc)[hsdtx][ifc]?\w*[hsdtx][if]\w*"
)

# Thumb, MVE and NEON name the type after a dot; A64 begins with f; SSE and AVX end with the type
_ARM = re.compile(r"v\w+\..*f(?:16|32|64)\b.*|vcvt\w*\..*|f(?:add|sub|mul|div|mac|cmp|sqrt|to|cvt|sito|uito)\w*")
_A64 = re.compile(r"f(?!mov$)\w+|[su]cvtf|bf(?:dot|mmla|mlal|cvt)\w*")
_X86 = re.compile(
    r"v?(?:add|sub|mul|div|sqrt|rsqrt|rcp|min|max|cmp\w*|comi|ucomi|dp|hadd|hsub|addsub|round|scalef|getexp|getmant"
    r"|fn?m(?:add|sub)\w*?)(?:ss|sd|ps|pd)|v?cvt\w+|f(?:add|sub|mul|div|ld|st|ild|ist|com|ucom|abs|chs|sqrt|scale)\w*"
)
_RISCV = re.compile(r"(?:c\.)?f(?!ence)\w+(?:\.\w+)*|vf\w+(?:\.\w+)*")  # F, D, Q, Zfh; of V what computes on floats
_FLOATING = {"arm": _ARM, "aarch64": _A64, "x86_64": _X86, "riscv": _RISCV}


def floating_instructions(functions: Iterable[Function], architecture: str) -> list[str]:
    """``function: mnemonic`` of every floating-point instruction. architecture: arm, aarch64,
    x86_64 or riscv."""
    pattern = _FLOATING[architecture]
    return sorted({f"{f.name}: {i.mnemonic}" for f in functions for i in f.code if pattern.fullmatch(i.mnemonic)})


def soft_float_helpers(toolchain: str, image: Path) -> list[str]:
    """Symbols, defined or not, that compute with floating point in software."""
    return sorted(name for name in symbols(toolchain, image) if _HELPER.fullmatch(name))


def attributes(toolchain: str, image: Path) -> dict[str, str]:
    """The Arm or RISC-V build attributes of an image: Tag_... -> text."""
    found = {}
    for line in run_tool([f"{toolchain}readelf", "-A", str(image)]).splitlines():
        name, colon, value = line.strip().partition(": ")
        if colon and name.startswith("Tag_"):
            found[name] = value
    return found


def floating_attributes(toolchain: str, image: Path) -> list[str]:
    """Build attributes that allow floating-point instructions (bare metal): none on an integer-only image."""
    found = attributes(toolchain, image)
    if toolchain.startswith("riscv"):
        extensions = re.findall(r"(?:^|_)([a-z]+)\d", found.get("Tag_RISCV_arch", "f0").strip('"').removeprefix("rv32"))
        wrong = [e for e in extensions if e in ("f", "d", "q", "v") or e.startswith(("zf", "zd", "zh", "zve"))]
        return [f"Tag_RISCV_arch: {found.get('Tag_RISCV_arch', 'missing')}"] if wrong else []
    bad = []
    # an integer-only vector unit is declared with a register file but "Integer only" MVE
    if "Tag_FP_arch" in found and "Integer only" not in found.get("Tag_MVE_arch", ""):
        bad.append(f"Tag_FP_arch: {found['Tag_FP_arch']}")
    if "float" in found.get("Tag_MVE_arch", "").lower():
        bad.append(f"Tag_MVE_arch: {found['Tag_MVE_arch']}")
    return bad
