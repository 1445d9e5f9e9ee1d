# SPDX-License-Identifier: Apache-2.0
"""Whether an image fits its board: what it takes against what is there, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping

from intrs_edge.boards import Board
from intrs_edge.codegen.sizes import Build, Overflow, Sizes, estimate, measure
from intrs_edge.errors import IntrsError

_REMEDY = "use a smaller model, --optimize size or a larger board"


class TooSmall(IntrsError):
    """A board that is too small; ``flash`` and ``ram``: bytes missing, 0 where that is not the trouble."""

    def __init__(self, message: str, flash: int = 0, ram: int = 0) -> None:
        super().__init__(message)
        self.flash, self.ram = flash, ram


def sizes_on(board: Board, files: Mapping[str, bytes], build: Build, weights: int, tables: int, arena: int) -> Sizes:
    """Sizes on a bare-metal board, measured where its compiler is there; TooSmall names the numbers that do not fit."""
    if weights + tables > board.flash_bytes:
        over = weights + tables - board.flash_bytes
        raise TooSmall(
            f"board {board.id} is too small: weights and tables alone take {weights + tables} bytes of flash, it has "
            f"{board.flash_bytes}: {_REMEDY}",
            flash=over,
        )
    if arena > board.ram_bytes:
        raise TooSmall(
            f"board {board.id} is too small: the arena takes {arena} bytes of RAM, it has {board.ram_bytes}: {_REMEDY}",
            ram=arena - board.ram_bytes,
        )
    try:
        found = measure(files, build, weights, tables, arena)
    except Overflow as overflow:
        raise _overflowed(board, overflow, f"weights {weights}, tables {tables}, arena {arena}") from None
    if found is None:
        # only what is certain can refuse a board: the estimate of code is an upper bound
        texts = [files[s] for s in build.sources if s.startswith("runtime/")]
        return estimate(texts, weights, tables, arena)
    if found.stack > board.stack_bytes:
        raise TooSmall(
            f"board {board.id}: the stack may take {found.stack} bytes, {board.stack_bytes} are reserved: "
            "raise stack_bytes in the board's file"
        )
    return found


def _overflowed(board: Board, overflow: Overflow, what: str) -> TooSmall:
    memory = {m.name: m for m in board.memory}
    regions = {name: n for name, n in overflow.regions.items() if name in memory}
    needs = ", ".join(
        f"{name} needs {memory[name].size + n} bytes and has {memory[name].size}" for name, n in regions.items()
    )
    missing = {kind: sum(n for name, n in regions.items() if memory[name].kind == kind) for kind in ("flash", "ram")}
    return TooSmall(f"board {board.id} is too small: {needs} ({what}): {_REMEDY}", missing["flash"], missing["ram"])
