"""Plot and report: well-formed, escaped, and with the right numbers in them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.plot import draw, svg, text_table
from intrs_edge.evaluate.report import write_report

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def logs(make_rows):
    return {"<host>": make_rows((0, 0, 0.5), (1, 1, 0.25)), "board": make_rows((0, 0, 0.5), (1, -1, 0.0))}


def test_the_svg_draws_the_curve_that_the_log_holds(logs):
    tree = ET.fromstring(svg(logs, "a & b"))
    texts = [element.text for element in tree.iter(f"{SVG}text")]
    assert "<host>" in texts
    assert "a & b" in texts
    curves = [
        p.get("d", "") for p in tree.iter(f"{SVG}path") if p.get("fill") == "none" and p.get("stroke-width") == "2"
    ]
    heights = [[float(v) for v in re.findall(r"(?:M[\d.]+ |V)([\d.]+)", curve)] for curve in curves]
    top, bottom = 24.0, 328.0  # the plot area's 100 % and 0 %
    share = [[round((bottom - y) / (bottom - top), 6) for y in ys] for ys in heights]
    assert share[0] == [1.0, 1.0, 0.5, 0.0]  # 100 % up to .25, 50 % up to .5, then nothing
    assert share[1] == [0.5, 0.5, 0.0]


def test_files_and_suffixes(tmp_path, logs):
    draw(logs, tmp_path / "a.svg")
    assert ET.parse(tmp_path / "a.svg").getroot().tag == f"{SVG}svg"
    with pytest.raises(IntrsError, match=r"\.svg or \.png"):
        draw(logs, tmp_path / "a.gif")
    with pytest.raises(IntrsError, match=r"\.html or \.md"):
        write_report(logs, tmp_path / "a.pdf")


def test_png(tmp_path, logs):
    pytest.importorskip("matplotlib")
    draw(logs, tmp_path / "a.png", "title")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_png_without_matplotlib_says_what_to_do(tmp_path, logs, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(IntrsError, match=r"intrs-edge\[report\]"):
        draw(logs, tmp_path / "a.png")


def test_the_page_is_escaped_and_complete(tmp_path, logs):
    write_report(logs, tmp_path / "a.html", (0.0, 0.5))
    page = (tmp_path / "a.html").read_text()
    assert "<host>" not in page
    assert "&lt;host&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # self-contained
    row = re.search(r"<td>certified accuracy at 0\.5 \(Cohen\)</td>(.*?)</tr>", page)
    assert row is not None
    assert re.findall(r"<td>(.*?)</td>", row[1]) == ["50.0 %", "50.0 %"]
    row = re.search(r"<td>certified accuracy at 0\.5 \(eq\. 10\)</td>(.*?)</tr>", page)
    assert row is not None
    assert re.findall(r"<td>(.*?)</td>", row[1]) == ["50.0 %", "100.0 %"]


def test_markdown(tmp_path, logs):
    write_report(logs, tmp_path / "a.md", (0.25,))
    assert "| certified accuracy at 0.25 (Cohen) | 100.0 % | 50.0 % |" in (tmp_path / "a.md").read_text()


def test_the_terminal_table(logs):
    lines = text_table(logs, (0.0, 0.5)).splitlines()
    assert lines[1].split() == ["<host>", "100.0%", "50.0%"]
    assert lines[2].split() == ["board", "50.0%", "50.0%"]
