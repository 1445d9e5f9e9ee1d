# SPDX-License-Identifier: Apache-2.0
"""How much of a board a project may take: bytes or a share, by default three quarters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from intrs_edge.boards import Board
from intrs_edge.codegen.fit import TooSmall
from intrs_edge.codegen.sizes import Sizes
from intrs_edge.errors import IntrsError, shown

SHARE = 75  # % of flash and of RAM, where nothing else is asked for


@dataclass(frozen=True)
class Limit:
    """The most bytes of one memory; ``asked``: how it was asked for, empty where it is the default or all there is."""

    bytes: int
    asked: str = ""


@dataclass(frozen=True)
class Limits:
    """The most that a bare-metal project may take of its board: flash of the whole image, RAM of arena and data."""

    flash: Limit
    ram: Limit

    @classmethod
    def of(cls, board: Board, flash: str | None, ram: str | None) -> Limits | None:
        """What was asked for, else `SHARE` of the board; None for a board with an operating system, which has no such
        limits. Raises IntrsError for what is no amount, more than the board has, or asked of such a board.
        """
        for name, asked in (("flash", flash), ("ram", ram)):
            if asked is not None and board.os != "none":
                raise IntrsError(f"--{name}-budget is for a microcontroller, {board.id} is none: leave it out")
        if board.os != "none":
            return None
        return cls(_limit("flash", flash, board.flash_bytes), _limit("ram", ram, board.ram_bytes))

    def relaxed(self, board: Board) -> Limits:
        """These, with the whole board where nothing was asked for."""
        return replace(
            self,
            flash=self.flash if self.flash.asked else Limit(board.flash_bytes),
            ram=self.ram if self.ram.asked else Limit(board.ram_bytes),
        )

    def check(self, board: Board, sizes: Sizes) -> None:
        """Raises TooSmall with the numbers where sizes pass a limit. Code that was only estimated is left out."""
        flash = sizes.flash if sizes.measured else sizes.weights + sizes.tables
        for name, what, taken, limit, all_of_it in (
            ("flash", "flash", flash, self.flash, board.flash_bytes),
            ("ram", "RAM", sizes.arena + sizes.ram, self.ram, board.ram_bytes),
        ):
            if taken > limit.bytes:
                raise TooSmall(
                    f"board {board.id}: {taken} bytes of {what} are more than the budget of {limit.bytes} "
                    f"({limit.asked or f'{SHARE}%'} of {all_of_it}): raise --{name}-budget, use a smaller model, "
                    "--optimize size or a larger board",
                    **{name: taken - limit.bytes},
                )

    def notes(self, board: Board, sizes: Sizes) -> list[str]:
        """What a project that passes the default says of it."""
        found = []
        for what, taken, total in (
            ("flash", sizes.flash, board.flash_bytes),
            ("RAM", sizes.arena + sizes.ram, board.ram_bytes),
        ):
            if sizes.measured and 100 * taken > SHARE * total:
                share = 100 * taken / total
                found.append(f"note     {share:.0f} % of the board's {what} is taken, more than the usual {SHARE} %")
        return found


def _limit(name: str, asked: str | None, total: int) -> Limit:
    if asked is None:
        return Limit(total * SHARE // 100)
    match = re.fullmatch(r"([0-9]{1,12})(k|K|M|%)?", asked)
    amount = 0
    if match is not None:
        amount = int(match[1])
        amount = total * amount // 100 if match[2] == "%" else amount << {"k": 10, "K": 10, "M": 20}.get(match[2], 0)
    if not 0 < amount <= total:
        raise IntrsError(
            f"--{name}-budget {shown(asked)} is not an amount of at most {total}, which the board has: give bytes "
            f"(100000, 96k) or a share ({SHARE}%)"
        )
    return Limit(amount, asked)
