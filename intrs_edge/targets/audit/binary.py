# SPDX-License-Identifier: Apache-2.0
"""Reads ELF files through binutils: sections, symbols, attributes, functions with their instructions."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError


@dataclass(frozen=True)
class Instruction:
    """One disassembled instruction; ``target`` is the address that a branch names, else -1."""

    address: int
    mnemonic: str
    operands: str
    target: int = -1


@dataclass
class Function:
    """A symbol's code. ``words`` are the literal-pool values inside it."""

    name: str
    address: int
    code: list[Instruction] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


def run_tool(command: Sequence[str]) -> str:
    """The output of a binutils program; raises IntrsError when it is missing or fails."""
    if shutil.which(command[0]) is None:
        raise IntrsError(f"{command[0]} is not installed; `intrs-edge doctor` says how to get it")
    done = subprocess.run(list(command), capture_output=True, text=True, check=False, timeout=patient(300))
    if done.returncode != 0:
        raise IntrsError(
            f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}"
        )
    return done.stdout


_SYMBOL = re.compile(r"^([0-9a-f]+) <(.+)>:$")
_LINE = re.compile(r"^\s*([0-9a-f]+):\t[0-9a-f ]+\t(\S+)\s*(.*)$")
_TARGET = re.compile(r"(?:^|[ ,])(?:0x)?([0-9a-f]+) <")


def disassemble(toolchain: str, image: Path, machine: str = "", *, empty: bool = False) -> list[Function]:
    """The functions of an ELF file or object; raises IntrsError when there are none and ``empty`` does not allow it.

    ``machine``: objdump's -m where attributes do not tell (MVE).
    """
    extra = ["-m", machine] if machine else []
    functions: list[Function] = []
    for line in run_tool([f"{toolchain}objdump", "-d", "-w", *extra, str(image)]).splitlines():
        if symbol := _SYMBOL.match(line):
            functions.append(Function(symbol[2], int(symbol[1], 16)))
        elif functions and (match := _LINE.match(line)):
            address, mnemonic, operands = int(match[1], 16), match[2], match[3]
            if mnemonic == ".word":
                functions[-1].words.append(int(operands.split()[0], 16))
                continue
            target = _TARGET.search(operands.split(";")[0].split("//")[0])
            functions[-1].code.append(Instruction(address, mnemonic, operands, int(target[1], 16) if target else -1))
    if not empty and not any(f.code for f in functions):
        raise IntrsError(f"{image} holds no code that {toolchain}objdump can read")
    return functions


def symbols(toolchain: str, image: Path, *options: str, dynamic: bool = False) -> dict[str, str]:
    """Symbol names and nm's type letters ('U' undefined) of a file or archive; options: further ones of nm."""
    extra = [*options, "-D"] if dynamic else options
    found = {}
    for line in run_tool([f"{toolchain}nm", *extra, str(image)]).splitlines():
        parts = line.split()
        if len(parts) > 1:  # else a member of an archive
            found[parts[-1].split("@")[0]] = parts[-2]
    return found


@dataclass(frozen=True)
class Section:
    """Where an allocated section runs, where its contents are kept (if it has any), and its bytes."""

    run: int
    load: int
    size: int
    loaded: bool


def sections(toolchain: str, image: Path) -> dict[str, Section]:
    """The allocated sections by name."""
    found = {}
    lines = run_tool([f"{toolchain}objdump", "-h", "-w", str(image)]).splitlines()
    for line in lines:
        parts = line.split()
        if len(parts) > 6 and parts[0].isdigit() and "ALLOC" in line:
            found[parts[1]] = Section(int(parts[3], 16), int(parts[4], 16), int(parts[2], 16), " LOAD" in line)
    return found


def data_words(toolchain: str, image: Path, names: Sequence[str]) -> list[int]:
    """The 32-bit words of data sections, to find the addresses kept there."""
    words = []
    for name in names:
        for line in run_tool([f"{toolchain}objdump", "-s", "-j", name, str(image)]).splitlines():
            match = re.match(r"^ [0-9a-f]+ ((?:[0-9a-f]{2,8} ){1,4}) ", line)
            for group in match[1].split() if match else ():
                if len(group) == 8:
                    words.append(int.from_bytes(bytes.fromhex(group), "little"))
    return words
