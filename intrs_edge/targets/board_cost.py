# SPDX-License-Identifier: Apache-2.0
"""What an inference and a noise sample cost on a board: instructions counted in the emulator, the same in every run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from intrs_edge.boards import Board, load_board
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets.base import Target
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.counting import Counts, plugin_options, read_counts
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.process import EmulatorConnection

# an emulated board with the same core, for boards that have no emulator of their own
_SAME_CORE = {
    "cortex-m0": "mps2-an385",
    "cortex-m0plus": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
}


@dataclass(frozen=True)
class Layer:
    """One kernel call of the model: its place in the schedule, its function, its instructions per image."""

    position: int
    kernel: str
    instructions: float


@dataclass(frozen=True)
class BoardCost:
    """Counted on the emulated board ``counted_on``, which has the core of ``board``."""

    board: str
    counted_on: str
    instructions_per_inference: float
    instructions_per_noise_sample: float
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Estimate:
    """Seconds on the real board: estimated from its clock and a mean number of cycles per instruction, not measured."""

    clock_hz: int
    cycles_per_instruction: float
    source: str
    seconds_per_sample: float
    seconds_per_certificate: float
    samples: int


def counting_board(board: Board) -> str:
    """The id of the emulated board that stands in for ``board``; IntrsError where none has its core."""
    if board.emulator is not None and board.emulator.machine:
        return board.id
    if board.cpu in _SAME_CORE:
        return _SAME_CORE[board.cpu]
    raise IntrsError(
        f"board {board.id}: instructions are counted on emulated Cortex-M boards, and none has a {board.cpu}; "
        "name one of " + ", ".join(sorted(set(_SAME_CORE.values())))
    )


def stand_in(board: Board) -> Board:
    """The emulated board that counts for ``board``: itself, or one that runs code for the same core.

    The only emulated Cortex-M0 is small, so M0 and M0+ code is counted on a Cortex-M3, which executes it too.
    """
    counted_on = load_board(counting_board(board)) if board.emulator is None or not board.emulator.machine else board
    if counted_on.cpu == board.cpu:
        return counted_on
    return replace(counted_on, cpu=board.cpu, isa=board.isa, cflags=board.cflags, name=f"{board.cpu} code")


def count_board(project: Path, board: Board, named: str) -> BoardCost:
    """Runs a built project of an emulated board: an inference, then two samples. ``named``: the board asked for."""
    manifest = read_manifest(project)
    shape = manifest.image_shape
    elf = project / "build" / "board" / "intrs.elf"

    def infer(target: Target) -> None:
        target.infer(np.zeros((1, *shape), np.int8))

    def votes(target: Target) -> None:
        target.votes(np.full(shape, 128, np.uint8), Stream(1, 0), 0, 2)

    inference = _counted(project, board, elf, "intrs_infer", "intrs_model_run", infer)
    noise = _counted(project, board, elf, "intrs_noise_fill", None, votes)
    calls = [site for site in inference.sites if site.callee]  # the model's own prologue calls nothing
    layers = tuple(Layer(i, site.callee, site.instructions) for i, site in enumerate(calls))
    return BoardCost(named, board.id, inference.per_call, noise.per_call / float(np.prod(shape)), layers)


def _counted(
    project: Path, board: Board, elf: Path, function: str, within: str | None, action: Callable[[Target], None]
) -> Counts:
    assert board.emulator is not None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        try:
            options = plugin_options(elf, out, function, within)
        except IntrsError:
            if within is None:
                raise
            options = plugin_options(elf, out, function)  # the layers were inlined: one figure for all
        emulator = replace(board.emulator, args=(*board.emulator.args, *options))
        connection = EmulatorConnection(replace(board, emulator=emulator), elf)
        with BoardTarget(connection, read_manifest(project)) as target:
            action(target)
        return read_counts(elf, out, function)


def estimate(cost: BoardCost, board: Board, image_values: int, samples: int) -> Estimate | None:
    """Time of a sample and of a certificate of ``samples`` samples; None where the board's clock is not known."""
    if not board.clock_hz:
        return None
    per_sample = cost.instructions_per_inference + cost.instructions_per_noise_sample * image_values
    seconds = per_sample * board.cycles_per_instruction / board.clock_hz
    source = board.cycles_source or "assumed"
    return Estimate(board.clock_hz, board.cycles_per_instruction, source, seconds, seconds * samples, samples)
