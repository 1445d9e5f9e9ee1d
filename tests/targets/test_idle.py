"""A server that waits takes no processor time: the instructions that an idle board runs, counted by its emulator."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
import toy_model as toy

from intrs_edge.boards import Board, board_ids, load_board
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import rp2040js
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.counting import plugin_options
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.process import EmulatorConnection, run_program

BOARDS = [load_board(i) for i in board_ids() if load_board(i).status == "emulated"]
QEMU = [b for b in BOARDS if b.os == "none" and b.emulator is not None and b.emulator.machine]
SECONDS = 1.0


def instructions(board: Board, folder: Path, idle: float) -> int:
    """What the board's processor has run after it started, waited, counted some votes, and ended."""
    elf = toy.compile_toy(board.id, folder / "board", board=board)
    assert board.emulator is not None
    counted = folder / "counts"
    plugin = plugin_options(elf, counted, "intrs_reset")
    board = dataclasses.replace(
        board, emulator=dataclasses.replace(board.emulator, args=(*board.emulator.args, *plugin))
    )
    target = BoardTarget(EmulatorConnection(board, elf), read_manifest(toy.toy_project(folder / "p")))
    with target:
        time.sleep(idle)
        target.votes(toy.image(), Stream(1, 2), 0, 10)
    blocks = [line.split() for line in counted.read_text().splitlines() if line.startswith("block")]
    return sum(int(count) for _, _, count in blocks)


@pytest.mark.parametrize("board", QEMU, ids=lambda b: b.id)
def test_an_idle_board_sleeps(board: Board, tmp_path: Path) -> None:
    """Waiting adds next to nothing to what the session itself takes; without the interrupt it adds millions."""
    busy = instructions(board, tmp_path / "a", 0)
    assert busy > 10_000
    assert instructions(board, tmp_path / "b", SECONDS) < busy + 20_000


def test_a_board_whose_interrupt_is_not_known_does_not(tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    assert board.uart is not None
    board = dataclasses.replace(board, uart=dataclasses.replace(board.uart, irq=-1))
    assert instructions(board, tmp_path, SECONDS) > 1_000_000


COUNTING = """
const { RP2040 } = require('rp2040js');
const core = Object.getPrototypeOf(new RP2040().core);
const one = core.executeInstruction;
let count = 0;
core.executeInstruction = function () { count++; return one.call(this); };
process.on('exit', () => require('fs').writeFileSync('COUNTED', String(count)));
process.on('SIGTERM', () => process.exit(0));
process.argv = [process.argv[0], 'SCRIPT', 'IMAGE'];
require('SCRIPT');
"""


def test_the_emulated_pico_sleeps(tmp_path: Path) -> None:
    """Its emulator is a script, whose instructions a script around it counts."""
    if rp2040js.node_path() is None:
        pytest.skip(f"rp2040js is not installed: {rp2040js.INSTALL}")
    image = toy.compile_toy("raspberry-pi-pico", tmp_path / "board").with_suffix(".bin")
    manifest = read_manifest(toy.toy_project(tmp_path / "p"))
    *start, script, _ = rp2040js.command(image)
    counted, around = tmp_path / "counted", tmp_path / "around.cjs"
    text = COUNTING.replace("SCRIPT", script).replace("IMAGE", str(image)).replace("COUNTED", str(counted))
    around.write_text(text)
    found = []
    for idle in (0, SECONDS):
        with BoardTarget(run_program([*start, str(around)], "pico"), manifest) as target:
            time.sleep(idle)
            target.votes(toy.image(), Stream(1, 2), 0, 10)
        found.append(int(counted.read_text()))
    assert found[0] > 10_000
    assert found[1] < found[0] + 20_000


def test_every_shipped_board_names_its_interrupt() -> None:
    for board in map(load_board, board_ids()):
        assert board.uart is None or board.uart.irq >= 0, board.id
