"""docs/tutorial.md and embed.md: the commands run as they stand, in a small form, and print what the pages show but for
numbers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from intrs_edge.children import patient
from intrs_edge.evaluate.log import read_log

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
EMBED = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")  # goes on in the same folder
SMALL = {"--epochs 30": "--epochs 2", "[0:100]": "[0:3]", "[0:5]": "[0:2]"}
TOOLS = ("cmake", "arm-none-eabi-gcc", "qemu-system-arm", "gdb-multiarch")  # doctor shows the last as well


def steps(page: str) -> list[tuple[str, list[str]]]:
    """The page's commands, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for line in page.splitlines():
        if line.startswith("    $ "):
            found.append((line[6:], []))
            inside = True
        elif inside and line.startswith("    "):
            found[-1][1].append(line[4:])
        elif line:  # an empty line may be one of the output
            inside = False
    return found


def write_files(page: str, folder: Path) -> None:
    """The files that a page shows in full."""
    for name, text in re.findall(r"`(main\.c|CMakeLists\.txt)`:\n\n```\w+\n(.*?)```", page, re.DOTALL):
        (folder / name).write_text(text)


def run(page: str, folder: Path) -> tuple[str, dict[str, list[str]]]:
    """Runs a page's commands: what the last one printed, and what was not as it is shown."""
    wrong, printed = {}, ""
    for command, shown in steps(page):
        words = command
        for long, short in SMALL.items():
            words = words.replace(long, short)
        done = subprocess.run(
            ["bash", "-c", words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=patient(300), check=False,
        )  # fmt: skip
        printed = done.stdout
        assert done.returncode == 0, (words, printed[-2000:])
        if found := unlike(shown, printed):
            wrong[command] = found
    return printed, wrong


def bare(line: str) -> str:
    """A line without its numbers, hashes and spacing."""
    return " ".join(re.sub(r"\b[0-9a-f]{16}\b|-?\d[\d.,:]*(e-\d+)?", "#", line).split())


def unlike(shown: list[str], printed: str) -> list[str]:
    """Lines of the page that the command did not print, and where the page leaves nothing out, the reverse too."""
    real = [b for line in printed.splitlines() if (b := bare(line)) and not re.match("#/# (image|line)s?, ", b)]
    told = [b for line in shown if (b := bare(line)) and not re.match("#/# (image|line)s?, ", b)]
    wrong = []
    for line in told:
        stem = line.removesuffix("...").strip()
        if line != "..." and not any(r == line or (stem != line and r.startswith(stem)) for r in real):
            wrong.append(line)
    if "..." not in told and len(real) != len(told):
        wrong += [line for line in real if line not in told] or ["another number of lines"]
    return wrong


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's two files, and the commands on the path."""
    write_files(PAGE, tmp_path)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, more in (("intrs-edge", "-m intrs_edge"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {more} "$@"\n')
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_the_commands_do_what_the_page_shows(folder: Path):
    pytest.importorskip("torch")
    pytest.importorskip("plotly")
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    printed, wrong = run(PAGE, folder)
    assert wrong == {}
    row = read_log(folder / "host.tsv")[0].extra
    label, count, samples, squared = re.findall(r"\d+", printed)  # the last command is the reader's own program
    assert (label, count, samples, squared) == (row["selected"], row["count"], row["samples"], row["L"])
    assert read_log(folder / "board.tsv")[0].extra["votes"] == row["votes"]
    write_files(EMBED, folder)
    assert run(EMBED, folder)[1] == {}
    assert (folder / "firmware/project/board/libintrs.a").is_file()


def test_the_page_has_all_of_the_chain_and_its_short_forms_are_in_it():
    commands = " ".join(command for command, _ in steps(PAGE))
    for name in ("doctor", "train", "inspect", "generate", "build", "audit", "certify", "verify", "report"):
        assert f"intrs-edge {name} " in commands
    assert all(long in commands for long in SMALL)
    assert all(shown for command, shown in steps(PAGE) if not command.startswith("python"))


def test_another_output_is_seen():
    assert unlike(["flash 12 of 20 bytes", "..."], "flash    29 of 40 bytes\nmore") == []
    assert unlike(["flash 12 of ..."], "flash 29 of 40 bytes") == []
    assert unlike(["flash 12 of 20"], "RAM 12 of 20") == ["flash # of #"]
    assert unlike(["5 lines replayed: all equal"], "5 lines replayed: 1 differ") != []
    assert unlike(["one"], "one\none") == ["another number of lines"]
