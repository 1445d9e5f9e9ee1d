# SPDX-License-Identifier: Apache-2.0
"""What each runner is told: the exact commands, or the copy, that put a built image on a board."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.boards import Board, Flash
from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.targets.uf2 import FAMILIES, to_uf2

# the file of build/board that a runner takes, where that is not intrs.elf
NEEDED = {"uf2": "intrs.bin", "ssh": "intrs", "dfu-util": "intrs.bin", "st-flash": "intrs.bin", "esptool": "intrs.bin"}


@dataclass(frozen=True)
class Plan:
    """What is about to be done: commands for the shell, or one copy of a file.

    copy: the file, and the folder or (not mounted yet) the label of the volume. answers: a target, where the runner
    itself knows who will answer.
    """

    runner: str
    commands: tuple[tuple[str, ...], ...] = ()
    copy: tuple[Path, Path | str] | None = None
    answers: str | None = None

    def as_text(self) -> str:
        """What --dry-run prints; can be pasted into a shell."""
        lines = [shlex.join(command) for command in self.commands]
        if self.copy is not None:
            source, to = self.copy
            absent = "  # where the boot loader mounts it" if isinstance(to, str) else ""
            lines.append(shlex.join(["cp", str(source), str(to)]) + absent)
        return "\n".join(lines)


def _pyocd(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    probe = ["--probe", where] if where else []
    load = ("pyocd", "load", "--no-wait", "--target", choice.target, *probe, *choice.args, str(image))
    return Plan("pyocd", (load, ("pyocd", "reset", "--no-wait", "--target", choice.target, *probe)))


def _openocd(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    probe = ["-c", f"adapter serial {where}"] if where else []
    program = f'program "{image}" verify reset exit'
    return Plan("openocd", (("openocd", *probe, "-f", choice.target, *choice.args, "-c", program),))


def _ssh(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    host = where or choice.target
    if host.startswith("-"):
        raise IntrsError(f"{host!r} is not user@host")
    commands = (
        ("scp", str(image), f"{host}:intrs.new"),
        ("ssh", host, "chmod +x intrs.new && mv intrs.new intrs && ./intrs info"),
    )
    return Plan("ssh", commands, answers=f"run:{shlex.join(['ssh', host, './intrs'])}")


def _gdb(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    # load, read back and compare, then start as a reset would: stack pointer and program counter from the vector table
    flash_memory = board.first("flash")
    assert flash_memory is not None
    vectors = flash_memory.origin + (256 if board.port == "rp2040" else 0)
    steps = [
        "set pagination off", "set confirm off", f"target remote {where or 'localhost:3333'}",
        "load", "compare-sections",
        f"set $sp = *(unsigned *){vectors:#x}", f"set $pc = *(unsigned *){vectors + 4:#x} & ~1",
        "set $xpsr = 0x01000000", "detach",
    ]  # fmt: skip
    arguments = [part for step in steps for part in ("-ex", step)]
    return Plan("gdb", (("gdb-multiarch", "-batch", "-nx", *arguments, str(image)),))


def _uf2(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    memory = board.first("flash")
    assert memory is not None
    out = image.with_suffix(".uf2")
    write_atomically(out, to_uf2(image.read_bytes(), memory.origin, FAMILIES[board.port]))
    return Plan("uf2", copy=(out, Path(where) if where else volume(choice.target) or choice.target))


def volume(label: str) -> Path | None:
    """Where a boot loader's volume of that label is mounted; None: nowhere."""
    for root in (Path("/media"), Path("/run/media"), Path("/Volumes"), Path("/mnt")):
        for path in (root / label, *root.glob(f"*/{label}")):
            if (path / "INFO_UF2.TXT").is_file():
                return path
    return None


def _origin(board: Board) -> int:
    memory = board.first("flash")
    assert memory is not None
    return memory.origin


def _dfu_util(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    serial = ["-S", where] if where else []
    place = ["-s", f"{_origin(board):#010x}:leave"]
    return Plan("dfu-util", (("dfu-util", "-d", choice.target, *serial, "-a", "0", *place, "-D", str(image)),))


def _st_flash(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    serial = ["--serial", where] if where else []
    place = ["--connect-under-reset", "--reset", "write", str(image), f"{_origin(board):#010x}"]
    return Plan("st-flash", (("st-flash", *serial, *place),))


def _stm32cubeprogrammer(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    port = [f"port={choice.target}", *([f"sn={where}"] if where else [])]
    port += [] if choice.target.startswith("USB") else ["mode=UR"]
    return Plan("stm32cubeprogrammer", (("STM32_Programmer_CLI", "-c", *port, "-w", str(image), "-v", "-rst"),))


def _jlink(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    path = str(image.resolve())
    if '"' in path or not path.isprintable():
        raise IntrsError(f"J-Link cannot be told the path {path!r}: move the project to a folder with a plain name")
    script = image.with_suffix(".jlink")
    write_atomically(script, f'r\nloadfile "{path}"\nr\ng\nexit\n'.encode())
    serial = ["-SelectEmuBySN", where] if where else []
    options = choice.args or ("-if", "SWD", "-speed", "4000")
    start = ("-autoconnect", "1", "-NoGui", "1", "-ExitOnError", "1", "-CommandFile", str(script))
    return Plan("jlink", (("JLinkExe", "-device", choice.target, *options, *serial, *start),))


def _probe_rs(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    common = ["--chip", choice.target, *(["--probe", where] if where else []), *choice.args, "--non-interactive"]
    return Plan(
        "probe-rs",
        (("probe-rs", "download", *common, "--verify", str(image)), ("probe-rs", "reset", *common)),
    )


def _esptool(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    port = ["--port", where] if where else []
    options = dict(zip(choice.args[::2], choice.args[1::2], strict=True))
    offset = options.pop("--offset", "0x0")
    words = [word for pair in options.items() for word in pair]
    command = ("esptool.py", "--chip", choice.target, *port, *words, "write_flash", offset, str(image))
    return Plan("esptool", (command,))


def _command(board: Board, choice: Flash, image: Path, where: str | None) -> Plan:
    given = {"{elf}": str(image), "{bin}": str(image.with_suffix(".bin")), "{where}": where or ""}
    if where is None and any("{where}" in word for word in choice.args):
        raise IntrsError(f"{choice.target} must be told where the board is: --where PLACE")
    words = []
    for word in choice.args:
        for name, value in given.items():
            word = word.replace(name, value) if name in word else word  # noqa: PLW2901 - one word, three names
        words.append(word)
    return Plan("command", ((choice.target, *words),))


PLANS: dict[str, Callable[[Board, Flash, Path, str | None], Plan]] = {
    "pyocd": _pyocd,
    "openocd": _openocd,
    "ssh": _ssh,
    "gdb": _gdb,
    "uf2": _uf2,
    "dfu-util": _dfu_util,
    "st-flash": _st_flash,
    "stm32cubeprogrammer": _stm32cubeprogrammer,
    "jlink": _jlink,
    "probe-rs": _probe_rs,
    "esptool": _esptool,
    "command": _command,
}
