# SPDX-License-Identifier: Apache-2.0
"""Boards as data: one TOML each in ``boards/``, or a user's own by path."""

from intrs_edge.boards.board import Board, Emulator, Flash, Memory, Uart
from intrs_edge.boards.load import board_from_json, board_ids, board_template, board_to_json, load_board, parse_board

__all__ = [
    "Board",
    "Emulator",
    "Flash",
    "Memory",
    "Uart",
    "board_from_json",
    "board_ids",
    "board_template",
    "board_to_json",
    "load_board",
    "parse_board",
]
