"""The board table of the README: boards/*.toml beside the figures of docs/boards-results.json (run_boards.py).

``boards_table.py`` prints it, ``--write`` puts it into README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from intrs_edge.boards import Board, board_ids, load_board
from intrs_edge.errors import IntrsError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "boards-results.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- boards: scripts/boards_table.py -->", "<!-- end of boards -->"


def main() -> int:
    """Prints, writes or measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    text = table(json.loads(RESULTS.read_text(encoding="utf-8")))
    if args.write:
        README.write_text(inserted(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
    return 0


def boards() -> list[Board]:
    """All that have an image or a program: what is a library alone is no board."""
    return [board for board in map(load_board, board_ids()) if board.os != "any"]


def table(results: dict[str, Any]) -> str:
    """Markdown, one line a board; "-" where nothing was measured."""
    lines = [
        "| board | core | runs on | flash | RAM | instructions per inference |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for board in boards():
        found = results["boards"].get(board.id, {})
        # under Linux the program, C library included, and the workspace
        flash, ram = found.get("flash", found.get("program")), found.get("ram", found.get("arena"))
        if "stack" in found:
            ram += found["stack"]
        cells = [_number(flash), _number(ram), _number(found.get("instructions"))]
        lines.append(f"| `{board.id}`: {board.name} | {board.cpu} | {_runs_on(board, found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def inserted(readme: str, text: str) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise IntrsError(f"README.md has no marks {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _runs_on(board: Board, found: dict[str, Any]) -> str:
    """What was seen, not what the description promises."""
    if not found:
        return "not checked"
    if board.id == "host":
        return "this computer"
    if "emulator" in found:
        return f"emulator ({found['emulator']})"
    return "built, not run"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}".replace(",", " ")


if __name__ == "__main__":
    sys.exit(main())
