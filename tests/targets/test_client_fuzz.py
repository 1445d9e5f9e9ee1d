"""Boards that say anything: the client and the fleet end with a right answer or one line, in bounded work.

Below the CRC a frame is damaged, and what comes through is right. Above it a board says whatever it likes, and what
comes through follows from votes that add up; under a full audit it is right too. With `-m long` 10^5 frames.
"""

import itertools
import random
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import toy_model as toy
from python_board import CLASSES, CLOCK, N0, BoardConnection, N, ToyJudge, manifest, votes

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Mode, Stop, Stream
from intrs_edge.targets import board, protocol
from intrs_edge.targets import fleet as fleet_module
from intrs_edge.targets.base import certify_by_votes, prediction_of
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.fleet import FleetTarget
from intrs_edge.targets.protocol import VERSION

IMAGE = np.random.default_rng(1).integers(0, 256, toy.SHAPE, dtype=np.uint8)
DATA = IMAGE.tobytes()
INPUTS = np.random.default_rng(2).integers(-128, 128, (1, *toy.SHAPE)).astype(np.int8)
STREAM = Stream(5, 6)
JUDGE = ToyJudge()
RIGHT = {
    "infer": toy.infer(INPUTS),
    "votes": votes(DATA, 5, 6, 3, 40),
    "predict": prediction_of(JUDGE, votes(DATA, 5, 6, 0, N)),
    "certify": certify_by_votes(JUDGE, N0, Mode.FIXED, lambda a, k: votes(DATA, 5, 6, a, k)),
    "entropy": int.from_bytes(bytes(range(8)), "little"),
}
CALLS = {
    "infer": lambda target: target.infer(INPUTS),
    "votes": lambda target: target.votes(IMAGE, STREAM, 3, 40),
    "predict": lambda target: target.predict(IMAGE, STREAM),
    "certify": lambda target: target.certify(IMAGE, STREAM),
    "entropy": lambda target: target.entropy(),
}


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch):
    """But on the clock of the test, when a board is waited for in vain."""
    for module in (protocol, board, fleet_module):
        monkeypatch.setattr(module, "time", CLOCK)
    monkeypatch.setattr(protocol, "patient", lambda seconds: seconds)


def same(found, right):
    return bool(np.array_equal(found, right)) if isinstance(right, np.ndarray) else found == right


def sensible(name, found):
    """What holds for any answer that comes through, whatever the board said."""
    if name == "infer":
        return found.shape == (1, CLASSES) and found.dtype == np.int8
    if name == "votes":
        return found.shape == (CLASSES,) and found.min() >= 0 and found.sum() == 40
    if name == "entropy":
        return 0 <= found < 1 << 64
    if name == "predict":
        first, second = found.votes
        label = found.top if JUDGE.decides(first, second) else -1
        others = N - first - second
        return 0 <= found.top < CLASSES and 0 <= others <= 8 * second <= 8 * first and found.label == label
    squared, stop = JUDGE.judge(Mode.FIXED, N, found.count, 0)
    return (
        0 <= found.selected < CLASSES
        and len(found.votes) == CLASSES
        and found.votes[found.selected] == found.count
        and sum(found.votes) == found.samples == N
        and (found.radius_squared, found.stop) == (squared, stop)
        and found.label == (found.selected if squared else -1)
    )


### what a board may say ###


NUMBERS = (
    0,
    1,
    2,
    7,
    9,
    10,
    19,
    40,
    128,
    199,
    200,
    201,
    255,
    256,
    65535,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)


