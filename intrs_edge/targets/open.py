# SPDX-License-Identifier: Apache-2.0
"""From what the user wrote after --target to a Target."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from intrs_edge.boards import Board, board_from_json, load_board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.base import Target
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.connection import Connection, SerialConnection, SocketConnection
from intrs_edge.targets.fleet import FleetTarget
from intrs_edge.targets.host import open_host
from intrs_edge.targets.journal import Journal
from intrs_edge.targets.manifest import Manifest, read_manifest
from intrs_edge.targets.process import run_program, start_emulator

SPECS = "host, cuda, cuda:N, torch-cpu, emulator, serial:DEVICE, tcp:HOST:PORT, run:PROGRAM"


def open_target(
    project: Path | str | Manifest,
    spec: str,
    threads: int | None = None,
    audit: float = 0.0,
    journal: Path | None = None,
) -> Target:
    """The target ``spec`` of a built project: one of SPECS, or several boards with commas between.

    project: its folder, or its manifest, which may be `Manifest.revised` (not for boards). threads: of the host
    library; None: all cores. audit: share of the boards' answers that the host checks. journal: a file that keeps what
    the host or boards have counted, so that an interrupted certification goes on.
    Raises IntrsError: no such target, not built, not there, or built from another model or other tables.
    """
    manifest = project if isinstance(project, Manifest) else read_manifest(Path(project))
    directory = manifest.directory
    specs = re.split(r",(?=host$|host,|emulator|serial:|tcp:|run:|cuda|torch-cpu)", spec)
    if specs == ["host"]:
        if audit:
            raise IntrsError("--audit: the host checks the answers of others, not its own; leave it out or name boards")
        return open_host(manifest, threads, journal)
    if re.fullmatch(r"cuda(:\d+)?|torch-cpu", spec):
        return _open_gpu(manifest, spec, threads, audit, journal)
    manifest.check_burned(f"target {spec}")
    if len(specs) == 1 and not audit and journal is None:
        return BoardTarget(open_connection(directory, manifest, spec), manifest)
    if any(re.match(r"host$|cuda|torch-cpu", one) for one in specs):
        raise IntrsError(f"target {spec!r}: boards can share samples with boards, not with the host or a GPU")
    host = open_host(manifest, threads)
    try:
        kept = Journal(journal, manifest.model_hash, manifest.table_hash)
    except BaseException:
        host.close()
        raise

    def opener(one: str) -> Callable[[], BoardTarget]:
        return lambda: BoardTarget(open_connection(directory, manifest, one), manifest, host)

    return FleetTarget(host, [(identity(one), opener(one)) for one in specs], audit, kept)


def _open_gpu(manifest: Manifest, spec: str, threads: int | None, audit: float, journal: Path | None) -> Target:
    if journal is not None:
        raise IntrsError(f"target {spec}: a journal keeps what boards count: leave it out, --log keeps every image")
    try:
        from intrs_edge.targets.gpu import GpuTarget  # noqa: PLC0415 - only here is torch needed
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        needs = "needs PyTorch; install it with: pip install 'intrs-edge[gpu]', or certify with --target host"
        raise IntrsError(f"target {spec} {needs}") from error
    host = open_host(manifest, threads)
    try:
        return GpuTarget(manifest, host, "cpu" if spec == "torch-cpu" else spec, audit)
    except BaseException:
        host.close()
        raise


def identity(spec: str) -> str:
    """What a journal calls a board: the spec, and the serial number of what is plugged in there, where USB tells it."""
    kind, _, device = spec.partition(":")
    if kind == "serial":
        from serial.tools import list_ports  # noqa: PLC0415 - only here is it needed

        there = os.path.realpath(device)
        for port in list_ports.comports():
            if os.path.realpath(port.device) == there and port.serial_number:
                return f"usb:{port.vid:04x}:{port.pid:04x}:{port.serial_number}"
    return spec


def project_board(manifest: Manifest) -> Board:
    """The board a project was generated for, from the project's own copy of its description."""
    own = manifest.directory / "board" / "board.json"
    if not own.is_file():
        return load_board(manifest.board)
    return board_from_json(own.read_text(encoding="utf-8"), str(own))


def open_connection(directory: Path, manifest: Manifest, spec: str) -> Connection:
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
        return SerialConnection(rest, board.uart.baud if board.uart else 115200)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host and port.isdigit() and int(port) < 65536:
            return SocketConnection.connect(host, int(port))
    if kind == "run" and rest:
        return run_program(shlex.split(rest), f"run:{rest}")
    raise IntrsError(f"target {spec!r} is none of: {SPECS}")
