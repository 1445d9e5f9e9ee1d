"""Programs a board: the exact command of each runner, and a hello afterwards."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.boards import Board, Flash
from intrs_edge.children import patient
from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import open_target, project_board
from intrs_edge.targets.uf2 import FAMILIES, to_uf2

TIMEOUT = 120.0  # seconds on an idle machine; pyocd without a probe would wait for ever


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


def make_plan(project: Path | str, runner: str | None = None, where: str | None = None) -> Plan:
    """The plan of a built project's board.

    runner: one of the board's; None: its first. where: the probe's serial number (pyocd, openocd), the boot loader's
    volume (uf2), user@host (ssh) or host:port of the stub (gdb); None: the usual place.
    Raises IntrsError: no such runner for the board, or not built.
    """
    directory = Path(project)
    board = project_board(read_manifest(directory))
    choice = _choose(board, runner)
    built = directory / "build" / "board"
    needed = {"uf2": "intrs.bin", "ssh": "intrs"}.get(choice.runner, "intrs.elf")
    image = built / needed
    if not image.is_file():
        raise IntrsError(f"{image} is not there; build the project first: intrs-edge build {directory}")
    return _PLANS[choice.runner](board, choice, image, where)


def flash(project: Path | str, runner: str | None = None, where: str | None = None, verify: str | None = None) -> Plan:
    """Carries the plan out.

    verify: a target, such as serial:/dev/ttyACM0, that must then say hello with the build's hashes.
    Raises IntrsError when the tool is missing, fails or takes too long, or when another firmware or nobody answers.
    """
    plan = make_plan(project, runner, where)
    if plan.copy is not None:
        source, to = plan.copy
        _copy(source, to if isinstance(to, Path) else _mounted(to))
    for command in plan.commands:
        _run(command)
    if verify is not None:
        try:
            open_target(project, verify).close()
        except IntrsError as error:
            raise IntrsError(f"flashed, but the check of who answers failed: {error}") from error
    return plan


def usb_serial_ports() -> list[str]:
    """The devices of the USB serial ports that are plugged in."""
    from serial.tools import list_ports  # noqa: PLC0415 - only here is it needed

    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def _choose(board: Board, runner: str | None) -> Flash:
    for choice in board.flash:
        if runner in (None, choice.runner):
            return choice
    names = ", ".join(f.runner for f in board.flash)
    if not names:
        raise IntrsError(f"board {board.id} is not flashed; nothing to do")
    raise IntrsError(f"board {board.id} cannot be flashed with {runner}; it knows {names}")


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
    return Plan("uf2", copy=(out, Path(where) if where else _volume(choice.target) or choice.target))


def _volume(label: str) -> Path | None:
    """Where a boot loader's volume of that label is mounted; None: nowhere."""
    for root in (Path("/media"), Path("/run/media"), Path("/Volumes"), Path("/mnt")):
        for path in (root / label, *root.glob(f"*/{label}")):
            if (path / "INFO_UF2.TXT").is_file():
                return path
    return None


def _mounted(label: str) -> Path:
    found = _volume(label)
    if found is None:
        raise IntrsError(
            f"no volume {label} is mounted: hold BOOTSEL while plugging the board in, or name the folder with --where"
        )
    return found


_PLANS: dict[str, Callable[[Board, Flash, Path, str | None], Plan]] = {
    "pyocd": _pyocd,
    "openocd": _openocd,
    "ssh": _ssh,
    "gdb": _gdb,
    "uf2": _uf2,
}


def _copy(source: Path, folder: Path) -> None:
    if not (folder / "INFO_UF2.TXT").is_file():
        raise IntrsError(f"{folder} is not the volume of a UF2 boot loader (it has no INFO_UF2.TXT)")
    try:
        shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise IntrsError(f"cannot copy to {folder}: {error.strerror}") from error


def _run(command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        raise IntrsError(f"{command[0]} is not installed; `intrs-edge doctor` says how to get it")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=patient(TIMEOUT)
        )
    except subprocess.TimeoutExpired as error:
        raise IntrsError(f"{command[0]} took longer than {TIMEOUT:.0f} s; is the board connected?") from error
    output = (done.stdout + done.stderr).strip()
    # gdb reports a section that differs, or an error in one of its steps, without an exit status
    bad = [line for line in output.splitlines() if "MIS-MATCHED" in line or "failed" in line.lower()]
    if done.returncode != 0 or (command[0].startswith("gdb") and bad):
        line = bad[0] if bad else (output.splitlines() or ["no message"])[-1]
        raise IntrsError(f"{command[0]} failed: {line}")


def wait_for_port(host: str, port: int, seconds: float) -> bool:
    """Whether somebody listens there within that time (on an idle machine)."""
    deadline = time.monotonic() + patient(seconds)
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=patient(0.2)):
            return True
        time.sleep(0.05)
    return False
