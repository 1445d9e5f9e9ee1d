# SPDX-License-Identifier: Apache-2.0
"""An emulated board that any serial program can talk to, on a pseudo-terminal or a TCP port."""

from __future__ import annotations

import os
import select
import socket
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from intrs_edge.errors import IntrsError
from intrs_edge.targets.connection import Connection, LinkLostError, SocketConnection
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import project_board
from intrs_edge.targets.process import start_emulator


class _End(Protocol):
    """The side that the user's program is at."""

    name: str

    def exchange(self, to_user: bytes) -> bytes:
        """Hands over what the board said; gives what the user's program said, soon."""

    def close(self) -> None:
        """Ends it."""


def emulate(project: Path | str, port: int | None = None, ready: Callable[[str], None] = print) -> None:
    """Runs the project's board until it is interrupted or the board ends.

    port: a TCP port of 127.0.0.1, 0 for any; None: a pseudo-terminal. ready: is told the name to open, such as
    /dev/pts/3 or tcp:127.0.0.1:4000.
    Raises IntrsError when the board has no emulator, is not built, or the port is taken.
    """
    directory = Path(project)
    board = start_emulator(project_board(read_manifest(directory)), directory / "build" / "board")
    try:
        end: _End = _Terminal() if port is None else _Listener(port)
        try:
            ready(end.name)
            _bridge(board, end)
        finally:
            end.close()
    finally:
        board.close()


def _bridge(board: Connection, end: _End) -> None:
    said = b""
    while True:
        if heard := end.exchange(said):
            board.write(heard)
        said = board.read(0.002)


class _Terminal:
    """A pseudo-terminal; stays when the user's program closes it."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.name = os.ttyname(self._theirs)
        os.set_blocking(self._ours, False)

    def exchange(self, to_user: bytes) -> bytes:
        view = memoryview(to_user)
        while view and select.select([], [self._ours], [], 0.1)[1]:  # nobody reads: as on a cable, it is lost
            view = view[os.write(self._ours, view) :]
        return os.read(self._ours, 4096) if select.select([self._ours], [], [], 0.002)[0] else b""

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


class _Listener:
    """A TCP port; one client at a time, another when it has gone."""

    def __init__(self, port: int) -> None:
        if not 0 <= port < 65536:
            raise IntrsError(f"TCP port {port} must be within 0..65535")
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._server.bind(("127.0.0.1", port))
        except OSError as error:
            self._server.close()
            raise IntrsError(f"TCP port {port}: {error.strerror}; take another") from error
        self._server.listen(1)
        self._client: SocketConnection | None = None
        self.name = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"

    def exchange(self, to_user: bytes) -> bytes:
        if self._client is None:
            if not select.select([self._server], [], [], 0.002)[0]:
                return b""
            connection = self._server.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = SocketConnection(connection, "client")
        try:
            if to_user:
                self._client.write(to_user)
            return self._client.read(0.002)
        except LinkLostError:
            self._client.close()
            self._client = None
            return b""

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._server.close()
