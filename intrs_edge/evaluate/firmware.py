# SPDX-License-Identifier: Apache-2.0
"""What a report says of the firmware of a project: its memory on the board, and the time that its code takes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from intrs_edge.boards import load_board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.board_cost import count_board, estimate
from intrs_edge.targets.manifest import read_manifest


@dataclass(frozen=True)
class Memory:
    """One memory of the board: ``parts`` are (what, bytes); ``limit`` in bytes, 0 where it is not known."""

    name: str
    parts: tuple[tuple[str, int], ...]
    limit: int

    @property
    def used(self) -> int:
        """Bytes of all parts."""
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class Firmware:
    """``manifest``: project.json; ``plan``: the arena's memory plan as SVG, or nothing; ``facts``: (what, value)."""

    manifest: Mapping[str, Any]
    memories: tuple[Memory, ...]
    plan: str
    facts: tuple[tuple[str, str], ...]


def firmware_of(project: Path) -> Firmware:
    """Reads a project; where its board's image is built and has an emulator that counts, counts instructions there
    (seconds). Raises IntrsError when it is no project, or was changed.
    """
    manifest = read_manifest(project)
    board, sizes = load_board(manifest.board), manifest.raw["sizes"]
    memories = (
        Memory("flash", tuple((part, sizes[part]) for part in ("code", "weights", "tables")), board.flash_bytes),
        Memory("RAM", (("arena", sizes["arena"]), ("data", sizes["ram"]), ("stack", sizes["stack"])), board.ram_bytes),
    )
    facts = [("board", board.name), ("sizes", "compiled and linked" if sizes["measured"] else "estimated, upper bound")]
    if board.emulator is not None and board.emulator.machine and (project / "build" / "board" / "intrs.elf").is_file():
        facts += _time(project, manifest.board)
    try:
        plan = (project / "memory.svg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        plan = ""
    return Firmware(manifest.raw, memories, plan, tuple(facts))


def _time(project: Path, name: str) -> list[tuple[str, str]]:
    board, manifest = load_board(name), read_manifest(project)
    try:
        cost = count_board(project, board, name)
    except IntrsError as error:
        return [("time", f"not counted: {error}")]
    facts = [
        ("instructions an inference", f"{cost.instructions_per_inference:,.0f}".replace(",", " ")),
        ("instructions a noise value", f"{cost.instructions_per_noise_sample:.1f}"),
    ]
    found = estimate(cost, board, prod(manifest.image_shape), manifest.n0 + manifest.n)
    if found is not None:
        told = f"about {found.seconds_per_certificate:.3g} s ({found.samples} samples)"
        facts.append((f"a certificate at {found.clock_hz / 1e6:g} MHz, estimated", told))
    return facts
