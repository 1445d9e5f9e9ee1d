"""What a generation has to say: sizes before anything is flashed, kernels chosen, the memory plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """Bytes on one target. ``measured``: code and stack come from compiling and linking for it; else they are upper-bound estimates."""

    code: int
    weights: int
    tables: int
    arena: int
    ram: int
    stack: int
    measured: bool

    @property
    def flash(self) -> int:
        """All of the image."""
        return self.code + self.weights + self.tables


@dataclass(frozen=True)
class Report:
    """The result of `generate`."""

    project: str
    board: str
    sizes: Sizes | None
    memory: dict[str, Any]
    kernels: tuple[dict[str, Any], ...]
    manifest: dict[str, Any]
    lines: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Everything, ready for json.dumps."""
        sizes = None
        if self.sizes:
            sizes = {**self.sizes.__dict__, "flash": self.sizes.flash}
        return {
            "project": self.project,
            "board": self.board,
            "sizes": sizes,
            "memory": self.memory,
            "kernels": list(self.kernels),
            "manifest": self.manifest,
        }

    def as_text(self) -> str:
        """The same for people."""
        return "\n".join(self.lines)
