"""The host's side of the link: numbered requests, repeated until answered. docs/protocol.md, sections 2 and 3."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError
from intrs_edge.targets import frame
from intrs_edge.targets.transport import LinkLostError, Transport

VERSION = 1
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
    -32: "the firmware speaks another version of the protocol; build and flash it again",
    -33: "the firmware does not know this request; build and flash it again",
    -34: "the request has the wrong length",
    -35: "busy with another request",
    -36: "outside the input buffer",
    -37: "the input was lost",
    -38: "the result is no longer there",
    -39: "the firmware holds another model or other tables than this project; flash it again",
    -40: "this board cannot do that",
}
BUSY, INPUT, STALE = -35, -37, -38


# seconds: a board that is starting answers soon, one in the middle of a long inference late
_FIRST_WAITS = (0.2, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


class LinkSilentError(LinkLostError):
    """The board does not answer."""


class LinkRefusedError(IntrsError):
    """The board answered with an error: ``status`` as in docs/protocol.md."""

    def __init__(self, name: str, request: Message, status: int) -> None:
        """Names the board, the request and the reason."""
        self.status = status
        reason = _REASONS.get(status, f"error {status}")
        super().__init__(f"{name}: {request.name.lower()} refused: {reason}")


@dataclass(frozen=True)
class Hello:
    """What a board says of itself; the numbers are those of its intrs_config.h."""

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


class LinkClient:
    """Requests over a transport. One request at a time; not to be shared between threads."""

    def __init__(self, transport: Transport, patience: float = 2.0, attempts: int = 5) -> None:
        """``patience``: seconds without an answer before a request is repeated, on an idle machine (`patient`);
        ``attempts``: how often it is sent.
        """
        self.transport = transport
        self.patience = patience
        self.attempts = attempts
        self.repeated = 0  # requests sent again
        self.foreign = 0  # sound frames that answered nothing asked
        self._decoder = frame.Decoder()
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
                self.transport.write(b"\0")
                self.request(Message.ABORT, struct.pack("<I", 0), wait, attempts=1)
                break
            except LinkSilentError:
                if wait == _FIRST_WAITS[-1]:
                    raise
        body = self.request(Message.HELLO)
        self.repeated = self.foreign = 0  # greetings do not count
        if len(body) < 41:
            raise LinkLostError(f"{self.transport.name}: the hello is too short; is this an IntRS-Edge firmware?")
        return Hello(body[40:].decode("ascii", "replace"), *struct.unpack("<10I", body[:40]))

    def request(
        self,
        kind: Message,
        body: bytes = b"",
        patience: float | None = None,
        progress: Progress | None = None,
        attempts: int | None = None,
    ) -> bytes:
        """Sends a request and returns the reply's body.

        patience: seconds of silence (no answer, no progress), on an idle machine, after which it is sent again.
        Raises LinkRefusedError when the board refuses it, LinkLostError when it does not answer.
        """
        self._sequence = self._sequence % 0xFFFFFFFF + 1  # never 0
        sequence = self._sequence
        wire = frame.encode(struct.pack("<BBI", VERSION, kind, sequence) + body)
        patience = patient(self.patience if patience is None else patience)
        attempts = self.attempts if attempts is None else attempts
        try:
            for attempt in range(attempts):
                self.repeated += attempt > 0
                self.transport.write(wire if attempt == 0 else b"\0" + wire)
                reply = self._await(kind, sequence, patience, progress)
                if reply is not None:
                    return reply
        except KeyboardInterrupt:
            self._abandon(sequence)
            raise
        raise LinkSilentError(
            f"{self.transport.name}: no answer to {kind.name.lower()} in {attempts} times {patience:.3g} s; "
            "is the firmware running, and is this its port?"
        )

    def _await(self, kind: Message, sequence: int, patience: float, progress: Progress | None) -> bytes | None:
        deadline = time.monotonic() + patience
        while True:
            while self._inbox:
                payload = self._inbox.pop(0)
                if len(payload) < HEADER + 1 or payload[0] != VERSION or payload[2:6] != struct.pack("<I", sequence):
                    self.foreign += 1
                    continue
                status = struct.unpack_from("<b", payload, HEADER)[0]
                body = payload[HEADER + 1 :]
                if payload[1] == Message.PROGRESS and len(body) == 8:
                    deadline = time.monotonic() + patience
                    if progress is not None:
                        progress(*struct.unpack("<II", body))
                elif payload[1] == (Message.REPLY | kind):
                    if status == BUSY:  # an earlier request, ours or not, is still being computed
                        self.transport.write(frame.encode(struct.pack("<BBII", VERSION, Message.ABORT, 0xFFFFFFFF, 0)))
                        time.sleep(0.05)
                        return None
                    if status != 0:
                        raise LinkRefusedError(self.transport.name, kind, status)
                    return body
                else:
                    self.foreign += 1
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._inbox += self._decoder.feed(self.transport.read(left))

    def _abandon(self, sequence: int) -> None:
        """Interrupted: tell the board, without waiting for long."""
        try:
            for _ in range(3):
                self.transport.write(
                    b"\0" + frame.encode(struct.pack("<BBII", VERSION, Message.ABORT, 0xFFFFFFFF, sequence))
                )
                self.transport.read(0.05)
        except LinkLostError:
            pass
