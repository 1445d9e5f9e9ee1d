# SPDX-License-Identifier: Apache-2.0
"""Children that cannot outlive us: emulators and Linux programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from intrs_edge.boards import Board
from intrs_edge.children import guarded
from intrs_edge.errors import IntrsError
from intrs_edge.targets import rp2040js
from intrs_edge.targets.connection import Connection, PipeConnection, SocketConnection, stop

# the kernel ends a child when the thread that started it ends; this thread lives as long as the interpreter
_starter = ThreadPoolExecutor(1)


def _after_fork() -> None:
    """A forked child has none of its parent's threads: it needs one of its own, or would wait for ever."""
    global _starter  # noqa: PLW0603 - one a process
    _starter = ThreadPoolExecutor(1)


os.register_at_fork(after_in_child=_after_fork)


def _start(command: Sequence[str], *, pipes: bool, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    stream = subprocess.PIPE if pipes else subprocess.DEVNULL
    program = shutil.which(command[0])
    if program is None:
        raise IntrsError(f"{command[0]} is not installed; `intrs-edge doctor` says how to get it")

    def popen() -> subprocess.Popen[bytes]:
        # its own session: Ctrl-C is ours to handle, the child must live until the link was closed in order
        return subprocess.Popen(
            guarded([program, *command[1:]]), stdin=stream, stdout=stream,
            stderr=subprocess.PIPE if not pipes else None, pass_fds=pass_fds, start_new_session=True, bufsize=0,
        )  # fmt: skip

    return _starter.submit(popen).result()


def qemu_command(board: Board, image: Path) -> list[str]:
    """QEMU with the board's machine and the image, without the serial port."""
    assert board.emulator is not None
    return [board.emulator.program, "-M", board.emulator.machine, *board.emulator.args,
            "-display", "none", "-monitor", "none", "-kernel", str(image)]  # fmt: skip


class EmulatorConnection(SocketConnection):
    """An emulated board's first serial port. Closing it ends the emulator."""

    def __init__(self, board: Board, image: Path) -> None:
        """Starts QEMU; raises IntrsError when it is not installed."""
        ours, theirs = socket.socketpair()
        try:
            fd = theirs.fileno()
            self.process = _start(
                [*qemu_command(board, image), "-chardev", f"socket,id=link,fd={fd}", "-serial", "chardev:link"],
                pipes=False, pass_fds=(fd,),
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        super().__init__(ours, f"emulator {board.id}")

    def close(self) -> None:
        """Ends the emulator too."""
        super().close()
        stop(self.process)
        if self.process.stderr is not None:
            self.process.stderr.close()


def run_program(command: Sequence[str], name: str) -> PipeConnection:
    """A Linux program that serves the link on stdin and stdout, under qemu-user where the command says so."""
    return PipeConnection(_start(command, pipes=True), name)


def start_emulator(board: Board, built: Path) -> Connection:
    """Runs the board's image or program, found in ``built``, here. Raises IntrsError when that cannot be."""
    if board.emulator is None:
        raise IntrsError(f"board {board.id} has no emulator here; use --target serial:DEVICE with the real one")
    name = f"emulator {board.id}"
    if board.emulator.machine:
        return EmulatorConnection(board, _built(built / "intrs.elf"))
    if board.emulator.program == "rp2040js":
        return run_program(rp2040js.command(_built(built / "intrs.bin")), name)
    return run_program([board.emulator.program, *board.emulator.args, str(_built(built / "intrs"))], name)


def _built(path: Path) -> Path:
    if not path.is_file():
        raise IntrsError(f"{path} is not there; build the project first (intrs-edge build)")
    return path
