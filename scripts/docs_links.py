"""A hook of mkdocs: links that leave docs/ for a file of the repository become plain words, since the site has no such
page; one that leads to nothing stays, and fails the strict build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
LINK = re.compile(r"(?<!!)\[([^\]\[]+)\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page's text as the site has it."""

    def plain(match: re.Match[str]) -> str:
        target = (DOCS / match[2]).resolve()
        return match[1] if target.exists() and DOCS not in target.parents else match[0]

    return LINK.sub(plain, markdown)
