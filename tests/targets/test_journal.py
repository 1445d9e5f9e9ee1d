"""The journal: nothing damaged or senseless is believed, nothing wrong comes back, one writer."""

import contextlib
import json
import random
import re
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import fleet as fleet_module
from intrs_edge.targets.base import TargetInfo
from intrs_edge.targets.fleet import FleetTarget
from intrs_edge.targets.journal import Journal, Key, Range, disjoint, missing
from intrs_edge.targets.open import identity

KEY = Key(1, 2, 3)
RANGES = [Range(0, 2, (1, 1), "a"), Range(2, 3, (3, 0), "b", True), Range(5, 1, (0, 1), "a")]


@contextlib.contextmanager
def opened(path, model=7, tables=8) -> Iterator[Journal]:
    journal = Journal(path, model, tables)
    try:
        yield journal
    finally:
        journal.close()


def written(path, ranges=RANGES) -> bytes:
    with opened(path) as journal:
        for r in ranges:
            journal.add(KEY, r)
    return path.read_bytes()


def kept(path) -> list[Range]:
    with opened(path) as journal:
        return journal.ranges(KEY)


def line(entry) -> bytes:
    text = entry if isinstance(entry, bytes) else json.dumps(entry, separators=(",", ":")).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def test_what_was_added_comes_back_and_what_was_dropped_does_not(tmp_path):
    path = tmp_path / "j"
    written(path)
    with opened(path) as journal:
        assert journal.ranges(KEY) == RANGES
        assert journal.read_back(KEY) == [RANGES[0], RANGES[2]]  # the other was audited
        assert journal.read_back(KEY) == []
        journal.add(Key(1, 9, 3), RANGES[0])
        journal.drop(KEY, "a")
        assert journal.ranges(KEY) == [RANGES[1]]
    assert kept(path) == [RANGES[1]]
    with opened(path) as journal:
        assert journal.ranges(Key(1, 9, 3)) == [RANGES[0]]
        assert journal.ranges(Key(1, 2, 4)) == []
        journal.drop(None, "a")
    with opened(path) as journal:
        assert journal.ranges(Key(1, 9, 3)) == []
        assert journal.ranges(KEY) == [RANGES[1]]


def test_a_torn_end_is_cut_off_wherever_it_was_torn(tmp_path, capsys):
    path = tmp_path / "j"
    whole = written(path)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        lines = max(0, whole[:cut].count(b"\n") - 1)
        with opened(path) as journal:
            assert journal.ranges(KEY) == RANGES[:lines]
            for r in RANGES[lines:]:
                journal.add(KEY, r)
        assert path.read_bytes() == whole
    assert capsys.readouterr().err == ""  # that is no damage: it is how a run that was killed ends


def test_one_damaged_line_costs_its_samples_only(tmp_path, capsys):
    path = tmp_path / "j"
    whole = written(path)
    lines = whole.splitlines(keepends=True)
    for number in range(1, len(lines)):
        start = sum(map(len, lines[:number]))
        for position in range(start, start + len(lines[number]) - 1):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << position % 8
            path.write_bytes(damaged)
            expected = [r for k, r in enumerate(RANGES, 1) if k != number]
            if number == len(lines) - 1 or bytes(damaged).count(b"\n") != len(lines):
                expected = kept(path)  # nothing after it tells how much is missing: see the next test
                assert all(r in RANGES for r in expected)
            else:
                assert kept(path) == expected
            assert "1 damaged line(s)" in capsys.readouterr().err or expected == []


def test_no_damage_of_one_byte_brings_back_what_was_dropped(tmp_path):
    path = tmp_path / "j"
    lie, honest = Range(0, 4, (4, 0), "liar"), Range(4, 4, (2, 2), "honest")
    with opened(path) as journal:
        for r in (lie, honest):
            journal.add(KEY, r)
        journal.drop(KEY, "liar")
        ends = [path.read_bytes()]
        journal.add(KEY, Range(0, 4, (3, 1), "honest"))
        ends.append(path.read_bytes())
    for whole in ends:
        head = whole.index(b"\n") + 1
        last = whole.rindex(b"\n", 0, -1)
        assert lie not in kept_after(path, whole)
        for position in range(head, len(whole)):
            for change in {1 << position % 8, whole[position] ^ ord("\n")} - {0}:
                damaged = bytearray(whole)
                damaged[position] ^= change
                found = kept_after(path, bytes(damaged))
                assert lie not in found
                assert lie not in kept(path)  # nor when it is opened once more
                # two lines that are one now, or a damaged end: nothing before is believed; else one line is lost
                assert found or whole is ends[0] or whole[position] == ord("\n") or position > last
    # a line that is missing altogether is seen by its neighbours' numbers
    lines = ends[1].splitlines(keepends=True)
    for k in range(1, len(lines)):
        assert lie not in kept_after(path, b"".join(lines[:k] + lines[k + 1 :]))
    assert lie not in kept_after(path, b"".join(lines[:3] + lines[5:]))  # both drops
    assert lie in kept_after(path, b"".join(lines[:3]))  # the control: what a run that was killed before leaves


