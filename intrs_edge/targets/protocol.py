# SPDX-License-Identifier: Apache-2.0
"""The host's side of the link: numbered requests, repeated until answered. docs/protocol.md, sections 2 and 3."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError
from intrs_edge.targets import cobs
from intrs_edge.targets.connection import Connection, LinkLostError

VERSION = 2
HEADER = 6  # version, type, sequence number
Progress = Callable[[int, int], None]


class Message(IntEnum):
    """Request types; a reply has REPLY added."""

    HELLO = 1
    WRITE = 2
    INFER = 3
    VOTES = 4
    PREDICT = 5
    CERTIFY = 6
    READ = 7
    ABORT = 8
    STATUS = 9
    ENTROPY = 10
    PROGRESS = 0x7F
    REPLY = 0x80


_REASONS = {
    -1: "an argument is outside its range (or the mode's tables were not generated)",
    -2: "the sample range passes 2^32",
    -3: "aborted",
    -4: "it was generated without knowing what a pixel means to the model, and takes no images",
    -5: "weights or tables in flash are damaged; flash it again",
    -32: "the firmware speaks another version of the protocol; build and flash it again",
    -33: "the firmware does not know this request; build and flash it again",
    -34: "the request has the wrong length",
    -35: "busy with another request",
    -36: "outside the input buffer",
    -37: "the input was lost",
    -38: "the result is no longer there",
    -39: "the firmware holds another model or other tables than this project; flash it again",
    -40: "this board cannot do that",
    -41: "the image in flash is damaged; flash it again",
}
VERSION_UNKNOWN, BUSY, INPUT, STALE = -32, -35, -37, -38

# seconds: a board that is starting answers soon, one in the middle of a long inference late
_FIRST_WAITS = (0.2, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
_WAITS = (2.0,) * 5
_HELLO = struct.Struct("<11Ii")
_NAME = 64  # characters of a board's name that are shown
# sound frames of one request that do not answer it (late answers, an echo), and progress that is none (the answers to
# repeated requests): a line that is only bad does not bring so many
_FOREIGN = 4096
_IDLE = 64


def damage_text(status: int) -> str:
    """What a hello says of the firmware's own check at start, when that is not 0."""
    return _REASONS.get(status, f"reports damage {status}; flash it again")


class LinkSilentError(LinkLostError):
    """The board does not answer."""


class BoardFaultError(LinkLostError):
    """The board answered what no sound firmware of this project answers: it is broken, or it lies."""


class LinkRefusedError(IntrsError):
    """The board answered with an error: ``status`` as in docs/protocol.md."""

    def __init__(self, name: str, request: Message, status: int) -> None:
        """Names the board, the request and the reason."""
        self.status = status
        reason = _REASONS.get(status, f"error {status}")
        super().__init__(f"{name}: {request.name.lower()} refused: {reason}")


@dataclass(frozen=True)
class Hello:
    """What a board says of itself; the numbers are those of its intrs_config.h. ``data_crc``: of the weights and tables
    that it found at start; ``damage``: 0, or the status for why it computes nothing.
    """

    board: str
    model_hash: int
    table_hash: int
    image_bytes: int
    channels: int
    classes: int
    n0: int
    n: int
    batch: int
    arena_bytes: int
    frame_bytes: int
    data_crc: int
    damage: int


class _Heard:
    """What came for one request, and what may: ``samples`` is what the board may say that it was asked for."""

    def __init__(self, name: str, kind: Message, samples: int, on_progress: Progress | None) -> None:
        self.what = f"{name}: {kind.name.lower()}"
        self.samples, self.on_progress = samples, on_progress
        self.done = self.idle = self.foreign = 0

    def progress(self, body: bytes) -> bool:
        """Takes a progress message; whether anything was done since the last."""
        done, total = struct.unpack("<II", body) if len(body) == 8 else (1, 0)
        if total not in (0, self.samples) or done > total:
            raise BoardFaultError(f"{self.what}: senseless progress; the firmware is at fault")
        if done <= self.done:
            self.idle += 1
            if self.idle > _IDLE:
                raise BoardFaultError(f"{self.what}: progress is reported and none is made; the firmware is at fault")
            return False
        self.done = done
        if self.on_progress is not None:
            self.on_progress(done, total)
        return True

    def stranger(self) -> None:
        """Takes a sound frame that answers something else."""
        self.foreign += 1
        if self.foreign > _FOREIGN:
            raise BoardFaultError(f"{self.what}: a flood of frames that answer nothing; the firmware is at fault")


