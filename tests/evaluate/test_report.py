"""Plots and tables: well-formed, escaped, and with the right numbers in them."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.curves import COHEN, EQ10, SHARE, curve_of, interval
from intrs_edge.evaluate.plot import draw, text_table
from intrs_edge.evaluate.report import csv_table, differences, latex, markdown, table, write_table
from intrs_edge.smoothing import lower_confidence_bound


@pytest.fixture
def logs(make_rows):
    return {"<host>": make_rows((0, 0, 0.5), (1, 1, 0.25)), "board": make_rows((0, 0, 0.5), (1, -1, 0.0))}


### curves ###


def test_a_curve_holds_what_the_log_holds(make_rows):
    rows = make_rows((0, 0, 0.5), (1, 1, 0.25), (2, 0, 0.75), (3, -1, 0.0))
    assert [curve_of(rows, COHEN).at(r)[0] for r in (0, 0.25, 0.251, 0.5, 0.6, 0.75, 0.8)] == [
        0.5, 0.5, 0.25, 0.25, 0, 0, 0]  # fmt: skip
    assert [curve_of(rows, EQ10).at(r)[0] for r in (0.25, 0.5)] == [2 / 3, 1 / 3]
    assert [curve_of(rows, SHARE).at(r)[0] for r in (0, 0.3, 0.75, 0.76)] == [0.75, 0.5, 0.25, 0]


def test_the_band_is_clopper_and_pearsons():
    """Its bounds are the exact ones of the smoothing package, which are computed otherwise."""
    lower, upper = interval(np.array([0, 1, 7, 20]), 20)
    assert (lower[0], upper[-1]) == (0, 1)
    for k, count in enumerate((1, 7, 20), 1):
        assert lower[k] == pytest.approx(lower_confidence_bound(count, 20, 0.025), rel=1e-9)
    assert upper[0] == pytest.approx(1 - 0.025 ** (1 / 20), rel=1e-9)  # nothing of 20
    assert interval(np.array([0]), 0)[1] == [1.0]


def test_a_curve_ends_at_the_largest_radius_that_the_settings_can_certify(certified_rows):
    rows = certified_rows((990, 3, 3), (700, 2, 2))
    curve = curve_of(rows)
    everything = certified_rows((1000, 0, 0))[0].radius  # all samples agree
    assert curve.limit == everything > rows[0].radius
    assert curve.radii[-1] == everything
    assert curve.at(everything + 1e-6) == (0, 0, 0)
    assert curve.at(everything)[2] > 0  # none of two images is no proof that there is none


def test_thinned_curves_never_claim_more(make_rows):
    rng = np.random.default_rng(1)
    rows = make_rows(*((0, 0, round(float(r), 6)) for r in rng.random(5000)))
    curve = curve_of(rows)
    assert len(curve.radii) < 2500
    for radius in rng.random(200):
        assert curve.at(float(radius))[0] <= sum(row.radius >= radius for row in rows) / len(rows) + 1e-12


### plots ###


def test_the_plots(tmp_path, logs):
    pytest.importorskip("matplotlib")
    for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n"), ("pdf", b"%PDF")):
        draw(logs, tmp_path / f"a.{suffix}", "title")
        assert (tmp_path / f"a.{suffix}").read_bytes().startswith(start)
    svg = (tmp_path / "a.svg").read_bytes()
    texts = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"<host>", "board", "title", "certified l2 radius ([0,1] pixels)"} <= set(texts)
    draw(logs, tmp_path / "b.svg", "title")
    assert (tmp_path / "b.svg").read_bytes() == svg  # the same logs, the same bytes


def test_a_name_is_neither_clipped_nor_a_formula(tmp_path, make_rows):
    pytest.importorskip("matplotlib")
    name = r"a_very_long_name_$\alpha$_" + "x" * 200
    draw({name: make_rows((0, 0, 0.5))}, tmp_path / "a.svg")
    tree = ET.parse(tmp_path / "a.svg").getroot()
    texts = "".join(element.text or "" for element in tree.iter("{http://www.w3.org/2000/svg}text"))
    assert name in texts.replace("\n", "")


def test_suffixes(tmp_path, logs):
    with pytest.raises(IntrsError, match=r"\.svg, \.png or \.pdf"):
        draw(logs, tmp_path / "a.gif")
    with pytest.raises(IntrsError, match=r"\.md, \.tex or \.csv"):
        write_table(logs, tmp_path / "a.pdf")


def test_without_matplotlib_it_says_what_to_do(tmp_path, logs, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(IntrsError, match=r"intrs-edge\[report\]"):
        draw(logs, tmp_path / "a.png")


### tables ###


def test_markdown(logs):
    text = markdown(logs, (0.25,))
    assert "| certified accuracy at 0.25 (Cohen) | 100.0 % | 50.0 % |" in text
    assert "| certified accuracy at 0.25 (eq. 10) | 100.0 % | 100.0 % |" in text


def test_latex(logs):
    text = latex({r"a_b&\c": logs["<host>"], "board": logs["board"]}, (0.0, 0.5))
    assert r"a\_b\&\textbackslash{}c & 0.375 & 100.0 & 50.0 \\" in text
    assert r"board & 0.250 & 50.0 & 50.0 \\" in text
    assert text.count(r"\begin{tabular}{lrrr}") == text.count(r"\end{tabular}") == 1


def test_csv(logs):
    lines = list(csv.DictReader(io.StringIO(csv_table(logs))))
    found = {(line["log"], line["radius"]): line for line in lines}
    assert float(found["<host>", "0.250000"]["certified_accuracy"]) == 1
    assert float(found["board", "0.500000"]["certified_accuracy"]) == 0.5
    assert float(found["board", "0.500000"]["certified_accuracy_eq10"]) == 1
    assert float(found["board", "0.500000"]["lower"]) == pytest.approx(lower_confidence_bound(1, 2, 0.025))


def test_the_terminal_table(logs):
    lines = text_table(logs, (0.0, 0.5)).splitlines()
    assert lines[1].split() == ["<host>", "100.0%", "50.0%"]
    assert lines[2].split() == ["board", "50.0%", "50.0%"]


def test_without_labels(make_rows):
    logs = {"mine": make_rows((-1, 3, 0.5), (-1, -1, 0.0))}
    header, lines = table(logs, (0.25,))
    assert header == ["", "mine"]
    assert ["certified at 0.25, right or wrong", "50.0 %"] in lines
    assert ["average certified radius (ACR)", "-"] in lines
    assert not any("accuracy" in line[0] for line in lines)
    assert "--" in latex(logs, (0.25,))
    assert csv_table(logs).splitlines()[1] == "mine,0.000000,,,,,0.5"
    with pytest.raises(IntrsError, match="without a label"):
        curve_of(logs["mine"])


def test_other_norms_have_lines_as_far_as_any_log_reaches(certified_rows, make_rows):
    near, far = certified_rows((700, 2, 2), (400, 1, 1)), certified_rows((990, 3, 3), (990, 1, 1))
    lines = {line[0]: line[1:] for line in table({"near": near, "far": far, "theirs": make_rows((0, 0, 0.5))})[1]}
    assert lines["certified accuracy with every value off by at most 2 (linf)"] == ["50.0 %", "100.0 %", "-"]
    assert lines["certified accuracy with every value off by at most 8 (linf)"] == ["0.0 %", "100.0 %", "-"]
    assert lines["certified accuracy with a sum of changes of 32 (l1)"] == ["0.0 %", "100.0 %", "-"]
    assert not any("at most 8 (linf)" in line[0] for line in table({"near": near})[1])
    assert not any("linf" in line[0] for line in table({"theirs": make_rows((0, 0, 0.5))})[1])
    unlabelled = certified_rows((990, 3, 3), (400, 1, 1), labels=False)
    assert ["certified, right or wrong, with every value off by at most 1 (linf)", "50.0 %"] in table(
        {"u": unlabelled}
    )[1]


def test_certified_accuracy_stands_beside_what_is_proved_of_the_true_one(certified_rows, make_rows):
    logs = {"ours": certified_rows(*[(990, 3, 3)] * 19, (700, 2, 2)), "theirs": make_rows((0, 0, 0.5))}
    lines = {line[0]: line[1:] for line in table(logs, (0.25,))[1]}
    assert lines["false certificates, at most"] == ["1", "-"]
    assert lines["certified accuracy at 0.25 (Cohen)"] == ["95.0 % (>= 90.0 %)", "100.0 %"]


### what does not belong together ###


def test_other_images_and_settings_are_said(certified_rows):
    one, two = certified_rows((990, 3, 3), (700, 2, 2)), certified_rows((990, 3, 3))
    assert differences({"a": one, "b": list(one)}) == []
    assert differences({"a": one, "again": [replace(row, time="0:00:09") for row in one]}) == []
    (line,) = differences({"a": one, "b": two})
    assert re.search(r"different images \(a: 2 of .*; b: 1 of ", line)
    other = [replace(row, extra={**row.extra, "sigma": "0.5"}) for row in one]
    assert differences({"a": one, "b": other}) == ["sigma differs: a 0.25, b 0.5"]
    same_labels_other_pixels = [replace(row, extra={**row.extra, "pixels": "f" * 16}) for row in one]
    assert "different images" in differences({"a": one, "b": same_labels_other_pixels})[0]


def test_a_log_of_unknown_settings_is_said(certified_rows, make_rows):
    found = differences({"a": certified_rows((990, 0, 0)), "theirs": make_rows((0, 0, 0.5))})
    assert any("not known with which settings" in line and "theirs" in line for line in found)