def kept_after(path, content) -> list[Range]:
    path.write_bytes(content)
    return kept(path)


BASE = {"at": 1, "seed": 1, "image": 2, "crc": 3, "first": 0, "count": 16, "votes": [16, 0], "by": "x", "audited": True}


@pytest.mark.parametrize(
    "entry",
    [
        BASE | {"votes": [20, -4]},
        BASE | {"votes": [16, 1]},
        BASE | {"votes": [15.5, 0.5]},
        BASE | {"votes": [True, 15]},
        BASE | {"votes": 16},
        BASE | {"votes": [10**30, 16 - 10**30]},
        BASE | {"count": 0, "votes": [0, 0]},
        BASE | {"first": -5},
        BASE | {"first": 2**32 - 8},
        BASE | {"seed": 2**64},
        BASE | {"by": 5},
        BASE | {"audited": 1},
        BASE | {"at": 0},
        BASE | {"at": "1"},
        {k: v for k, v in BASE.items() if k != "count"},
        {"at": 1, "drop": 5},
        {"at": 1, "drop": "x", "seed": 1},
        [1, 2],
        "x",
        None,
        b"[" * 100_000,
        b'{"at":1e999}',
        b"\xff",
        b"",
    ],
)
def test_lines_that_make_no_sense_are_skipped(tmp_path, capsys, entry):
    path = tmp_path / "j"
    head = written(path, [])
    good = line(BASE | {"at": 2, "first": 16})
    path.write_bytes(head + line(entry) + good)
    assert kept(path) == [Range(16, 16, (16, 0), "x", True)]
    assert "1 damaged line(s)" in capsys.readouterr().err
    path.write_bytes(head + line(BASE) + good)
    assert len(kept(path)) == 2  # the control


def test_numbers_that_go_back_are_not_believed(tmp_path):
    path = tmp_path / "j"
    whole = written(path)
    first = whole.splitlines(keepends=True)[1]
    path.write_bytes(whole + first)
    assert kept(path) == []  # a damaged end: all of it is counted again


def test_a_damaged_first_line_loses_the_counts_and_nothing_else_is_taken_for_a_journal(tmp_path, capsys):
    path = tmp_path / "j"
    whole = written(path)
    path.write_bytes(b"x" + whole[1:])
    assert kept(path) == []
    assert "its first line is damaged" in capsys.readouterr().err
    assert written(path) == whole
    for model, tables in ((7, 9), (9, 8)):
        with pytest.raises(IntrsError, match="another model"):
            Journal(path, model, tables)
    assert path.read_bytes() == whole
    path.write_bytes(line({"journal": 1, "model": 7, "tables": 8}))
    with pytest.raises(IntrsError, match="another version"):
        Journal(path, 7, 8)
    for text in (b"my thesis\n", b"my thesis", b"\x7fELF" + bytes(100), b"\n"):
        path.write_bytes(text)
        with pytest.raises(IntrsError, match="not a journal"):
            Journal(path, 7, 8)
        assert path.read_bytes() == text


def test_a_journal_has_one_writer_and_is_a_file(tmp_path):
    path = tmp_path / "new folder" / "j"
    with opened(path), pytest.raises(IntrsError, match=r"journal .*j is being written by process \d+"):
        Journal(path, 7, 8)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(IntrsError, match="is a symbolic link"):
        Journal(tmp_path / "link", 7, 8)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8), st.integers(0, 30), st.integers(0, 50))
def test_known_and_missing_cover_exactly(pieces, first, count):
    known = disjoint(first, count, [Range(a, n, (), "x") for a, n in pieces])
    parts = [(r.first, r.count) for r in known] + list(missing(first, count, known))
    assert sorted(i for a, n in parts for i in range(a, a + n)) == list(range(first, first + count))


### what a fleet does with it ###

INFO = TargetInfo("b", "w", 7, 8, 4, (2, 2, 1), 100, 1000, 10)
IMAGE = np.zeros((2, 2, 1), np.uint8)
STREAM = Stream(1, 0)
KEY_OF_IMAGE = Key(1, 0, zlib.crc32(IMAGE.tobytes()))


def truth(image, stream, first, count):
    rng = np.random.default_rng([stream.seed, stream.image])
    return np.bincount(rng.integers(0, 4, 2000)[first : first + count], minlength=4).astype(np.int64)


class Host:
    info = INFO

    def __init__(self) -> None:
        self.asked = 0

    def votes(self, *arguments):
        self.asked += 1
        return truth(*arguments)

    def close(self) -> None:
        pass


