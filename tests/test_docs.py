"""The documents agree with the code: links lead somewhere, commands exist, the board table is the script's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from loaded_script import loaded_script

from intrs_edge.boards import board_ids
from intrs_edge.cli.main import COMMANDS
from intrs_edge.errors import IntrsError

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)\s#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_exist(page):
    named = set(re.findall(r"intrs-edge ([a-z]+)\b(?! package)", page.read_text(encoding="utf-8")))
    assert named - set(COMMANDS) <= {"firmware", "project"}


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {p.name for p in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"]({name})" not in index} == set()


def test_every_command_is_documented():
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"intrs-edge {name}" not in text] == []


@pytest.fixture
def script() -> ModuleType:
    return loaded_script("boards_table")


@pytest.fixture
def operators() -> ModuleType:
    return loaded_script("operators_table")


def test_the_operators_are_those_of_the_code(operators):
    page = operators.PAGE.read_text(encoding="utf-8")
    assert operators.inserted(page, operators.tables()) == page
    assert operators.inserted(page, "another table") != page  # the control
    assert operators.fast("CONV_2D") == list(operators.SETS.values())
    assert operators.fast("TANH") == []


@pytest.mark.parametrize(("table", "name", "line"), [
    ("ONNX", "Elu", ("TANH", "")), ("TFLITE", "NEG", ""), ("ONNX", "Tanh", ("NEG", "")), ("ONNX", "Tanh", None),
])  # fmt: skip
def test_an_operator_without_its_line_is_an_error(operators, monkeypatch, table, name, line):
    lines = {**getattr(operators, table), name: line}
    monkeypatch.setattr(operators, table, {k: v for k, v in lines.items() if v is not None})
    with pytest.raises(IntrsError, match=name if line != ("NEG", "") else "NEG"):
        operators.tables()


def test_the_board_table_is_the_scripts(script):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    results = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    assert script.inserted(readme, script.table(results)) == readme
    assert script.inserted(readme, "another table") != readme  # the control
    assert set(results["boards"]) <= set(board_ids())


@pytest.fixture
def wrap_docs() -> ModuleType:
    return loaded_script("wrap_docs")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_lines_are_short(page, wrap_docs):
    """Tables and code apart, which cannot be broken; `scripts/wrap_docs.py` does it."""
    assert wrap_docs.long_lines(page.read_text(encoding="utf-8")) == []


def test_wrapping_changes_no_word_and_leaves_what_cannot_be_broken(wrap_docs):
    long = "word " * 40
    kept = f"# {long}\n\n    {long}\n\n| {long} |\n\n```\n{long}\n```\nshort\n"
    assert wrap_docs.wrapped(kept) == kept
    assert wrap_docs.long_lines(kept) == []
    text = f"- {long}\n  and `{'code ' * 5}` more\n- next\n\n> {long}\n> {long}\n\n{'9 ' * 49}1 - {'a ' * 40}\n"
    found = wrap_docs.wrapped(text)
    assert max(map(len, found.split("\n"))) <= 100
    assert found.replace(">", "").split() == text.replace(">", "").split()
    assert f"`{'code ' * 5}`" in found
    assert not any(line.startswith("- a") for line in found.split("\n"))
    assert wrap_docs.wrapped(found) == found
    assert len(wrap_docs.long_lines(text)) == 4


def test_figures_beside_peers_are_those_of_the_pages_they_come_from():
    page, pages = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8"), {}
    for name in ("performance", "results"):
        pages[name] = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    speed, accuracy = page.split("## Certified accuracy")[0], page.split("## Certified accuracy")[1]
    rows = [r for r in re.findall(r"^\| (.*) \|$", speed, re.MULTILINE) if re.search(r"\d", r.split(" | ")[-1])]
    assert len(rows) == 12
    for row in rows:
        for number in re.findall(r"(?<![\w.])\d*\.\d+", " ".join(row.split(" | ")[1:])):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", pages["performance"]), number
    for number in re.findall(r"\d+\.\d", "".join(re.findall(r"^\| here, int8.*$", accuracy, re.MULTILINE))):
        assert f" {number} (" in pages["results"]
