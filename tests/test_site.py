"""The documentation as a site: it builds strictly, a broken link fails it, and its messages are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from intrs_edge.children import patient

ROOT = Path(__file__).resolve().parent.parent


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(120), check=False, cwd=ROOT)


def test_the_site_builds_and_a_broken_link_does_not(tmp_path):
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    done = build(ROOT / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 0, done.stderr[-1000:]
    page = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    assert "certified_accuracy_eq10" in page
    assert not re.search(r'(?:src|href)="https?://(?!squidfunk|127)[^"]*\.(?:js|css|woff2?)"', page)  # works offline
    (tmp_path / "docs").mkdir()  # a small one, with the same settings
    (tmp_path / "docs" / "index.md").write_text("[nowhere](no-such-page.md)\n")
    text = (
        (ROOT / "mkdocs.yml")
        .read_text(encoding="utf-8")
        .replace("scripts/docs_links.py", f"{ROOT}/scripts/docs_links.py")
    )
    (tmp_path / "mkdocs.yml").write_text(text.partition("\nnav:")[0] + "\n")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "other")
    assert done.returncode != 0
    assert "no-such-page.md" in done.stderr + done.stdout


def test_every_message_of_the_troubleshooting_page_is_one_of_the_code():
    source = ""
    for path in sorted((ROOT / "intrs_edge").rglob("*.py")):
        source += re.sub(r'["\']\s*\n?\s*(?:if \w+ else )?f?["\']', "", path.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = [m for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for m in re.findall(r"`(.*?)`", row)]
    assert len(messages) > 15
    unknown = []
    for message in messages:
        # what is left between names and numbers, which are the reader's
        parts = re.split(r"\.\.\.|\S*\d\S*|--\S+|; did.*|\(.*?\)|DIR|sigma|process|\S+\.(?:json|log)|:|,", message)
        words = max((part.strip() for part in parts), key=len)
        if len(words.split()) < 2 or words not in source:
            unknown.append((message, words))
    assert unknown == []
