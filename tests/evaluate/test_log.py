"""The log: the community's columns first, radii rounded down exactly, a torn line dropped, other settings refused."""

from __future__ import annotations

import csv
from decimal import ROUND_FLOOR, Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import COLUMNS, COMMUNITY, LogWriter, certificate_row, radius_text, read_log
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Stop


@given(st.integers(0, 2**32 - 1))
def test_the_radius_is_the_floor_of_the_root(radius_squared):
    getcontext().prec = 60
    exact = Decimal(radius_squared).sqrt() / 255
    assert Decimal(radius_text(radius_squared)) == exact.quantize(Decimal("1e-6"), ROUND_FLOOR)


@pytest.mark.parametrize(("steps", "text"), [(0, "0.000000"), (255, "1.000000"), (510, "2.000000"), (1, "0.003921")])
def test_whole_radii(steps, text):
    assert radius_text(steps * steps) == text


def test_a_row_comes_back_as_it_went(tmp_path, settings):
    result = Certificate(2, 2, 990, 1000, 5000, Stop.ACCEPT, (3, 7, 990))
    row = certificate_row(42, 2, result, 1.25, settings)
    with LogWriter(tmp_path / "log.tsv", settings) as log:
        log.append(row)
    (read,) = read_log(tmp_path / "log.tsv")
    assert read == row
    assert (read.idx, read.label, read.predict, read.correct, read.time) == (42, 2, 2, True, "0:00:01.250000")
    assert read.radius == 0.277296  # sqrt(5000) / 255 = 0.2772967...
    assert read.extra["count"] == "990"
    assert read.extra["votes"] == "3,7,990"
    assert read.extra["stop"] == "accept"
    assert read.extra["L"] == "5000"


def test_the_community_reads_it(tmp_path, settings):
    with LogWriter(tmp_path / "log.tsv", settings) as log:
        log.append(certificate_row(0, 1, Certificate(ABSTAIN, 1, 500, 1000, 0, Stop.FULL), 0.5, settings))
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
    assert not certificate_row(0, -1, Certificate(ABSTAIN, 1, 500, 1000, 0, Stop.FULL), 0, settings).correct


def test_a_torn_line_is_dropped_and_the_file_goes_on(tmp_path, settings):
    path = tmp_path / "log.tsv"
    result = Certificate(1, 1, 990, 1000, 5000, Stop.FULL)
    with LogWriter(path, settings) as log:
        for idx in range(3):
            log.append(certificate_row(idx, 1, result, 1, settings))
    whole = path.read_text()
    for cut in range(len(whole) - 1, whole.rindex("\n", 0, -1), -1):
        path.write_text(whole[:cut])
        assert [row.idx for row in read_log(path)] == [0, 1]
        with LogWriter(path, settings) as log:
            assert log.done == {0, 1}
            log.append(certificate_row(2, 1, result, 1, settings))
        assert path.read_text() == whole


def test_other_settings_are_refused_by_name(tmp_path, settings):
    path = tmp_path / "log.tsv"
    with LogWriter(path, settings) as log:
        log.append(certificate_row(0, 1, Certificate(1, 1, 990, 1000, 5000, Stop.FULL), 1, settings))
    before = path.read_text()
    for name in settings:
        with pytest.raises(IntrsError, match=f"was made with {name} "):
            LogWriter(path, settings | {name: "other"})
        assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "idx\tlabel\n",
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\n",
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\tx\t0\t0\t0\n",
        "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\tnan\t0\t0\n",
    ],
)
def test_what_is_no_log_is_one_line(tmp_path, text):
    (tmp_path / "x.tsv").write_text(text)
    with pytest.raises(IntrsError, match=r"x\.tsv"):
        read_log(tmp_path / "x.tsv")


def test_a_file_that_is_no_log_is_not_overwritten(tmp_path, settings):
    (tmp_path / "thesis.txt").write_text("years of work\n")
    with pytest.raises(IntrsError, match="its first line is not the header"):
        LogWriter(tmp_path / "thesis.txt", settings)
    assert (tmp_path / "thesis.txt").read_text() == "years of work\n"
