# SPDX-License-Identifier: Apache-2.0
"""What is installed for which board, and the command that installs the rest."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass

from intrs_edge.boards import Board, board_ids, load_board
from intrs_edge.targets import rp2040js

# program -> Debian packages, with what apt only recommends; several programs of a package are one installation
_APT = {
    "cc": "gcc libc6-dev",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "qemu-aarch64": "qemu-user",
    "qemu-arm": "qemu-user",
    "gdb-multiarch": "gdb-multiarch",
    "openocd": "openocd",
    "dfu-util": "dfu-util",
    "st-flash": "stlink-tools",
    "bossac": "bossa-cli",
    "teensy_loader_cli": "teensy-loader-cli",
    "ssh": "openssh-client",
    "scp": "openssh-client",
    "node": "nodejs npm",
}
_ELSEWHERE = {
    "pyocd": "pip install pyocd",
    "esptool.py": "pip install esptool",
    "probe-rs": "cargo install probe-rs-tools",
    "JLinkExe": "J-Link software of segger.com",
    "STM32_Programmer_CLI": "STM32CubeProgrammer of st.com",
}
_RUNNERS = {
    "ssh": ("ssh", "scp"), "gdb": ("gdb-multiarch",), "uf2": (), "jlink": ("JLinkExe",), "esptool": ("esptool.py",),
    "stm32cubeprogrammer": ("STM32_Programmer_CLI",),
}  # fmt: skip
_MODULES = {
    "torch": ("training", "pip install 'intrs-edge[train]'"),
    "onnxruntime": ("checks against ONNX Runtime", "pip install 'intrs-edge[dev]'"),
    "tflite_runtime": ("checks against TFLite", "pip install 'intrs-edge[verify]'"),
    "matplotlib": ("plots", "pip install 'intrs-edge[report]'"),
    "plotly": ("pages of report", "pip install 'intrs-edge[report]'"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that something needs. ``install`` is the command that brings it."""

    name: str
    wanted_for: str
    found: str  # its path, "yes", or empty
    install: str


def needs(board: Board) -> dict[str, tuple[str, ...]]:
    """What a board needs to ``build``, ``emulate`` and ``flash``: programs, each."""
    emulator: tuple[str, ...] = ()
    if board.emulator is not None:
        emulator = ("node", "rp2040js") if board.emulator.program == "rp2040js" else (board.emulator.program,)
    build = ("cc", "cmake") + ((f"{board.toolchain}gcc",) if board.toolchain else ())
    return {"build": build, "emulate": emulator, "flash": _programs(board)}


def _programs(board: Board) -> tuple[str, ...]:
    """What the first runner of a board needs; most are called as their program is."""
    if not board.flash:
        return ()
    first = board.flash[0]
    return (first.target,) if first.runner == "command" else _RUNNERS.get(first.runner, (first.runner,))


def look(name: str) -> str:
    """Where a program or module is; empty when it is not."""
    if name == "rp2040js":
        return str(rp2040js.node_path() or "")
    if name in _MODULES:
        return "yes" if importlib.util.find_spec(name) is not None else ""
    return shutil.which(name) or ""


def installation(name: str) -> str:
    """The command that installs a program or module."""
    if name == "rp2040js":
        return rp2040js.INSTALL
    if name in _MODULES:
        return _MODULES[name][1]
    return _ELSEWHERE.get(name) or f"apt-get install {_APT.get(name, name)}"


def doctor(board: str | None = None) -> list[Finding]:
    """What the board (an id or path), or any board and the extras, may need. Raises IntrsError for an unknown board."""
    boards = [load_board(board)] if board else [load_board(name) for name in board_ids()]
    wanted: dict[str, list[str]] = {}
    for one in boards:
        for what, names in needs(one).items():
            for name in names:
                wanted.setdefault(name, []).append(f"{what} {one.id}" if len(boards) == 1 else what)
    findings = [Finding(n, ", ".join(sorted(set(w))), look(n), installation(n)) for n, w in wanted.items()]
    if board is None:
        findings += [Finding(n, purpose, look(n), command) for n, (purpose, command) in _MODULES.items()]
    return findings


def as_text(findings: list[Finding]) -> str:
    """A table for the terminal, and the commands that install what is missing."""
    width = max(len(f.name) for f in findings)
    lines = [f"{'ok     ' if f.found else 'MISSING'} {f.name:<{width}}  {f.wanted_for}" for f in findings]
    commands = list(dict.fromkeys(f.install for f in findings if not f.found))
    apt = " ".join(dict.fromkeys(c.removeprefix("apt-get install ") for c in commands if c.startswith("apt-get")))
    rest = [c for c in commands if not c.startswith("apt-get")]
    if commands:
        lines += [
            "",
            "to install what is missing:",
            *([f"  apt-get install {apt}"] if apt else []),
            *(f"  {c}" for c in rest),
        ]
    return "\n".join(lines)
