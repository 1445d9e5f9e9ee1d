# SPDX-License-Identifier: Apache-2.0
"""Programs a board: the exact command of each runner, and a hello afterwards."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

from intrs_edge.boards import Board, Flash
from intrs_edge.children import patient
from intrs_edge.errors import IntrsError
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import open_target, project_board
from intrs_edge.targets.runners import NEEDED, PLANS, Plan, volume

TIMEOUT = 120.0  # seconds on an idle machine; pyocd without a probe would wait for ever


def make_plan(project: Path | str, runner: str | None = None, where: str | None = None) -> Plan:
    """The plan of a built project's board.

    runner: one of the board's; None: its first. where: the serial number of probe or board, the boot loader's volume
    (uf2), user@host (ssh), host:port of the stub (gdb) or a serial port (esptool); None: the usual place.
    Raises IntrsError: no such runner for the board, or not built.
    """
    directory = Path(project)
    board = project_board(read_manifest(directory))
    choice = _choose(board, runner)
    built = directory / "build" / "board"
    image = built / NEEDED.get(choice.runner, "intrs.elf")
    if not image.is_file():
        raise IntrsError(f"{image} is not there; build the project first: intrs-edge build {directory}")
    return PLANS[choice.runner](board, choice, image, where)


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


def _mounted(label: str) -> Path:
    found = volume(label)
    if found is None:
        raise IntrsError(
            f"no volume {label} is mounted: hold BOOTSEL while plugging the board in, or name the folder with --where"
        )
    return found


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