class Payloads:
    """Changes a share of the answers, each with a right CRC; counts them."""

    def __init__(self, seed, share):
        self.random, self.share, self.changed = random.Random(seed), share, 0
        self.old = [b"\x02\x81" + bytes(40)]

    def __call__(self, asked, answers):
        self.old = [*self.old[-20:], *answers]
        if self.random.random() >= self.share:
            return answers
        kinds = (self.field, self.fields, self.cut, self.longer, self.bits, self.status, self.head, self.progress,
                 self.again, self.result, self.random_bytes, self.nothing, self.flood)  # fmt: skip
        self.changed += 1
        return self.random.choice(kinds)(asked, answers[0])

    def number(self):
        value = self.random.choice(NUMBERS)
        return value if self.random.random() < 0.8 else self.random.getrandbits(32)

    def field(self, asked, told):
        at = 7 + 4 * self.random.randrange(max(1, (len(told) - 7) // 4))
        return [told[:at] + struct.pack("<I", self.number()) + told[at + 4 :]]

    def fields(self, asked, told):
        for _ in range(self.random.randrange(2, 6)):
            told = self.field(asked, told)[0]
        return [told]

    def cut(self, asked, told):
        return [told[: self.random.randrange(len(told) + 1)] or b"\0"]

    def longer(self, asked, told):
        return [told + self.random.randbytes(self.random.choice((1, 4, 40, 5000, 65000)))]

    def bits(self, asked, told):
        data = bytearray(told)
        for _ in range(self.random.randrange(1, 4)):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return [bytes(data)]

    def status(self, asked, told):
        return [told[:6] + struct.pack("<b", self.random.randrange(-128, 128)) + told[7 : self.random.choice((7, 99))]]

    def head(self, asked, told):
        values = [VERSION, asked[1] | 0x80, struct.unpack_from("<I", asked, 2)[0]]
        at = self.random.randrange(3)
        values[at] = self.random.randrange(256) if at < 2 else self.number()
        return [struct.pack("<BBI", *values) + told[6:], *([told] if self.random.random() < 0.5 else [])]

    def progress(self, asked, told):
        done, total = self.number(), self.random.choice((self.number(), 1, 39, 40, N, N0 + N))
        one = struct.pack("<BB4sbII", VERSION, 0x7F, asked[2:6], 0, done, total)
        return [one[: self.random.choice((15, 15, 15, 11))]] * self.random.choice((1, 3, 100)) + [told]

    def again(self, asked, told):
        """An earlier answer, as if it were this one's."""
        old = self.random.choice(self.old)
        return [told[:6] + old[6:] if self.random.random() < 0.5 else old, told]

    def result(self, asked, told):
        """A result of another length or content, its CRC right."""
        size = 4 * CLASSES if asked[1] != 3 else CLASSES
        data = bytearray(told[-size:])
        if asked[1] == 3 or self.random.random() < 0.3:
            data = bytearray(self.random.randbytes(self.random.choice((0, 3, size - 4, size, size + 4, 300))))
        elif len(data) == size:  # votes moved from one class to another: they still add up
            a, b = (4 * self.random.randrange(CLASSES) for _ in range(2))
            moved = self.number()
            for at, by in ((a, moved), (b, -moved)):
                value = struct.unpack_from("<I", data, at)[0] + by
                struct.pack_into("<I", data, at, value & 0xFFFFFFFF)
        return [told[: -size - 8] + struct.pack("<II", len(data), zlib.crc32(data)) + bytes(data)]

    def random_bytes(self, asked, told):
        return [told[:7] + self.random.randbytes(self.random.randrange(80))]

    def nothing(self, asked, told):
        return []

    def flood(self, asked, told):
        return [self.random.choice((told[:5] + b"\x55" + told[6:], told, b"\x01"))] * self.random.choice((2, 50, 5000))


class Wire:
    """Changes a share of the bytes' runs below the CRC; counts them."""

    def __init__(self, seed, share):
        self.random, self.share, self.changed = random.Random(seed), share, 0

    def __call__(self, said):
        if self.random.random() >= self.share:
            return said
        self.changed += 1
        at = self.random.randrange(len(said))
        kind = self.random.randrange(6)
        if kind == 0:
            return said[:at] + bytes([said[at] ^ 1 << self.random.randrange(8)]) + said[at + 1 :]
        if kind == 1:
            return said[:at]
        if kind == 2:
            return said[:at] + self.random.randbytes(self.random.randrange(1, 300)) + said[at:]
        if kind == 3:
            return said + said
        if kind == 4:
            return self.random.randbytes(200) + b"\0" + said
        return said[at:] + said[:at]


### the campaigns ###


def fuzz_client(project, frames, seed):
    """Frames changed, answers right, answers changed but sensible, ends in one line, ended with another exception."""
    counts = dict.fromkeys(("changed", "right", "other", "refused"), 0)
    lines: list[str] = []
    for number in itertools.count():
        payloads = Payloads(f"{seed} {number}", 0.15) if number % 2 else None
        below = None if payloads else Wire(f"{seed} {number}", 0.3)
        connection = BoardConnection(payloads=payloads, wire=below)
        try:
            target = BoardTarget(connection, project, JUDGE)
        except IntrsError as error:
            lines.append(str(error))
            target = None
        for name in random.Random(number).choices(list(CALLS), k=6 if target is not None else 0):
            before, begun = connection.reads, CLOCK.monotonic()
            try:
                found = CALLS[name](target)
            except IntrsError as error:
                lines.append(str(error))
            else:
                assert sensible(name, found), (name, found)
                right = same(found, RIGHT[name])
                assert right or payloads is not None, (name, found)
                counts["right" if right else "other"] += 1
            assert connection.reads - before < 20_000
            assert CLOCK.monotonic() - begun < 1000
        assert all(line.isprintable() for line in lines)
        counts["refused"] += len(lines)
        lines.clear()
        counts["changed"] += (payloads or below).changed
        if counts["changed"] >= frames:
            return counts


class Host(ToyJudge):
    """What a fleet needs of the host library."""

    class Info:
        model_hash, table_hash = toy.MODEL_HASH, toy.table_hash()

    info = Info()

    def votes(self, image, stream, first, count):
        return votes(image.tobytes(), stream.seed, stream.image, first, count)

    def close(self):
        pass


def fuzz_fleet(project, frames, seed):
    """Hostile boards beside an honest one, every range audited: frames changed, right certificates."""
    changed = right = 0
    for number in itertools.count():
        made = [Payloads(f"{seed} {number} {i}", 0.3) for i in range(2)]
        made[1].share = 0.05

        def opener(payloads=None):
            return BoardTarget(BoardConnection(payloads=payloads), project, JUDGE)

        def hostile(payloads):
            share, payloads.share = payloads.share, 0.0  # it is there at the start
            target = opener(payloads)
            payloads.share = share
            return target

        boards = [("honest", opener), *((f"hostile {i}", lambda p=p: hostile(p)) for i, p in enumerate(made))]
        with FleetTarget(Host(), boards, audit=1.0) as fleet:
            for image in range(3):
                stream = Stream(5, image)
                found = fleet.certify(IMAGE, stream)
                wanted = certify_by_votes(JUDGE, N0, Mode.FIXED, lambda a, k, n=image: votes(DATA, 5, n, a, k))
                assert found == wanted
                right += 1
            assert "honest" not in fleet.dropped
        changed += sum(p.changed for p in made)
        if changed >= frames:
            return changed, right


@pytest.fixture
def project(tmp_path):
    return manifest(tmp_path)


def test_the_board_in_python_is_right(project):
    """The control of all that follows."""
    connection = BoardConnection()
    with BoardTarget(connection, project, JUDGE) as target:
        for name, call in CALLS.items():
            assert same(call(target), RIGHT[name])
        assert sum(RIGHT["votes"]) == 40
        assert RIGHT["certify"].label == 1


def test_a_client_takes_anything(project):
    counts = fuzz_client(project, 3000, 1)
    assert counts["right"] > 300
    assert counts["refused"] > 300
    assert counts["other"] > 10  # votes that add up are believed: what an audit is for


def test_a_fleet_takes_anything(project, capsys):
    changed, right = fuzz_fleet(project, 300, 1)
    assert changed >= 300
    assert right >= 9
    assert "dropped" in capsys.readouterr().err


@pytest.mark.long
def test_a_client_takes_a_hundred_thousand_frames(project):
    print(fuzz_client(project, 100_000, 2))


@pytest.mark.long
def test_a_fleet_takes_ten_thousand_frames(project):
    print(fuzz_fleet(project, 10_000, 2))


def test_the_harness_sees_what_does_not_follow():
    """The control: an answer that a client must not let through is none that is sensible."""
    good = RIGHT["certify"]
    assert sensible("certify", good)
    votes_of_other = (*good.votes[1::-1], *good.votes[2:])
    for change in (
        {"label": -1}, {"selected": 0}, {"selected": 10}, {"count": good.count + 1}, {"samples": 199},
        {"stop": Stop.ACCEPT},
        {"radius_squared": good.radius_squared + 1}, {"votes": votes_of_other}, {"votes": good.votes[:-1]},
    ):  # fmt: skip
        assert not sensible("certify", replace(good, **change)), change
    for change in ({"label": -1}, {"top": 10}, {"votes": (0, 0)}, {"votes": (5, 190)}, {"votes": (190, 11)}):
        assert not sensible("predict", replace(RIGHT["predict"], **change)), change
    assert not sensible("votes", RIGHT["votes"] * 2)
    assert not sensible("infer", RIGHT["infer"][:, 1:])
