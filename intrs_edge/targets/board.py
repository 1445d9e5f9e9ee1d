# SPDX-License-Identifier: Apache-2.0
"""A board at the other end of the link. It is not trusted: what it says of itself is compared with the manifest, and
what it answers with the host's own tables; what does not fit raises BoardFaultError. Votes that add up are believed
(an audit recomputes them: fleet.py).
"""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Iterator
from threading import Semaphore

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    Judge,
    TargetInfo,
    Votes,
    certificate_of,
    check_image,
    check_inputs,
    check_range,
    check_stream,
    first_look,
)
from intrs_edge.targets.connection import Connection, LinkLostError
from intrs_edge.targets.host import HostTarget, open_host
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.protocol import (
    INPUT,
    STALE,
    BoardFaultError,
    Hello,
    LinkRefusedError,
    Message,
    Progress,
    ProtocolClient,
    damage_text,
)

_SLOWEST = 120.0  # seconds that one inference may take before a silent board is given up
_FIRST_WAITS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # until its speed is known; together _SLOWEST
_SLOWER = 20  # times slower than measured: a host that is busy, an emulator that shares its core
_ATTEMPTS = 5
_FRAMES = range(128, 65536 + 1)  # bytes of payload that the protocol allows
_CERTIFICATE, _PREDICTION = struct.Struct("<iIIIII"), struct.Struct("<iIIII")