class ProtocolClient:
    """Requests over a connection. One request at a time; not to be shared between threads."""

    def __init__(self, connection: Connection, waits: Sequence[float] = _WAITS) -> None:
        """waits: seconds, on an idle machine (`patient`), to wait for an answer each time that a request is sent; as
        many as it is sent at most.
        """
        self.connection = connection
        self.waits = tuple(waits)
        self.repeated = 0  # requests sent again
        self.foreign = 0  # sound frames that answered nothing asked
        self._decoder = cobs.Decoder()
        self._inbox: list[bytes] = []
        # a random start: the answer to an earlier client's request is never taken for ours
        self._sequence = int.from_bytes(os.urandom(4), "little")

    @property
    def latest(self) -> int:
        """The sequence number of the latest request."""
        return self._sequence

    @property
    def dropped(self) -> int:
        """Frames that arrived broken."""
        return self._decoder.dropped

    def hello(self) -> Hello:
        """Who is there. Stops what an earlier client may have left running; waits for a board that is starting."""
        for wait in _FIRST_WAITS:
            try:
                self.connection.write(b"\0")
                self.request(Message.ABORT, struct.pack("<I", 0), (wait,))
                break
            except LinkSilentError:
                if wait == _FIRST_WAITS[-1]:
                    raise
        body = self.request(Message.HELLO)
        self.repeated = self.foreign = 0  # greetings do not count
        if len(body) <= _HELLO.size:
            raise BoardFaultError(f"{self.connection.name}: the hello is too short; is this an IntRS-Edge firmware?")
        name = "".join(c if c.isascii() and c.isprintable() else "?" for c in body[_HELLO.size :].decode("latin-1"))
        return Hello(name[:_NAME], *_HELLO.unpack_from(body))

    def request(
        self,
        kind: Message,
        body: bytes = b"",
        waits: Sequence[float] | None = None,
        samples: int = 0,
        longest: float = 0.0,
        progress: Progress | None = None,
    ) -> bytes:
        """Sends a request and returns the reply's body, of at most 64 KiB.

        waits: as in the constructor; a wait begins anew when the board reports progress that is some, until
        ``longest`` seconds have passed since the request was first sent. samples: of how many it may report progress.
        Raises LinkRefusedError when the board refuses it, LinkLostError when it does not answer, BoardFaultError when
        what it says makes no sense.
        """
        self._sequence = self._sequence % 0xFFFFFFFF + 1  # never 0
        sequence = self._sequence
        wire = cobs.encode(struct.pack("<BBI", VERSION, kind, sequence) + body)
        waits = self.waits if waits is None else waits
        heard = _Heard(self.connection.name, kind, samples, progress)
        begun = time.monotonic()
        latest = begun + patient(longest)
        try:
            for attempt, wait in enumerate(waits):
                self.repeated += attempt > 0
                self.connection.write(wire if attempt == 0 else b"\0" + wire)
                reply = self._await(kind, sequence, patient(wait), latest, heard)
                if reply is not None:
                    return reply
        except KeyboardInterrupt:
            self._abandon(sequence)
            raise
        finally:
            self.foreign += heard.foreign
        raise LinkSilentError(
            f"{self.connection.name}: no answer to {kind.name.lower()}, sent {len(waits)} times, in "
            f"{time.monotonic() - begun:.3g} s; is the firmware running, and is this its port?"
        )

    def _await(self, kind: Message, sequence: int, wait: float, latest: float, heard: _Heard) -> bytes | None:
        deadline = time.monotonic() + wait
        while True:
            while self._inbox:
                payload = self._inbox.pop(0)
                ours = len(payload) > HEADER and payload[2:HEADER] == struct.pack("<I", sequence)
                version, type_ = payload[0], payload[1] if ours else 0
                status = struct.unpack_from("<b", payload, HEADER)[0] if ours else 0
                body = payload[HEADER + 1 :]
                if ours and version != VERSION and type_ == Message.REPLY | kind and status == VERSION_UNKNOWN:
                    raise LinkRefusedError(self.connection.name, kind, status)
                if not ours or version != VERSION:
                    heard.stranger()
                elif type_ == Message.PROGRESS:
                    if heard.progress(body):
                        deadline = max(deadline, min(time.monotonic() + wait, latest))
                elif type_ != Message.REPLY | kind:
                    heard.stranger()
                elif status == BUSY:  # an earlier request, ours or not, is still being computed
                    self.connection.write(cobs.encode(struct.pack("<BBII", VERSION, Message.ABORT, 0xFFFFFFFF, 0)))
                    time.sleep(0.05)
                    return None
                elif status != 0:
                    raise LinkRefusedError(self.connection.name, kind, status)
                else:
                    return body
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._inbox += self._decoder.feed(self.connection.read(left))

    def _abandon(self, sequence: int) -> None:
        """Interrupted: tell the board, without waiting for long."""
        try:
            for _ in range(3):
                self.connection.write(
                    b"\0" + cobs.encode(struct.pack("<BBII", VERSION, Message.ABORT, 0xFFFFFFFF, sequence))
                )
                self.connection.read(0.05)
        except LinkLostError:
            pass
