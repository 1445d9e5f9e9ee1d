"""A board in Python: the toy model's answers, at once, through a connection that a test may make worse."""

import struct
import zlib

import numpy as np
import toy_model as toy

from intrs_edge.smoothing.results import Mode, Stop
from intrs_edge.targets.cobs import Decoder, encode
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.protocol import VERSION, Message

N0, N, CLASSES = 20, 200, toy.CLASSES
BYTES = int(np.prod(toy.SHAPE))


class ToyJudge:
    """The toy's tables: a majority of N proves its count."""

    def next_look(self, mode, samples):
        return N if mode == Mode.FIXED and samples < N else 0

    def judge(self, mode, samples, count, other):
        return (count if count > N // 2 else 0), Stop.FULL

    def decides(self, top, second):
        return top > second


def manifest(folder):
    """Of the toy project, from a folder where it is written."""
    import json

    (folder / "project.json").write_text(json.dumps(toy.toy_manifest()))
    return read_manifest(folder)


_VOTES: dict[tuple[bytes, int, int, int, int], np.ndarray] = {}


def votes(image, seed, number, first, count):
    """As toy.votes, remembered: one image's samples are asked for again and again."""
    total = np.zeros(CLASSES, np.int64)
    for i in range(first, first + count):
        key = (image, seed, number, i, 1)
        if key not in _VOTES:
            _VOTES[key] = toy.votes(np.frombuffer(image, np.uint8), seed, number, i, 1)
        total += _VOTES[key]
    return total


class PythonBoard:
    """Answers payloads, as firmware/link/intrs_server.c does."""

    frame_bytes = 128

    def __init__(self):
        self.input, self.kept = bytearray(BYTES), b""

    def answer(self, payload):
        """The frames' payloads that a request is answered by."""
        kind, number, body = payload[1], payload[2:6], payload[6:]
        try:
            answered = self.computed(Message(kind), body)
            status, found = (answered, b"") if isinstance(answered, int) else (0, answered)
        except (ValueError, struct.error):
            status, found = -34, b""
        return [struct.pack("<BB4sb", VERSION, 0x80 | kind, number, status) + found]

    def computed(self, kind, body):
        if kind == Message.HELLO:
            numbers = (toy.MODEL_HASH, toy.table_hash(), BYTES, 3, CLASSES, N0, N, 1, 64, self.frame_bytes, 0, 0)
            return struct.pack("<12I", *numbers) + b"python"
        if kind in (Message.ABORT, Message.STATUS):
            return bytes(20) if kind == Message.STATUS else b""
        if kind == Message.WRITE:
            at = struct.unpack_from("<I", body)[0]
            self.input[at : at + len(body) - 4] = body[4:]
            return b""
        if kind == Message.ENTROPY:
            return bytes(range(8))
        if kind == Message.READ:
            return self.kept[struct.unpack("<II", body)[1] :][: self.frame_bytes - 7]
        if struct.unpack_from("<I", body, 8)[0] != zlib.crc32(self.input):
            return -37
        if kind == Message.INFER:
            codes = np.frombuffer(bytes(self.input), np.int8)[None]
            return self.result(7, toy.infer(codes).tobytes())
        number, seed = struct.unpack_from("<IQ", body, 12)
        image = bytes(self.input)
        if kind == Message.VOTES:
            return self.result(7, votes(image, seed, number, *struct.unpack_from("<II", body, 24)))
        if kind == Message.PREDICT:
            counted = votes(image, seed, number, 0, N)
            second = int(np.delete(counted, 1).max())
            return struct.pack("<iIIII", 1 if counted[1] > second else -1, 1, counted[1], second, N)
        counted = votes(image, seed, number, N0, N)
        squared = int(counted[1]) if counted[1] > N // 2 else 0
        lead = struct.pack("<iIIIII", 1 if squared else -1, 1, counted[1], N, squared, 0)
        return lead + self.result(7 + len(lead), counted)

    def result(self, at, found):
        data = found if isinstance(found, bytes) else found.astype("<u4").tobytes()
        self.kept = data
        room = self.frame_bytes - at - 8
        return struct.pack("<II", len(data), zlib.crc32(data)) + data[:room]


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1e-6
        return self.now

    def sleep(self, seconds):
        self.now += seconds


CLOCK = Clock()


class BoardConnection:
    """The board at the other end; ``payloads`` and ``wire`` may change what it says, above the CRC and below it."""

    name = "python board"

    def __init__(self, board=None, payloads=None, wire=None):
        self.board = board or PythonBoard()
        self.payloads, self.wire = payloads, wire
        self.decoder, self.out, self.reads = Decoder(), b"", 0

    def write(self, data):
        for payload in self.decoder.feed(data):
            answers = self.board.answer(payload)
            if self.payloads is not None:
                answers = self.payloads(payload, answers)
            said = b"".join(map(encode, answers))
            self.out += said if self.wire is None else self.wire(said)

    def read(self, timeout):
        self.reads += 1
        out, self.out = self.out[:4096], self.out[4096:]
        if not out:
            CLOCK.sleep(timeout)
        return out

    def close(self):
        pass
