"""A board at the other end of the link."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import numpy as np

from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stop, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    TargetInfo,
    Votes,
    check_image,
    check_inputs,
    check_range,
    check_stream,
)
from intrs_edge.targets.link import INPUT, LinkClient, LinkRefusedError, Message, Progress
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.transport import LinkLostError, Transport

_SLOWEST = 120.0  # seconds that one inference may take before a silent board is given up


class LinkTarget(ContextMixin):
    """Serves Target over a transport. ``on_progress(done, total)`` may be set to follow long requests."""

    def __init__(self, transport: Transport, manifest: Manifest, on_close: Callable[[], None] | None = None) -> None:
        """Says hello; raises IntrsError for another project's firmware, LinkLostError when nobody answers."""
        self.on_progress: Progress | None = None
        self.seconds_per_sample = 0.0  # 0: not measured yet
        self._transport, self._on_close = transport, on_close
        try:
            self.client = LinkClient(transport)
            self.hello = self.client.hello()
            manifest.check(self.hello.model_hash, self.hello.table_hash, f"{transport.name} ({self.hello.board})")
        except BaseException:
            self.close()
            raise
        hello = self.hello
        self.info = TargetInfo(
            hello.board, transport.name, hello.model_hash, hello.table_hash, hello.classes, manifest.image_shape,
            hello.n0, hello.n, hello.arena_bytes, manifest.ends,
        )  # fmt: skip
        self._held: bytes | None = None  # what the board's input buffer holds

    def close(self) -> None:
        """Ends the connection, and the emulator or program behind it."""
        self._transport.close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def infer(self, inputs: Codes) -> Codes:
        """See Target."""
        inputs = check_inputs(inputs, self.info)
        out = np.empty((len(inputs), self.info.classes), self.info.ends.output_dtype)
        for i, one in enumerate(inputs):
            body = self._compute(Message.INFER, one.tobytes(), b"", _SLOWEST)
            out[i] = np.frombuffer(self._result(body), out.dtype)
        return out

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """See Target."""
        data = check_image(image, self.info)
        check_stream(stream)
        check_range(first, count)
        if self.seconds_per_sample == 0.0 and count > 1:
            return self.votes(image, stream, first, 1) + self.votes(image, stream, first + 1, count - 1)
        begun = time.monotonic()
        body = self._compute(
            Message.VOTES,
            data,
            struct.pack("<IQIII", stream.image, stream.seed, first, count, self._every()),
            self._patience(),
        )
        votes = np.frombuffer(self._result(body), "<u4").astype(np.int64)
        if votes.sum() != count:
            raise LinkLostError(
                f"{self._transport.name}: {votes.sum()} votes for {count} samples; the firmware is at fault"
            )
        if count:
            self.seconds_per_sample = max((time.monotonic() - begun) / count, 1e-6)
        return votes

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """See Target."""
        data = check_image(image, self.info)
        check_stream(stream)
        self._measure(image, stream)
        body = self._compute(
            Message.PREDICT, data, struct.pack("<IQI", stream.image, stream.seed, self._every()), self._patience()
        )
        label, top, first, second, samples = struct.unpack("<iIIII", body)
        return Prediction(label, top, (first, second), samples)

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target; the loop runs on the board."""
        data = check_image(image, self.info)
        check_stream(stream)
        self._measure(image, stream)
        body = self._compute(
            Message.CERTIFY,
            data,
            struct.pack("<IQII", stream.image, stream.seed, mode, self._every()),
            self._patience(),
        )
        label, selected, count, samples, radius_squared, stop = struct.unpack_from("<iIIIII", body)
        votes = np.frombuffer(self._result(body[24:]), "<u4")
        if votes.sum() != samples:
            raise LinkLostError(
                f"{self._transport.name}: {votes.sum()} votes for {samples} samples; the firmware is at fault"
            )
        return Certificate(label, selected, count, samples, radius_squared, Stop(stop), tuple(votes.tolist()))

    def entropy(self) -> int:
        """A 64-bit seed from the board's random source; raises LinkRefusedError where it has none."""
        return int.from_bytes(self.client.request(Message.ENTROPY), "little")

    def _measure(self, image: Image, stream: Stream) -> None:
        if self.seconds_per_sample == 0.0:
            self.votes(image, stream, 0, 1)

    def _every(self) -> int:
        """Samples between progress messages: about four a second."""
        return max(1, int(0.25 / self.seconds_per_sample)) if self.seconds_per_sample else 1

    def _patience(self) -> float:
        """Seconds of silence that mean trouble."""
        return min(_SLOWEST, 3.0 + 20 * self.seconds_per_sample) if self.seconds_per_sample else _SLOWEST

    def _compute(self, kind: Message, data: bytes, rest: bytes, patience: float) -> bytes:
        """A request about the input ``data``, which is written first unless the board holds it."""
        hashes = struct.pack("<III", self.hello.model_hash, self.hello.table_hash, zlib.crc32(data))
        for _ in range(5):
            if self._held != data:
                self._write(data)
            try:
                return self.client.request(kind, hashes + rest, patience, self.on_progress)
            except LinkRefusedError as error:
                if error.status != INPUT:
                    raise
                self._held = None  # the board was reset
        raise LinkLostError(f"{self._transport.name}: the board loses its input again and again")

    def _write(self, data: bytes) -> None:
        room = self.hello.frame_bytes - 10  # header and offset
        self._held = None
        for at in range(0, len(data), room):
            self.client.request(Message.WRITE, struct.pack("<I", at) + data[at : at + room])
        self._held = data

    def _result(self, body: bytes) -> bytes:
        """The result that ``body`` ends with the beginning of; the rest is read."""
        length, crc = struct.unpack_from("<II", body)
        data = body[8:]
        sequence = self.client.latest
        while len(data) < length:
            more = self.client.request(Message.READ, struct.pack("<II", sequence, len(data)))
            if not more:
                break
            data += more
        if len(data) != length or zlib.crc32(data) != crc:
            raise LinkLostError(f"{self._transport.name}: the result arrived damaged")
        return data
