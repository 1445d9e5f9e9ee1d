# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge boards [ID]``: the boards that are known; everything about one, every field explained."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from intrs_edge.boards import Board, board_ids, board_template, load_board
from intrs_edge.errors import IntrsError

EXAMPLES = (
    "intrs-edge boards",
    "intrs-edge boards mps2-an386",
    "intrs-edge boards nucleo-f446re --toml",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "board", nargs="?", metavar="ID", help="a board's id, or the path of a .toml; without it: the list"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--toml", action="store_true", help="print the board's file, to start one of your own from")


def run(args: argparse.Namespace) -> int:
    """Prints the list or one board."""
    if args.toml:
        if not args.board:
            raise IntrsError(
                "--toml prints one board's file: name one that is like yours (intrs-edge boards lists them)"
            )
        print(board_template(args.board), end="")
        return 0
    if args.board:
        board = load_board(args.board)
        print(json.dumps(dataclasses.asdict(board), indent=2) if args.json else explain(board))
        return 0
    boards = [load_board(name) for name in board_ids()]
    if args.json:
        print(json.dumps([dataclasses.asdict(board) for board in boards], indent=2))
        return 0
    width = max(len(board.id) for board in boards)
    for board in boards:
        flash, ram = (_kib(n) for n in (board.flash_bytes, board.ram_bytes))
        print(f"{board.id:<{width}}  {board.status:<9}{board.cpu:<14}flash {flash:>10}  RAM {ram:>10}  {board.name}")
    return 0


def explain(board: Board) -> str:
    """Every field: its value, and what it means."""
    return "\n".join(_lines(board, ""))


def _lines(value: Any, indent: str) -> list[str]:
    out = []
    for f in dataclasses.fields(value):
        item = getattr(value, f.name)
        nested = item if isinstance(item, tuple) else (item,)
        out.append(f"{indent}{f.name:<24}{'' if any(map(dataclasses.is_dataclass, nested)) else _shown(item)}")
        out.append(f"{indent}    # {f.metadata['help']}")
        for part in nested:
            if dataclasses.is_dataclass(part):
                out += ["", *_lines(part, indent + "    ")]
    return out


def _shown(item: Any) -> str:
    if isinstance(item, int) and not isinstance(item, bool) and item > 0xFFFF:
        return f"{item} (0x{item:x})"
    if isinstance(item, tuple):
        return " ".join(map(str, item)) or "-"
    return "-" if item in ("", None) else str(item)


def _kib(size: int) -> str:
    return f"{size / 1024:g} KiB" if size else "-"
