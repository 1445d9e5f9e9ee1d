"""Breaks the lines of documents at 100 characters: wrap_docs.py FILE.md ...; what cannot be broken stays.

Paragraphs and list items are filled again, each sentence as it stands. Tables, code, headings, HTML and lines that
name a link's target are left alone. Prints the files that changed.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

WIDTH = 100
MARK = re.compile(r"(\s*(?:[-*] |\d+\. |> |:   )?)(.*)")


def fixed(line: str) -> bool:
    """Whether a line must not be broken: a table, a heading, HTML, an empty line."""
    return not line.strip() or line.lstrip().startswith(("|", "#", "<", "!["))


def code_lines(lines: list[str]) -> set[int]:
    """The numbers of lines of code: fenced, or indented by four after an empty line or other code outside of a list."""
    found, fenced, listed = set(), False, False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            found.add(number)
        elif fenced:
            found.add(number)
        elif re.match(r"\s*(?:[-*] |\d+\. )", line):
            listed = True
        elif line and not line[0].isspace():
            listed = False
        elif line.startswith("    ") and not listed and (number == 0 or not lines[number - 1] or number - 1 in found):
            found.add(number)
    return found


def wrapped(text: str) -> str:
    """The text with its long paragraphs filled again; one without a long line is left as it is."""
    lines = text.split("\n")
    code = code_lines(lines)
    out: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if number in code or fixed(line):
            out.append(line)
            number += 1
            continue
        block = [line]
        while (
            (following := number + len(block)) < len(lines)
            and following not in code
            and not fixed(lines[following])
            and (line.startswith("> ") or not re.match(r"\s*(?:[-*] |\d+\. |> |:   )", lines[following]))
        ):
            block.append(lines[following])
        out += filled(block) if max(map(len, block)) > WIDTH else block
        number += len(block)
    return "\n".join(out)


def filled(block: list[str]) -> list[str]:
    """One paragraph or list item within WIDTH; code between backticks and formulas between $ are not torn apart."""
    match = MARK.match(block[0])
    assert match
    first = match[1]
    rest = "> " if first.strip() == ">" else " " * len(first)
    words = " ".join([match[2], *(line.strip().removeprefix("> ") for line in block[1:])])
    joined = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), words)
    for width in range(WIDTH, WIDTH - 20, -1):
        found = textwrap.wrap(
            joined, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
        # no line may begin with what would make it a list, a heading or a table
        if not any(re.match(r"\s*(?:[-*+|#]|>(?=[^ ])|\d+[.)])(?:\s|$)", line) for line in found[1:]):
            return [line.replace("\0", " ") for line in found]
    return block


def long_lines(text: str) -> list[str]:
    """Lines of prose that are longer than WIDTH although they could be broken."""
    if wrapped(text) == text:
        return []
    return [line for line in text.split("\n") if len(line) > WIDTH]


def main(paths: list[str]) -> int:
    """Writes what changes."""
    for name in paths:
        path = Path(name)
        before = path.read_text(encoding="utf-8")
        after = wrapped(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
