# SPDX-License-Identifier: Apache-2.0
"""What `generate` is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import prod
from pathlib import Path

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen.choose import OPTIMIZE
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.reading import PixelOptions, model_sigma
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.results import linf_target
from intrs_edge.smoothing.settings import Settings

HOST_BATCH = 16
SIGMA = Decimal("0.25")


@dataclass(frozen=True)
class GenerateOptions(Settings):
    """Settings of a project: those of its certificate, and these. ``board``: an id, a path of a TOML file, or a Board.

    ``target_linf``: in place of ``target_radius``, the steps of 1/255 that every value may be off by.

    ``optimize``: "speed", "balanced" or "size", for the board; the host library is always built for speed. ``batch``:
    images that the host library takes at once where its kernels can (1 otherwise). ``machine``: the host's architecture
    as platform.machine() spells it; None: this one. ``seed``: of every certification, for replays; None: each draws its
    own, as it must where somebody else chooses the images (docs/certificate.md, section 3). ``sigma``: None is what the
    model was trained for, else `SIGMA`. ``pixels``: what a pixel means, where the model does not say it. ``layout``: of
    the folder, one of `layouts.LAYOUTS`. ``prefix``: what types, functions, macros and files are named by, so that two
    models live in one program. ``flash_budget``, ``ram_budget``: the most of a microcontroller's, as bytes ("100000",
    "96k") or a share ("60%"); None: three quarters, if that is possible.
    ``weights_section``, ``tables_section``, ``arena_section``: linker sections on the
    board, for external flash or another RAM; ``arena_by_caller``: a workspace there has a pointer that the caller sets.
    """

    board: str | Path | Board = "host"
    optimize: str = "speed"
    target_linf: int | None = None
    batch: int = HOST_BATCH
    machine: str | None = None
    layout: str = "cmake"
    prefix: str = "intrs"
    flash_budget: str | None = None
    ram_budget: str | None = None
    weights_section: str | None = None
    tables_section: str | None = None
    arena_section: str | None = None
    arena_by_caller: bool = False
    pixels: PixelOptions = field(default_factory=PixelOptions)

    def __post_init__(self) -> None:
        """Checks what `Smoothing` does not."""
        if self.optimize not in OPTIMIZE:
            raise IntrsError(f"optimize {self.optimize!r} is not one of {', '.join(OPTIMIZE)}")
        if not 1 <= self.batch <= 64:
            raise IntrsError(f"batch {self.batch} is outside 1 .. 64")
        if self.target_linf is not None and self.target_radius is not None:
            raise IntrsError("a target radius and a target in linf: give one of the two, the tables are for one")
        for name in ("weights_section", "tables_section", "arena_section"):
            section = getattr(self, name)
            if section is not None and not re.fullmatch(r"\.?[A-Za-z_][A-Za-z0-9_.]{0,62}", section):
                what = f"--{name.replace('_', '-')} {section!r}"
                raise IntrsError(f"{what} is no name of a linker section: letters, digits, dots and underscores")

    @property
    def placement(self) -> dict[str, str]:
        """Macros of intrs_place.h for the board."""
        names = ("weights", "tables", "arena")
        sections = {name: getattr(self, f"{name}_section") for name in names}
        found = {f"INTRS_{name.upper()}_SECTION": f'"{s}"' for name, s in sections.items() if s is not None}
        return found | ({"INTRS_ARENA_BY_CALLER": "1"} if self.arena_by_caller else {})

    def load_board(self) -> Board:
        """The board; IntrsError for an unknown one."""
        return self.board if isinstance(self.board, Board) else load_board(str(self.board))

    def for_model(self, graph: Graph) -> tuple[GenerateOptions, list[str]]:
        """(these options with a sigma and the radius that a target in linf is, what to say of the sigma): what was
        asked for, else what the model was trained for.
        """
        if self.target_linf is not None:
            radius = linf_target(prod(image_shape(graph)), self.target_linf)
            return replace(self, target_radius=radius, target_linf=None).for_model(graph)
        trained = model_sigma(graph)
        if self.sigma is None:
            return replace(self, sigma=trained or SIGMA), []
        if trained is None or trained == self.sigma:
            return self, []
        return self, [f"note     the model was trained for sigma {trained}, this project is for {self.sigma}, as asked"]

    def smoothing(self, shape: tuple[int, int, int]) -> Smoothing:
        """The certificate's configuration for an image shape (H, W, C)."""
        return Smoothing(shape, **self.as_json())
