"""The log: the community's columns first, radii no larger than proved, a torn line dropped, other settings refused, and
nothing in it that is damaged, written by two, or contradicts itself.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import (
    COLUMNS,
    COMMUNITY,
    NORMS,
    LogWriter,
    certificate_row,
    format_row,
    parse_log,
    read_log,
    rows_so_far,
)
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Stop, lattice_squared, radius_text

ABSTAINED = Certificate(ABSTAIN, 1, 500, 1000, 0, Stop.FULL, (500, 500))
CERTIFIED = Certificate(1, 1, 990, 1000, 5000, Stop.FULL, (10, 990))


@given(st.integers(1, 2**32 - 1))
def test_the_radius_is_the_largest_decimal_that_is_proved(radius_squared):
    text = radius_text(radius_squared)
    assert len(text.partition(".")[2]) == 6
    assert lattice_squared(Fraction(text)) <= radius_squared
    assert lattice_squared(Fraction(text) + Fraction(1, 10**6)) > radius_squared


@pytest.mark.parametrize(
    ("radius_squared", "text"),
    # 4064 is what proves .25: the next squared length, 4065, begins at .250031
    [(0, "0.000000"), (4064, "0.250028"), (255**2, "1.000007"), (1, "0.005545"), (2**32 - 1, "257.003921")],
)
def test_known_radii(radius_squared, text):
    assert radius_text(radius_squared) == text


def test_a_row_comes_back_as_it_went(tmp_path, settings):
    settings |= {"mode": "precision=0.1"}
    result = Certificate(2, 2, 940, 950, 5000, Stop.ACCEPT, (3, 7, 940))
    row = certificate_row(42, 2, result, 1.25, settings)
    with LogWriter(tmp_path / "log.tsv", settings) as log:
        log.append(row)
    (read,) = read_log(tmp_path / "log.tsv")
    assert read == row
    assert (read.idx, read.label, read.predict, read.correct, read.time) == (42, 2, 2, True, "0:00:01.250000")
    assert read.radius == result.radius == 0.277324  # sqrt(5001) / 255 = 0.2773244...
    assert read.extra["count"] == "940"
    assert read.extra["votes"] == "3,7,940"
    assert read.extra["stop"] == "accept"
    assert read.extra["L"] == "5000"
    assert (read.extra["linf"], read.extra["l1"]) == ("35", "70")  # 4 * 35^2 = 4900, 70^2 = 4900


def test_the_community_reads_it(tmp_path, settings):
    with LogWriter(tmp_path / "log.tsv", settings) as log:
        log.append(certificate_row(0, 1, ABSTAINED, 0.5, settings))
    with (tmp_path / "log.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert tuple(rows[0])[: len(COMMUNITY)] == COMMUNITY
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["predict"], rows[0]["radius"], rows[0]["correct"]) == ("-1", "0.000000", "0")


def test_a_community_log_is_read(tmp_path):
    (tmp_path / "cohen.tsv").write_text(
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.527\t1\t0:00:15.1\n20\t7\t-1\t0.0\t0\t0:00:15.2\n"
    )
    rows = read_log(tmp_path / "cohen.tsv")
    assert [(r.idx, r.predict, r.radius, r.correct, r.abstained) for r in rows] == [
        (0, 3, 0.527, True, False),
        (20, -1, 0.0, False, True),
    ]


def test_a_label_that_is_unknown_is_never_right(settings):
    assert not certificate_row(0, -1, ABSTAINED, 0, settings).correct


def written(path, settings, images=3):
    with LogWriter(path, settings) as log:
        for idx in range(images):
            log.append(certificate_row(idx, 1, CERTIFIED, 1, settings))
    return path.read_bytes()


def test_a_torn_line_is_dropped_and_the_file_goes_on(tmp_path, settings):
    path = tmp_path / "log.tsv"
    whole = written(path, settings)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        lines = max(0, whole[:cut].count(b"\n") - 1)
        if b"\n" in whole[:cut]:
            assert [row.idx for row in read_log(path)] == list(range(lines))
        with LogWriter(path, settings) as log:
            assert log.done == set(range(lines))
            for idx in range(lines, 3):
                log.append(certificate_row(idx, 1, CERTIFIED, 1, settings))
        assert path.read_bytes() == whole


def test_no_change_of_one_bit_is_kept_silently(tmp_path, settings):
    path = tmp_path / "log.tsv"
    whole = written(path, settings, 2)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        if position == len(whole) - 1:  # the last line counts as torn, and its image is certified again
            LogWriter(path, settings).__exit__(None, None, None)
            assert path.read_bytes() == whole[: whole.rindex(b"\n", 0, -1) + 1]
        else:
            with pytest.raises(IntrsError, match=re.escape(f"log {path}")):
                LogWriter(path, settings)
            assert path.read_bytes() == bytes(changed)  # left for the user to look at


def line(settings, changes=()):
    """The line of a certificate, edited by somebody who knows how to make its check value."""
    cells = format_row(certificate_row(0, 1, CERTIFIED, 1, settings)).split("\t")[:-1]
    text = "\t".join((dict(zip(COLUMNS, cells, strict=False)) | dict(changes)).values())
    return f"{text}\t{zlib.crc32(text.encode()):08x}\n"


def parsed(tmp_path, *lines):
    return parse_log(("\t".join(COLUMNS) + "\n" + "".join(lines)).encode(), tmp_path / "x.tsv")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"votes": "11,990"}, "1000 samples, but 1001 votes"),
        ({"votes": "1010,-10"}, "are not whole numbers"),
        ({"votes": "x,990"}, "votes 'x,990' are not whole numbers"),
        ({"count": "989"}, "count 989, but class 1 has 990 votes"),
        ({"samples": "1001", "votes": "11,990"}, "1001 samples of n 1000"),
        ({"samples": "999", "votes": "9,990"}, "stop full after 999 of 1000"),
        ({"samples": "999", "votes": "9,990", "stop": "accept"}, "stop accept after 999"),
        ({"samples": "0", "votes": "0,0", "count": "0"}, "0 samples of n"),
        ({"stop": "early"}, "stop early"),
        ({"label": "2", "correct": "0"}, "votes of 2 classes"),
        ({"selected": "2", "predict": "2", "correct": "0"}, "votes of 2 classes"),
        ({"predict": "0", "correct": "0"}, "predict 0 with L 5000"),
        ({"predict": "-1", "correct": "0"}, "where it abstains"),
        ({"predict": "-1", "correct": "0", "radius": "0.000000"}, "predict -1 with L 5000"),
        ({"L": "0"}, "predict 1 with L 0"),
        ({"L": "5010"}, "radius 0.277324 with L 5010"),
        ({"radius": "0.277325"}, "radius 0.277325 with L"),
        ({"linf": "36"}, "linf 36 with L 5000 and shape 2x2x1"),
        ({"l1": "71"}, "l1 71 with L 5000"),
        ({"l1": "5000"}, "l1 5000 with L 5000"),
        ({"shape": "2x2x2"}, "linf 35 with L 5000 and shape 2x2x2"),
        ({"shape": "0x2x1"}, "shape '0x2x1' is not HxWxC"),
        ({"radius": "nan"}, "not a distance"),
        ({"correct": "0"}, "correct is 0"),
        ({"correct": "7"}, "correct is 7"),
        ({"n0": "0", "selected": "0", "count": "10", "predict": "0", "correct": "0"}, "class 0, but class 1 leads"),
        ({"idx": "-1"}, "idx -1"),
        ({"label": "-2", "correct": "0"}, "label -2"),
        ({"n": "9" * 21}, "not a whole number"),
        ({"seed": str(2**64)}, "not of 64 bits"),
        ({"seed": "-1"}, "not of 64 bits"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(tmp_path, settings, changes, says):
    assert parsed(tmp_path, line(settings))
    with pytest.raises(IntrsError, match=r"x\.tsv, line 2: .*") as caught:
        parsed(tmp_path, line(settings, changes))
    assert says in str(caught.value)


def test_lines_that_contradict_each_other_are_refused(tmp_path, settings):
    second = line(settings, {"idx": "1"})
    assert len(parsed(tmp_path, line(settings), second)) == 2
    with pytest.raises(IntrsError, match="line 4: image 0 is in line 2 already"):
        parsed(tmp_path, line(settings), second, line(settings))
    with pytest.raises(IntrsError, match="line 3: seed is 8, in line 2 7"):
        parsed(tmp_path, line(settings), line(settings, {"idx": "1", "seed": "8"}))


def test_other_settings_are_refused_by_name(tmp_path, settings):
    path = tmp_path / "log.tsv"
    before = written(path, settings)
    for name in settings:
        with pytest.raises(IntrsError, match=f"was made with {name} "):
            LogWriter(path, settings | {name: "other"})
        assert path.read_bytes() == before


def earlier(text):
    """The log as versions before the columns of other norms wrote it."""
    lines = []
    for line in text.splitlines():
        cells = [cell for name, cell in zip(COLUMNS, line.split("\t"), strict=True) if name not in NORMS]
        lines.append("\t".join(cells[:-1]))
    return "".join([lines[0] + "\tcheck\n", *(f"{line}\t{zlib.crc32(line.encode()):08x}\n" for line in lines[1:])])


def test_a_log_of_an_earlier_version_is_read_and_resumed_as_it_is(tmp_path, settings):
    new, old = tmp_path / "new.tsv", tmp_path / "old.tsv"
    whole = written(new, settings).decode()
    old.write_text(earlier("".join(whole.splitlines(keepends=True)[:3])))
    assert "linf" not in old.read_text()
    assert read_log(old) == read_log(new)[:2]
    with LogWriter(old, settings) as log:
        log.append(certificate_row(2, 1, CERTIFIED, 1, settings))
        assert log.withdraw([1]) == {1}
        log.append(certificate_row(1, 1, CERTIFIED, 1, settings))
    assert [row.idx for row in read_log(old)] == [0, 2, 1]
    assert {row.idx: row for row in read_log(old)} == {row.idx: row for row in read_log(new)}
    lines, before = old.read_text().splitlines(), earlier(whole).splitlines()
    assert sorted(lines) == sorted(before)
    for cells, says in ((before[1].replace("\t5000\t", "\t5001\t"), "check value"), (before[1][:-1], "check value")):
        old.write_text("\n".join([before[0], cells]) + "\n")
        with pytest.raises(IntrsError, match=says):
            read_log(old)
    old.write_text(before[0] + "\n")  # nothing but its header: begun anew
    assert rows_so_far(old) == []
    with LogWriter(old, settings) as log:
        log.append(certificate_row(0, 1, CERTIFIED, 1, settings))
    assert old.read_text().startswith("\t".join(COLUMNS) + "\n")


HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "idx\tlabel\n",
        HEADER + "0\t1\t1\n",
        HEADER + "0\t1\tx\t0\t0\t0\n",
        HEADER + "0\t1\t1\tnan\t0\t0\n",
        HEADER + "0\t1\t1\t0.5\t0\t0\n",
        HEADER + "0\t1\t-1\t0.5\t0\t0\n",
        HEADER + "0\t1\t1\t0.5\t1\t0\n" * 2,
        HEADER + "9" * 5000 + "\t1\t1\t0.5\t1\t0\n",
        HEADER + "\n",
        HEADER[:-1] + "\tvotes\n",
        HEADER[:-1] + "\tmine\tmine\n",
        HEADER.replace("\n", "\r\n"),
        "\ufeff" + HEADER,
        HEADER + "\xff\n",
    ],
)
def test_what_is_no_log_is_one_line(tmp_path, text):
    (tmp_path / "x.tsv").write_bytes(text.encode("latin-1" if "\xff" in text else "utf-8"))
    with pytest.raises(IntrsError, match=r"x\.tsv"):
        read_log(tmp_path / "x.tsv")


def test_a_file_that_is_no_log_is_not_overwritten(tmp_path, settings):
    for name, text in (("thesis.txt", "years of work\n"), ("cohen.tsv", HEADER + "0\t1\t1\t0.5\t1\t0\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(IntrsError, match=r"its first line is not the header|has other columns"):
            LogWriter(tmp_path / name, settings)
        assert (tmp_path / name).read_text() == text


def test_what_is_no_file_is_refused_and_left_alone(tmp_path, settings):
    (tmp_path / "real.tsv").write_text("")
    (tmp_path / "link.tsv").symlink_to("real.tsv")
    (tmp_path / "dangling.tsv").symlink_to("nowhere")
    (tmp_path / "folder.tsv").mkdir()
    os.mkfifo(tmp_path / "pipe.tsv")
    for name, kind in (
        ("link.tsv", "a symbolic link.*real.tsv"),
        ("dangling.tsv", "a symbolic link"),
        ("folder.tsv", "a folder"),
        ("pipe.tsv", "a pipe"),
        ("real.tsv/x.tsv", "cannot be written"),
    ):
        with pytest.raises(IntrsError, match=f"^log .*{name} is {kind}|^log .*{name}: {kind}"):
            LogWriter(tmp_path / name, settings)
    assert (tmp_path / "link.tsv").is_symlink()
    assert (tmp_path / "pipe.tsv").is_fifo()
    assert not (tmp_path / "nowhere").exists()


WRITER = """
import json, sys, time
from pathlib import Path
from intrs_edge.evaluate.log import LogWriter
with LogWriter(Path(sys.argv[1]), json.loads(sys.argv[2])):
    print("open", flush=True)
    time.sleep(600)
"""


def test_a_log_has_one_writer(tmp_path, settings):
    path = tmp_path / "log.tsv"
    command = [sys.executable, "-c", WRITER, str(path), json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "open\n"
            with pytest.raises(IntrsError, match=f"log.tsv is being written by process {other.pid} \\(.*python"):
                LogWriter(path, settings)
            assert read_log(path) == []  # reading is allowed
        finally:
            other.kill()
    with LogWriter(path, settings) as log:  # the lock ended with its process
        assert log.done == set()
        with pytest.raises(IntrsError, match="is being written by process"):
            LogWriter(path, settings)