class Board:
    info = INFO
    seconds_per_sample = 0.5 / 16

    def votes(self, *arguments):
        return truth(*arguments)

    def close(self) -> None:
        pass


def left_by_a_killed_run(path, names) -> None:
    """Ranges by the boards in turn; those called liar moved a vote."""
    with opened(path) as journal:
        for i in range(30):
            name = names[i % len(names)]
            votes = truth(IMAGE, STREAM, 16 * i, 16)
            if name == "liar":
                votes = np.roll(votes, 1)
            journal.add(KEY_OF_IMAGE, Range(16 * i, 16, tuple(int(v) for v in votes), name))


def resumed(path, names, audit):
    host = Host()
    with FleetTarget(host, [(name, Board) for name in names], audit, Journal(path, 7, 8)) as fleet:
        return fleet.votes(IMAGE, STREAM, 0, 1100), host.asked


@pytest.mark.parametrize("names", [["honest", "liar"], ["liar", "honest"], ["honest"], ["another"]])
def test_what_is_read_back_is_audited_whoever_counts_now(tmp_path, capsys, names):
    left_by_a_killed_run(tmp_path / "j", ["honest", "liar"])
    right = truth(IMAGE, STREAM, 0, 1100)
    votes, _ = resumed(tmp_path / "j", names, 1.0)
    np.testing.assert_array_equal(votes, right)
    assert re.search(r"liar dropped: its samples 16\.\.31 of image 0 in the journal are wrong", capsys.readouterr().err)
    # and once is enough: its lines are dropped on the disk, the others marked or audited again
    np.testing.assert_array_equal(resumed(tmp_path / "j", names, 0.0)[0], right)


def test_without_an_audit_what_is_read_back_stands(tmp_path):
    left_by_a_killed_run(tmp_path / "j", ["honest", "liar"])
    votes, asked = resumed(tmp_path / "j", ["honest"], 0.0)
    assert (votes != truth(IMAGE, STREAM, 0, 1100)).any()
    assert asked == 0


def test_votes_of_other_classes_are_counted_again(tmp_path):
    with opened(tmp_path / "j") as journal:
        journal.add(KEY_OF_IMAGE, Range(0, 16, (16, 0, 0, 0, 0), "a"))
        journal.add(KEY_OF_IMAGE, Range(16, 16, (16,), "a"))
    np.testing.assert_array_equal(resumed(tmp_path / "j", ["a"], 0.0)[0], truth(IMAGE, STREAM, 0, 1100))


def test_boards_are_called_by_what_they_are(monkeypatch):
    def members(*names):
        with FleetTarget(Host(), [(name, Board) for name in names]) as fleet:
            return [member.name for member in fleet.members]

    assert members("tcp:a:1", "tcp:b:2") == ["tcp:a:1", "tcp:b:2"]
    assert members("tcp:b:2", "tcp:a:1") == ["tcp:b:2", "tcp:a:1"]
    assert members("emulator", "tcp:a:1", "emulator") == ["emulator#1", "tcp:a:1", "emulator#2"]

    class Port:
        device, vid, pid, serial_number = "/dev/ttyACM7", 0x0483, 0x374B, "066D"

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Port()])
    assert identity("serial:/dev/ttyACM7") == "usb:0483:374b:066D"
    assert identity("serial:/dev/ttyACM8") == "serial:/dev/ttyACM8"
    assert identity("tcp:a:1") == "tcp:a:1"


@pytest.mark.long
def test_random_damage_never_gives_wrong_counts(tmp_path):
    """The liar was caught: whatever one burst of damage does to the file, before its last line, the counts are right.

    (A file whose end is missing is that of a run that was killed earlier.)
    """
    path, rng = tmp_path / "j", random.Random(1)
    left_by_a_killed_run(path, ["honest", "liar"])
    with opened(path) as journal:
        journal.drop(KEY_OF_IMAGE, "liar")
        for i in range(3):
            votes = truth(IMAGE, STREAM, 16 + 32 * i, 16)
            journal.add(KEY_OF_IMAGE, Range(16 + 32 * i, 16, tuple(int(v) for v in votes), "honest"))
    whole = path.read_bytes()
    head, last, right = whole.index(b"\n") + 1, whole.rindex(b"\n", 0, -1), truth(IMAGE, STREAM, 0, 1100)
    for _ in range(1000):
        damaged = bytearray(whole)
        length = rng.choice((1, 1, 2, 8, 64, 512))
        at = rng.randrange(head, last + 1 - length)
        burst = bytes(rng.choice((rng.randrange(256), 10, 0)) for _ in range(length))
        if rng.random() < 0.2:
            burst = b""  # a piece is missing
        damaged[at : at + length] = burst
        path.write_bytes(damaged)
        np.testing.assert_array_equal(resumed(path, ["honest"], 0.0)[0], right)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(fleet_module, "_REOPEN_WAITS", (0.0,))
