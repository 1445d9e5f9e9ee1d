"""A stuck board is reset by its watchdog, and the host goes on."""

import dataclasses
import time

import numpy as np
import pytest
import toy_model as toy

from intrs_edge.boards import load_board
from intrs_edge.children import patient
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.connection import LinkLostError
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.process import EmulatorConnection

IMAGE = np.full(toy.SHAPE, 77, np.uint8)  # the toy hangs on this one


def stuck_board(tmp_path, monkeypatch, seconds):
    """seconds: until its watchdog resets it; 0: never."""
    board = load_board("mps2-an386")
    steps = [s if s[1] != 0x40008000 else (s[0], s[1], int(seconds * 25_000_000)) for s in board.startup]
    board = dataclasses.replace(board, startup=tuple(steps) if seconds else ())
    monkeypatch.setattr(toy, "load_board", lambda _: board)
    image = toy.compile_toy("mps2-an386", tmp_path / "board", extra=("-DINTRS_TOY_STUCK=1",))
    monkeypatch.undo()
    manifest = read_manifest(toy.toy_project(tmp_path / "p"))
    target = BoardTarget(EmulatorConnection(board, image), manifest)
    target.seconds_per_sample = 0.001
    target._waits = lambda: (1.0,) * 5
    target.client.waits = (1.0,) * 5
    return target


def test_a_stuck_board_comes_back(tmp_path, monkeypatch):
    period = patient(0.5)  # the emulator's clock also runs while a busy machine gives the emulator no turn
    with stuck_board(tmp_path, monkeypatch, period) as target:
        right = toy.votes(IMAGE, 1, 2, 0, 50)
        np.testing.assert_array_equal(target.votes(IMAGE, Stream(1, 2), 0, 50), right)
        assert target.client.repeated >= 1
        # it stays alive while it works and while it waits: a reset would have lost the input
        time.sleep(2.4 * period)
        monkeypatch.setattr(target, "_write", None)
        np.testing.assert_array_equal(target.votes(IMAGE, Stream(1, 2), 0, 50), right)


def test_without_a_watchdog_it_stays_stuck(tmp_path, monkeypatch):
    with stuck_board(tmp_path, monkeypatch, 0) as target:
        target._waits = lambda: (1.0,) * 2
        with pytest.raises(LinkLostError, match="no answer"):
            target.votes(IMAGE, Stream(1, 2), 0, 50)