class BoardTarget(ContextMixin):
    """Serves Target over a connection. ``on_progress(done, total)`` may be set to follow long requests.

    ``liars``: this board by its name, and how, when it was seen to be at fault; ``suspects``: the images that it had
    answered for before that.
    """

    def __init__(
        self,
        connection: Connection,
        manifest: Manifest,
        judge: Judge | None = None,
    ) -> None:
        """Says hello. judge: the host's tables (None: those of the project's host library, opened when needed).

        Raises IntrsError for another project's or a damaged firmware, LinkLostError when nobody answers,
        BoardFaultError when what the board says of itself does not fit the project.
        """
        self.on_progress: Progress | None = None
        self.seconds_per_sample = 0.0  # 0: not measured yet
        self.report_seconds = 0.25  # between progress messages
        self.liars: dict[str, str] = {}
        self.suspects: set[int] = set()
        self._answered: set[int] = set()
        self._connection, self._manifest = connection, manifest
        self._judge = judge
        self._host: HostTarget | None = None
        try:
            self.client = ProtocolClient(connection)
            self.hello = self.client.hello()
            _check_hello(self.hello, manifest, f"{connection.name} ({self.hello.board})")
        except BaseException:
            self.close()
            raise
        self.info = TargetInfo(
            self.hello.board, connection.name, manifest.model_hash, manifest.table_hash, manifest.classes,
            manifest.image_shape, manifest.n0, manifest.n, self.hello.arena_bytes, manifest.ends,
        )  # fmt: skip
        self._held: bytes | None = None  # what the board's input buffer holds

    def close(self) -> None:
        """Ends the connection, and the emulator or program behind it."""
        self._connection.close()
        if self._host is not None:
            self._host.close()
            self._judge = self._host = None

    def in_turns(self, turns: Semaphore, report_seconds: float) -> None:
        """One of very many: the calling threads hold ``turns``, which is given away while the board is awaited; the
        board reports progress as seldom as that.
        """
        self._connection.turns, self.report_seconds = turns, report_seconds

    def infer(self, inputs: Codes) -> Codes:
        """See Target."""
        inputs = check_inputs(inputs, self.info)
        out = np.empty((len(inputs), self.info.classes), self.info.ends.output_dtype)
        for i, one in enumerate(inputs):
            _, data = self._compute(Message.INFER, one.tobytes(), b"", result=self.info.classes)
            out[i] = np.frombuffer(data, out.dtype)
        return out

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """See Target."""
        data = check_image(image, self.info)
        check_stream(stream)
        check_range(first, count)
        if self.seconds_per_sample == 0.0 and count > 1:
            return self.votes(image, stream, first, 1) + self.votes(image, stream, first + 1, count - 1)
        begun = time.monotonic()
        with self._answering(stream):
            rest = struct.pack("<IQIII", stream.image, stream.seed, first, count, self._every())
            _, found = self._compute(Message.VOTES, data, rest, result=4 * self.info.classes, samples=count)
            votes = np.frombuffer(found, "<u4").astype(np.int64)
            if votes.sum() != count:
                raise self._fault(f"{votes.sum()} votes for {count} samples")
        if count:
            self.seconds_per_sample = max((time.monotonic() - begun) / count, 1e-6)
        return votes

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """See Target."""
        data = check_image(image, self.info)
        check_stream(stream)
        judge = self._tables()
        self._measure(image, stream)
        n = self.info.n
        with self._answering(stream):
            rest = struct.pack("<IQI", stream.image, stream.seed, self._every())
            lead, _ = self._compute(Message.PREDICT, data, rest, lead=_PREDICTION.size, samples=n)
            label, top, first, second, samples = _PREDICTION.unpack(lead)
            most = min(second, n) * max(0, self.info.classes - 2)  # what is left for the other classes
            if top >= self.info.classes or samples != n or second > first or not 0 <= n - first - second <= most:
                raise self._fault("a prediction that no votes give")
            if label != (top if judge.decides(first, second) else -1):
                raise self._fault(f"label {label} for {first} against {second} votes; the tables say otherwise")
        return Prediction(label, top, (first, second), samples)

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target; the loop runs on the board, and the host's tables decide what its votes prove."""
        data = check_image(image, self.info)
        check_stream(stream)
        judge = self._tables()
        looks = [first_look(judge, mode)]
        while look := judge.next_look(mode, looks[-1]):
            looks.append(look)
        self._measure(image, stream)
        with self._answering(stream):
            rest = struct.pack("<IQII", stream.image, stream.seed, mode, self._every())
            lead, found = self._compute(
                Message.CERTIFY, data, rest, lead=_CERTIFICATE.size, result=4 * self.info.classes,
                samples=self.info.n0 + self.info.n,
            )  # fmt: skip
            label, selected, count, samples, squared, stop = _CERTIFICATE.unpack(lead)
            votes = np.frombuffer(found, "<u4").astype(np.int64)
            if selected >= self.info.classes or votes[selected] != count or votes.sum() != samples:
                raise self._fault(f"class {selected} with {count} of {samples} votes, which are {votes.tolist()}")
            if samples not in looks:
                raise self._fault(f"it stopped at {samples} samples, where this mode has no checkpoint")
            proved = certificate_of(judge, mode, selected if self.info.n0 else None, votes)
            if proved is None:
                raise self._fault(f"it stopped with {count} of {samples} votes, where this mode goes on")
            if selected != proved.selected:
                raise self._fault(
                    f"class {selected} for the votes {votes.tolist()}, where class {proved.selected} leads"
                )
            if (label, squared, stop) != (proved.label, proved.radius_squared, proved.stop):
                raise self._fault(
                    f"label {label}, squared radius {squared} and stop {stop} for {count} of {samples} votes; the "
                    f"tables say {proved.label}, {proved.radius_squared} and {int(proved.stop)}"
                )
        return proved

    def entropy(self) -> int:
        """A 64-bit seed from the board's random source; raises LinkRefusedError where it has none."""
        body = self.client.request(Message.ENTROPY)
        if len(body) != 8:
            raise self._fault(f"{len(body)} bytes of entropy, 8 were asked for")
        return int.from_bytes(body, "little")

    def take_suspects(self) -> set[int]:
        """The suspects that were not taken yet."""
        found, self.suspects = self.suspects, set()
        return found

    def _tables(self) -> Judge:
        if self._judge is None:
            self._judge = self._host = open_host(self._manifest, 1)
        return self._judge

    @contextlib.contextmanager
    def _answering(self, stream: Stream) -> Iterator[None]:
        """What the board answered before is in doubt when it is at fault now."""
        try:
            yield
        except BoardFaultError as error:
            self.liars[self._connection.name] = str(error)
            self.suspects |= self._answered
            raise
        self._answered.add(stream.image)

    def _fault(self, what: str) -> BoardFaultError:
        return BoardFaultError(f"{self._connection.name}: {what}; the board is at fault")

    def _measure(self, image: Image, stream: Stream) -> None:
        if self.seconds_per_sample == 0.0:
            self.votes(image, stream, 0, 1)

    def _every(self) -> int:
        """Samples between progress messages."""
        return max(1, int(self.report_seconds / self.seconds_per_sample)) if self.seconds_per_sample else 1

    def _waits(self) -> tuple[float, ...]:
        """Seconds of silence that mean trouble, each time that a request is sent."""
        if not self.seconds_per_sample:
            return _FIRST_WAITS
        return (min(_SLOWEST, 3.0 + _SLOWER * self.seconds_per_sample),) * _ATTEMPTS

    def _compute(
        self, kind: Message, data: bytes, rest: bytes, lead: int = 0, result: int = 0, samples: int = 0
    ) -> tuple[bytes, bytes]:
        """A request about the input ``data``, which is written first unless the board holds it; gives the ``lead``
        bytes that its answer begins with, and the result of ``result`` bytes.

        samples: how many it computes at most; with the measured speed they bound the time that progress can buy.
        """
        hashes = struct.pack("<III", self.info.model_hash, self.info.table_hash, zlib.crc32(data))
        longest = _SLOWER * samples * self.seconds_per_sample
        for _ in range(_ATTEMPTS):
            if self._held != data:
                self._write(data)
            try:
                body = self.client.request(kind, hashes + rest, self._waits(), samples, longest, self.on_progress)
                if len(body) < lead or (not result and len(body) != lead):
                    raise self._fault(f"an answer of {len(body)} bytes to {kind.name.lower()}")
                return body[:lead], self._result(body[lead:], result) if result else b""
            except LinkRefusedError as error:
                if error.status not in (INPUT, STALE):
                    raise
                self._held = None  # the board was reset
        raise LinkLostError(f"{self._connection.name}: the board loses its input again and again")

    def _write(self, data: bytes) -> None:
        room = self.hello.frame_bytes - 10  # header and offset
        self._held = None
        for at in range(0, len(data), room):
            self.client.request(Message.WRITE, struct.pack("<I", at) + data[at : at + room])
        self._held = data

    def _result(self, body: bytes, size: int) -> bytes:
        """The result of ``size`` bytes that ``body`` ends with the beginning of; the rest is read."""
        length, crc = struct.unpack_from("<II", body) if len(body) >= 8 else (-1, 0)
        data = body[8:]
        if length != size or len(data) > size:
            raise self._fault(f"a result of {length} bytes, {size} were asked for")
        sequence = self.client.latest
        while len(data) < size:
            more = self.client.request(Message.READ, struct.pack("<II", sequence, len(data)))
            if not 0 < len(more) <= size - len(data):
                raise self._fault(f"{len(more)} bytes read of a result that has {size - len(data)} left")
            data += more
        if zlib.crc32(data) != crc:
            raise self._fault("a result that its CRC denies")
        return data


def _check_hello(hello: Hello, manifest: Manifest, where: str) -> None:
    manifest.check(hello.model_hash, hello.table_hash, where)
    if hello.damage:
        raise IntrsError(f"{where}: {damage_text(hello.damage)}")
    height, width, channels = manifest.image_shape
    numbers = {
        "bytes an image": (hello.image_bytes, height * width * channels),
        "channels": (hello.channels, channels),
        "classes": (hello.classes, manifest.classes),
        "n0": (hello.n0, manifest.n0),
        "n": (hello.n, manifest.n),
    }
    for what, (told, right) in numbers.items():
        if told != right:
            raise BoardFaultError(f"{where}: its hashes are this project's, but it says {what} {told} and not {right}")
    if hello.frame_bytes not in _FRAMES:
        raise BoardFaultError(f"{where}: frames of {hello.frame_bytes} bytes, outside {_FRAMES[0]}..{_FRAMES[-1]}")
