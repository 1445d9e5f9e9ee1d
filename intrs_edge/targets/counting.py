# SPDX-License-Identifier: Apache-2.0
"""Deterministic cost: guest instructions of one firmware function, counted by a QEMU plugin.

The plugin (``firmware/tools/count.c``) is compiled with the host's C compiler on first use and kept in the user's cache
folder under the hash of its source. Counts are identical in every run; they are instructions, not cycles.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.children import guarded, patient
from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.paths import shipped


@dataclass(frozen=True)
class Site:
    """One call site inside the caller: its address, the function it calls, the instructions charged to it per call."""

    address: int
    callee: str
    instructions: float


@dataclass(frozen=True)
class Counts:
    """``calls`` holds the instructions of each call of the function; the others are means per call."""

    calls: tuple[int, ...]
    sites: tuple[Site, ...]
    functions: dict[str, float]

    @property
    def per_call(self) -> float:
        """Mean instructions per call."""
        return sum(self.calls) / len(self.calls)


def build_plugin() -> Path:
    """The compiled plugin; raises IntrsError when no C compiler is found or it fails."""
    source = shipped("firmware") / "tools" / "count.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intrs-edge"
    library = cache / f"count-{digest}.so"
    if library.exists():
        return library
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise IntrsError("counting instructions needs a host C compiler; install gcc")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "count.so"
        command = [compiler, "-O2", "-std=gnu11", "-shared", "-fPIC", "-o", str(built), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)
        if result.returncode != 0:
            lines = result.stderr.splitlines() or ["no message"]
            raise IntrsError(f"{compiler} cannot build the counting plugin: {lines[0]}")
        write_atomically(library, built.read_bytes(), "counting plugin")
    return library


_NM = ("arm-none-eabi-nm", "nm", "aarch64-linux-gnu-nm", "arm-linux-gnueabihf-nm", "riscv64-unknown-elf-nm")


def symbols(elf: Path) -> list[tuple[int, int, str]]:
    """(address, size, name) of the functions of an ELF file by address, the Thumb bit cleared."""
    tools = [path for tool in _NM if (path := shutil.which(tool))]
    if not tools:
        raise IntrsError("reading an ELF file's symbols needs nm; install binutils-arm-none-eabi")
    for nm in tools:  # each reads the architectures that it was built for
        result = subprocess.run(
            [nm, "-S", "-n", str(elf)], capture_output=True, text=True, timeout=patient(60), check=False
        )
        if result.returncode == 0:
            break
    else:
        raise IntrsError(f"{elf} is not a readable ELF file")
    found = []
    for line in result.stdout.splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[2] in "tTwW":
            found.append((int(parts[0], 16) & ~1, int(parts[1], 16), parts[3]))
    return found


def _name(functions: Sequence[tuple[int, int, str]], address: int) -> str:
    for start, size, name in functions:
        if start <= address < start + size:
            return name
    return hex(address)


def plugin_options(elf: Path, out: Path, function: str, within: str | None = None) -> list[str]:
    """QEMU's options that count ``function`` of ``elf`` into the file ``out``; see `count_function`."""
    by_name = {name: (start, size) for start, size, name in symbols(elf)}
    for name in (function, within):
        if name is not None and name not in by_name:
            raise IntrsError(f"{elf.name} has no function {name}; was it inlined?")
    plugin = f"{build_plugin()},out={out},entry={by_name[function][0]:#x}"
    if within is not None:
        low, size = by_name[within]
        plugin += f",within={low:#x}-{low + size:#x}"
    return ["-plugin", plugin]


def read_counts(elf: Path, out: Path, function: str) -> Counts:
    """What a finished emulator wrote to ``out``; IntrsError when the function never ran to its end."""
    rows = [line.split() for line in out.read_text().splitlines()]
    return _parse(rows, symbols(elf), function)


def count_function(
    command: Sequence[str], elf: Path, function: str, within: str | None = None, timeout: float = 600
) -> Counts:
    """Runs ``command`` (a QEMU call that ends by itself) with the plugin and counts ``function``.

    within: a function called below it whose call sites are told apart (the generated ``intrs_model_run``: one a layer).
    Raises IntrsError when the function is not in the ELF file, never runs to its end, or QEMU fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        options = plugin_options(elf, out, function, within)
        if shutil.which(command[0]) is None:
            raise IntrsError(f"{command[0]} is not installed; install qemu-system-arm")
        try:
            result = subprocess.run(
                guarded([command[0], *options, *command[1:]]),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True, errors="replace", timeout=patient(timeout), check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise IntrsError(f"{elf.name} did not end within {timeout:g} s under the emulator") from error
        if not out.exists():
            lines = result.stderr.splitlines() or ["no message"]
            raise IntrsError(f"{command[0]} did not start with the counting plugin: {lines[0]}")
        return read_counts(elf, out, function)


def _parse(rows: list[list[str]], functions: list[tuple[int, int, str]], function: str) -> Counts:
    calls = tuple(int(row[1]) for row in rows if row[0] == "call")
    if not calls:
        raise IntrsError(f"the emulated program never returned from {function}; nothing to count")
    n = len(calls)
    merged: dict[int, tuple[str, float]] = {}
    per_function: dict[str, float] = {}
    for row in rows:
        if row[0] == "site":
            address, callee = int(row[1]), int(row[2])
            old_name, old = merged.get(address, ("", 0.0))
            name = _name(functions, callee) if callee else old_name
            merged[address] = (name, old + int(row[4]) / n)
        elif row[0] == "block":
            name = _name(functions, int(row[1]))
            per_function[name] = per_function.get(name, 0.0) + int(row[2]) / n
    sites = tuple(Site(address, name, count) for address, (name, count) in sorted(merged.items()))
    return Counts(calls, sites, dict(sorted(per_function.items(), key=lambda item: -item[1])))
