"""The link under faults: every answer is right, or there is none."""

import os
import random
import shutil
import struct
import subprocess
import tty
import zlib

import numpy as np
import pytest
import toy_model as toy

from intrs_edge.children import patient
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import LinkLostError
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.cobs import Decoder, encode
from intrs_edge.targets.connection import SerialConnection
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import open_connection
from intrs_edge.targets.process import run_program
from intrs_edge.targets.protocol import VERSION, LinkRefusedError, Message, ProtocolClient

IMAGE = np.random.default_rng(1).integers(0, 256, toy.SHAPE, dtype=np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return toy.toy_project(tmp_path_factory.mktemp("toy"))


class Faulty:
    """A connection that damages, loses, doubles and reorders frames, each way."""

    def __init__(self, inner, seed, share):
        self.inner, self.name, self.share = inner, inner.name, share
        self.random = random.Random(seed)
        self.faults, self.rests, self.helds = 0, {}, {"write": [], "read": []}

    def spoil(self, data, way):
        *frames, self.rests[way] = (self.rests.get(way, b"") + data).split(b"\0")
        held = self.helds[way]
        out = []
        for frame in frames:
            if not frame or self.random.random() >= self.share:
                out.append(frame)
                continue
            self.faults += 1
            kind = self.random.choice(["flip", "cut", "lose", "double", "swap", "noise"])
            at = self.random.randrange(len(frame))
            if kind == "flip":
                out.append(frame[:at] + bytes([frame[at] ^ self.random.randrange(1, 256)]) + frame[at + 1 :])
            elif kind == "cut":
                out.append(frame[:at])
            elif kind == "double":
                out += [frame, frame]
            elif kind == "swap":
                held.append(frame)  # comes after the next
                continue
            elif kind == "noise":
                out += [self.random.randbytes(at + 1), frame]
            out += held
            held.clear()
        return b"".join(f + b"\0" for f in out)

    def write(self, data):
        self.inner.write(self.spoil(data, "write"))

    def read(self, timeout):
        return self.spoil(self.inner.read(timeout), "read")

    def close(self):
        self.inner.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_right_on_a_bad_line(built, seed):
    manifest = read_manifest(built)
    faulty = Faulty(open_connection(built, manifest, f"run:{built}/build/host/intrs"), seed, 0.0)
    with BoardTarget(faulty, manifest) as target:
        faulty.share = 0.2
        target.client.waits = (0.02,) * 40
        target._waits = lambda: (0.02,) * 40
        inputs = np.random.default_rng(seed).integers(-128, 128, (3, *toy.SHAPE)).astype(np.int8)
        for number in range(25):
            stream = Stream(seed, number)
            np.testing.assert_array_equal(
                target.votes(IMAGE, stream, 0, 60), toy.votes(IMAGE, seed, number, 0, 60)
            )  # fmt: skip
            assert target.certify(IMAGE, stream).count == toy.votes(IMAGE, seed, number, 20, 200)[1]
        for one in inputs:
            target._held = None
            np.testing.assert_array_equal(target.infer(one[None]), toy.infer(one[None]))
        assert faulty.faults > 20
        assert target.client.repeated > 5


class Scripted:
    """A connection whose far end is a function of each payload."""

    name = "scripted"

    def __init__(self, answer):
        self.answer, self.decoder, self.out = answer, Decoder(), b""

    def write(self, data):
        for payload in self.decoder.feed(data):
            self.out += b"".join(encode(p) for p in self.answer(payload))

    def read(self, timeout):
        out, self.out = self.out, b""
        return out

    def close(self):
        pass


def reply(payload, status=0, body=b"", *, sequence=None, kind=None, version=VERSION):
    number = struct.unpack_from("<I", payload, 2)[0] if sequence is None else sequence
    return struct.pack("<BBIb", version, 0x80 | (payload[1] if kind is None else kind), number, status) + body


def test_only_the_answer_asked_for_is_taken():
    def answer(payload):
        number = struct.unpack_from("<I", payload, 2)[0]
        return [
            b"\1", reply(payload, body=b"earlier", sequence=number - 1), reply(payload, body=b"other", kind=3),
            reply(payload, body=b"version", version=VERSION + 1), payload, reply(payload, body=b"right"),
            reply(payload, body=b"late"),
        ]  # fmt: skip

    client = ProtocolClient(Scripted(answer), waits=(0.05, 0.05))
    for _ in range(3):
        assert client.request(Message.ENTROPY) == b"right"
    assert client.foreign >= 15


def test_silence_and_refusal_are_one_line():
    with pytest.raises(LinkLostError, match="no answer to entropy"):
        ProtocolClient(Scripted(lambda payload: []), waits=(0.01, 0.01)).request(Message.ENTROPY)
    with pytest.raises(LinkRefusedError, match="cannot do that"):
        ProtocolClient(Scripted(lambda payload: [reply(payload, -40)])).request(Message.ENTROPY)


def test_a_device_that_never_says_anything_else_than_noise_ends():
    class Noise(Scripted):
        def read(self, timeout):
            return b"\x07noise\0" * 10

    with pytest.raises(LinkLostError):
        ProtocolClient(Noise(lambda payload: []), waits=(0.05, 0.05)).request(Message.ENTROPY)


### the server, asked directly ###


@pytest.fixture
def client(built):
    connection = open_connection(built, read_manifest(built), f"run:{built}/build/host/intrs")
    client = ProtocolClient(connection, waits=(1,))
    client.hello()
    yield client
    connection.close()


def refused(client, kind, body):
    with pytest.raises(LinkRefusedError) as error:
        client.request(kind, body)
    return error.value.status


def test_wrong_requests_are_refused(client):
    good = struct.pack("<III", toy.MODEL_HASH, toy.table_hash(), zlib.crc32(bytes(300)))
    run = struct.pack("<IQIII", 0, 1, 0, 5, 0)
    assert refused(client, Message.WRITE, struct.pack("<I", 301)) == -36
    assert refused(client, Message.WRITE, struct.pack("<I", 299) + b"ab") == -36
    assert refused(client, Message.WRITE, struct.pack("<I", 0xFFFFFFFF) + b"ab") == -36
    assert refused(client, Message.WRITE, b"") == -34
    assert refused(client, Message.HELLO, b"x") == -34
    assert refused(client, Message.VOTES, good) == -34
    assert refused(client, Message.READ, struct.pack("<II", 5, 0)) == -38
    client.request(Message.WRITE, bytes(304))
    for at, status in ((0, -39), (4, -39), (8, -37)):
        bad = bytearray(good)
        bad[at] ^= 1
        assert refused(client, Message.VOTES, bytes(bad) + run) == status
    assert refused(client, Message.VOTES, good + struct.pack("<IQIII", 0, 1, 0xFFFFFFFF, 5, 0)) == -2
    assert refused(client, Message.CERTIFY, good + struct.pack("<IQII", 0, 1, 7, 0)) == -1
    body = client.request(Message.VOTES, good + run)
    length = struct.unpack_from("<I", body)[0]
    assert length == 40
    sequence = client.latest
    assert client.request(Message.READ, struct.pack("<II", sequence, 4)) == body[8 + 4 :]
    assert client.request(Message.READ, struct.pack("<II", sequence, 40)) == b""
    assert refused(client, Message.READ, struct.pack("<II", sequence, 41)) == -36
    assert len(client.request(Message.ENTROPY)) == 8


def test_an_unknown_version_and_type_are_answered(client):
    for payload, status in ((struct.pack("<BBI", 9, 1, 77), -32), (struct.pack("<BBI", VERSION, 99, 77), -33)):
        client.connection.write(encode(payload))
        (answer,) = Decoder().feed(client.connection.read(2))
        assert answer == struct.pack("<BBIb", VERSION, 0x80 | payload[1], 77, status)


def test_an_echo_of_the_devices_own_words_is_not_answered(client):
    for kind in (0x7F, 0x80, 0x86, 0xFF):
        client.connection.write(encode(struct.pack("<BBIb", VERSION, kind, 4, 0)))
    assert client.request(Message.HELLO)
    assert client.foreign == 0


def test_a_repeated_request_is_not_computed_again(client):
    wire = encode(struct.pack("<BBI", VERSION, Message.ENTROPY, 4711))
    client.connection.write(wire + wire)
    decoder, got = Decoder(), []
    while len(got) < 2:
        got += decoder.feed(client.connection.read(2))
    assert got[0] == got[1]  # random, yet the same


def test_abort_and_status_during_a_computation(tmp_path):
    built = toy.toy_project(tmp_path, work=20000)
    connection = open_connection(built, read_manifest(built), f"run:{built}/build/host/intrs")
    client = ProtocolClient(connection)
    client.hello()
    client.request(Message.WRITE, bytes(304))
    good = struct.pack("<III", toy.MODEL_HASH, toy.table_hash(), zlib.crc32(bytes(300)))
    many = struct.pack("<IQIII", 0, 1, 0, 100_000_000, 0)
    long = struct.pack("<BBI", VERSION, Message.VOTES, 99) + good + many
    connection.write(encode(long))
    running, number, _, total, _ = struct.unpack("<IIIII", client.request(Message.STATUS))
    assert (running, number, total) == (1, 99, 100_000_000)
    connection.write(encode(struct.pack("<BBI", VERSION, Message.HELLO, 100)))
    connection.write(encode(long))
    decoder, got = Decoder(), []
    while len(got) < 2:
        got += decoder.feed(connection.read(2))
    assert got[0] == struct.pack("<BBIb", VERSION, 0x81, 100, -35)
    assert got[1][:7] == struct.pack("<BBIb", VERSION, Message.PROGRESS, 99, 0)
    client.request(Message.ABORT, struct.pack("<I", 98))  # not this one
    assert struct.unpack_from("<I", client.request(Message.STATUS))[0] == 1
    client.request(Message.ABORT, struct.pack("<I", 99))
    assert client.request(Message.HELLO)
    assert struct.unpack_from("<I", client.request(Message.STATUS))[0] == 0
    connection.close()


def test_a_serial_port_that_goes_away_is_one_line():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    connection = SerialConnection(name)
    os.close(theirs)
    connection.write(b"hello")
    assert os.read(ours, 5) == b"hello"
    os.close(ours)  # unplugged
    client = ProtocolClient(connection)
    with pytest.raises(LinkLostError, match=f"serial:{name}: the port is gone"):
        client.hello()
    connection.close()
    with pytest.raises(LinkLostError, match="cannot open the port"):
        SerialConnection(name)


def test_a_program_that_ends_is_one_line(built):
    connection = run_program(["false"], "run:false")
    with pytest.raises(LinkLostError, match="the program ended"):
        ProtocolClient(connection).hello()
    connection.close()


### fuzzing ###


def build_fuzzer(out):
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    firmware = shipped("firmware")
    out.mkdir(exist_ok=True)
    shutil.copy(firmware / "tests/link/toy_config.h", out / "intrs_config.h")
    (out / "toy_board.h").write_text('#define INTRS_BOARD "fuzz"\n#define INTRS_LINK_FRAME 128u\n')
    sources = [
        *sorted((firmware / "link").glob("*.c")),
        firmware / "model/intrs_crc32.c",
        firmware / "tests/link/fuzz.c",
        firmware / "tests/link/toy.c",
    ]
    includes = [f"-I{out}", *(f"-I{firmware}/{d}" for d in ("include", "link", "ports"))]
    flags = ["-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", *toy.WARNINGS]
    subprocess.run(["clang", *flags, *includes, *map(str, sources), "-o", str(out / "fuzz")], check=True)
    return out / "fuzz"


def fuzz(program, runs, out):
    limits = [f"-runs={runs}", "-seed=1", "-max_len=600", f"-timeout={patient(10):.0f}"]
    done = subprocess.run(
        [program, *limits, f"-artifact_prefix={out}/"],
        capture_output=True, text=True, check=False, timeout=patient(3600),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_server_takes_anything(tmp_path):
    fuzz(build_fuzzer(tmp_path / "f"), 20_000, tmp_path)


@pytest.mark.long
def test_the_server_takes_a_million_inputs(tmp_path):
    fuzz(build_fuzzer(tmp_path / "f"), 1_000_000, tmp_path)


def test_the_fuzzer_finds_a_planted_overflow(tmp_path):
    firmware = shipped("firmware")
    program = build_fuzzer(tmp_path / "f")
    broken = (firmware / "link/intrs_server.c").read_text()
    check = "if (offset > INTRS_IMAGE_BYTES || n > INTRS_IMAGE_BYTES - offset) {"
    assert check in broken
    (tmp_path / "intrs_server.c").write_text(broken.replace(check, "if (0) {"))
    includes = [f"-I{tmp_path}/f", *(f"-I{firmware}/{d}" for d in ("include", "link", "ports"))]
    sources = [firmware / "model/intrs_crc32.c", firmware / "link/intrs_frame.c", tmp_path / "intrs_server.c"]
    sources += [firmware / "tests/link/fuzz.c", firmware / "tests/link/toy.c"]
    flags = ["-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["clang", "-std=gnu11", *flags, *includes, *map(str, sources), "-o", str(program)], check=True)
    with pytest.raises(AssertionError, match=r"Sanitizer|overflow"):
        fuzz(program, 20_000, tmp_path)
