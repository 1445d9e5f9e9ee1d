"""docs/extend.md names every file that a change touches: each list is held against the example that it follows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
COMMAND = re.compile(r"^    git grep -(i?)lE '(.*)' -- (.*)$", re.MULTILINE)
SEARCHED = {"intrs_edge", "firmware", "templates", "boards"}


def example(section: str) -> tuple[re.Pattern[str], list[str]]:
    """What the section's command searches, and where."""
    match = COMMAND.search(section)
    assert match
    return re.compile(match[2], re.IGNORECASE if match[1] else 0), match[3].split()


def listed(section: str) -> list[str]:
    return re.findall(r"^- `([^`]+)`:", section, re.MULTILINE)


def found(pattern: re.Pattern[str], folders: list[str]) -> set[str]:
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix not in (".pyc", ".npz"))
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()}
    return {str(path.relative_to(ROOT)) for path, text in texts.items() if pattern.search(text)}


def unlike(section: str) -> tuple[set[str], set[str]]:
    """Files of the example that the list lacks; files of the list that have nothing of the example."""
    pattern, folders = example(section)
    names = set(listed(section))
    there = found(pattern, folders)
    idle = {n for n in names if not (ROOT / n).is_file() or not pattern.search((ROOT / n).read_text(encoding="utf-8"))}
    # a mode or a distribution has tests and pages that name it in words of their own
    return there - names, {n for n in idle if n.split("/")[0] in SEARCHED or not (ROOT / n).is_file()}


def test_the_six_changes_are_there():
    assert list(SECTIONS) == [
        "An operator", "A certificate mode", "A noise distribution", "A kernel", "A data set", "A board",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SECTIONS)
def test_a_list_is_the_tree(name):
    assert unlike(SECTIONS[name]) == (set(), set())
    assert len(listed(SECTIONS[name])) == len(set(listed(SECTIONS[name]))) > 1


@pytest.mark.parametrize("name", SECTIONS)
def test_every_path_of_the_page_exists(name):
    paths = [word for word in re.findall(r"`([\w./-]+/[\w./-]+)`", SECTIONS[name]) if not word.startswith("-")]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_file_too_few_and_a_file_too_many_are_seen():
    section = SECTIONS["An operator"]
    line = "- `intrs_edge/graph/quantize.py`: multipliers, shifts and bounds from the scales.\n"
    assert unlike(section.replace(line, "")) == ({"intrs_edge/graph/quantize.py"}, set())
    assert unlike(section + "\n- `intrs_edge/graph/lut.py`: x\n") == (set(), {"intrs_edge/graph/lut.py"})
    assert unlike(section + "\n- `intrs_edge/no_such.py`: x\n") == (set(), {"intrs_edge/no_such.py"})
