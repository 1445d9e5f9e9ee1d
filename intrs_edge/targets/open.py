"""From what the user wrote after --target to a Target."""

from __future__ import annotations

import shlex
from pathlib import Path

from intrs_edge.boards import Board, load_board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.base import Target
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.manifest import Manifest, read_manifest
from intrs_edge.targets.process import run_program, start_emulator
from intrs_edge.targets.transport import SerialTransport, SocketTransport, Transport
from intrs_edge.targets.wire import LinkTarget

SPECS = "host, emulator, serial:DEVICE, tcp:HOST:PORT, run:PROGRAM"


def open_target(project_dir: Path | str, spec: str, threads: int | None = None) -> Target:
    """The target ``spec`` of a built project: one of SPECS. ``threads`` is for the host; None: all cores.

    Raises IntrsError: no such target, not built, not there, or built from another model or other tables.
    """
    directory = Path(project_dir)
    manifest = read_manifest(directory)
    if spec == "host":
        return HostTarget(directory / "build" / "host" / "libintrs.so", manifest, threads)
    return LinkTarget(open_transport(directory, manifest, spec), manifest)


def project_board(manifest: Manifest) -> Board:
    """The board a project was generated for; its own copy of a user's TOML where it has one."""
    own = manifest.directory / "board" / "board.toml"
    return load_board(str(own)) if own.is_file() else load_board(manifest.board)


def open_transport(directory: Path, manifest: Manifest, spec: str) -> Transport:
    """The byte stream of every target but the host library; raises IntrsError."""
    kind, _, rest = spec.partition(":")
    if spec == "emulator":
        board = project_board(manifest)
        if board.id == "host":
            raise IntrsError(
                f"{directory} was generated for the host only; generate it with --board ID for an emulator"
            )
        return start_emulator(board, directory / "build" / "board")
    if kind == "serial" and rest:
        board = project_board(manifest)
        return SerialTransport(rest, board.uart.baud if board.uart else 115200)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host and port.isdigit() and int(port) < 65536:
            return SocketTransport.connect(host, int(port))
    if kind == "run" and rest:
        return run_program(shlex.split(rest), f"run:{rest}")
    raise IntrsError(f"target {spec!r} is none of: {SPECS}")
