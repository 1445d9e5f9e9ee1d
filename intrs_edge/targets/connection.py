# SPDX-License-Identifier: Apache-2.0
"""Byte streams to a board: a serial port, a socket, a child process's pipes."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from threading import Semaphore
from typing import Protocol

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError

_WRITE_SECONDS = 30.0  # on an idle machine


class LinkLostError(IntrsError):
    """The board is gone or does not answer: another board, or a restarted one, may take over."""


class Connection(Protocol):
    """A byte stream; ``name`` is what messages call it; ``turns``: see `_ready`."""

    name: str
    turns: Semaphore | None

    def write(self, data: bytes) -> None:
        """Sends all of data; raises LinkLostError."""

    def read(self, timeout: float) -> bytes:
        """What has come, at least a byte, or nothing after ``timeout`` seconds; raises LinkLostError."""

    def close(self) -> None:
        """Ends it; never raises."""


def _ready(fd: int, event: int, seconds: float, turns: Semaphore | None) -> bool:
    """Waits until a descriptor is ready, or closed. poll, because select knows none above 1023: a fleet has more.

    turns: held by the caller's thread, and given away for as long as it waits.
    """
    if fd < 0:
        raise ValueError("closed")
    waiting = select.poll()
    waiting.register(fd, event)
    if turns is None:
        return bool(waiting.poll(max(0.0, seconds) * 1000))
    if waiting.poll(0):
        return True
    turns.release()
    try:
        return bool(waiting.poll(max(0.0, seconds) * 1000))
    finally:
        turns.acquire()


class SocketConnection:
    """A connected stream socket."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        """Takes the socket over."""
        self.name = name
        self.turns: Semaphore | None = None
        self._socket = connection
        self._socket.setblocking(False)

    @classmethod
    def connect(cls, host: str, port: int) -> SocketConnection:
        """A TCP connection; raises LinkLostError when nobody listens."""
        name = f"tcp:{host}:{port}"
        try:
            connection = socket.create_connection((host, port), timeout=patient(5))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise LinkLostError(f"{name}: cannot connect: {error.strerror or error}") from error
        return cls(connection, name)

    def write(self, data: bytes) -> None:
        """See Connection."""
        view = memoryview(data)
        deadline = time.monotonic() + patient(_WRITE_SECONDS)
        try:
            while view:
                if not _ready(self._socket.fileno(), select.POLLOUT, deadline - time.monotonic(), self.turns):
                    raise LinkLostError(f"{self.name}: the board takes no more bytes")
                view = view[self._socket.send(view) :]
        except (OSError, ValueError) as error:
            raise LinkLostError(f"{self.name}: connection lost: {error}") from error

    def read(self, timeout: float) -> bytes:
        """See Connection."""
        try:
            if not _ready(self._socket.fileno(), select.POLLIN, timeout, self.turns):
                return b""
            data = self._socket.recv(65536)
        except (OSError, ValueError) as error:
            raise LinkLostError(f"{self.name}: connection lost: {error}") from error
        if not data:
            raise LinkLostError(f"{self.name}: connection closed by the other end")
        return data

    def close(self) -> None:
        """See Connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


class PipeConnection:
    """The standard input and output of a process, which ends with it."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Takes the process over; it must have been started with pipes, unbuffered."""
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self.turns: Semaphore | None = None
        self._process = process
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)  # a program that stops reading must not stop us

    def write(self, data: bytes) -> None:
        """See Connection."""
        view = memoryview(data)
        deadline = time.monotonic() + patient(_WRITE_SECONDS)
        try:
            while view:
                if not _ready(self._in, select.POLLOUT, deadline - time.monotonic(), self.turns):
                    raise LinkLostError(f"{self.name}: the program takes no more bytes")
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(self._in, view) :]
        except (OSError, ValueError) as error:
            raise LinkLostError(f"{self.name}: the program ended (exit status {self._process.poll()})") from error

    def read(self, timeout: float) -> bytes:
        """See Connection."""
        try:
            if not _ready(self._out, select.POLLIN, timeout, self.turns):
                return b""
            data = os.read(self._out, 65536)
        except (OSError, ValueError):
            data = b""
        if not data:
            raise LinkLostError(f"{self.name}: the program ended (exit status {self._process.poll()})")
        return data

    def close(self) -> None:
        """See Connection."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        stop(self._process)


class SerialConnection:
    """A serial port, through pyserial."""

    def __init__(self, device: str, baud: int = 115200) -> None:
        """Opens it 8N1; raises LinkLostError when it is not there or taken."""
        import serial  # noqa: PLC0415 - only here is it needed

        self.name = f"serial:{device}"
        self.turns: Semaphore | None = None
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError, ValueError)
        try:
            self._port = serial.Serial(device, baud, timeout=0, write_timeout=patient(_WRITE_SECONDS), exclusive=True)
        except self._errors as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else str(error)
            raise LinkLostError(
                f"{self.name}: cannot open the port: {reason}; is the board plugged in and yours?"
            ) from error

    def write(self, data: bytes) -> None:
        """See Connection."""
        try:
            self._port.write(data)
        except self._errors as error:
            raise LinkLostError(f"{self.name}: the port is gone: {error}") from error

    def read(self, timeout: float) -> bytes:
        """See Connection."""
        try:
            if not _ready(self._port.fileno(), select.POLLIN, timeout, self.turns):
                return b""
            data = bytes(self._port.read(65536))
        except self._errors as error:
            raise LinkLostError(f"{self.name}: the port is gone: {error}") from error
        if not data:
            raise LinkLostError(f"{self.name}: the port is gone")
        return data

    def close(self) -> None:
        """See Connection."""
        with contextlib.suppress(*self._errors):
            self._port.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a child for certain."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patient(2))
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
