"""`make boards` on two boards, and that a board which answers otherwise, or cannot be run, is not called passed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from loaded_script import loaded_script

from intrs_edge.boards import Emulator, load_board


@pytest.fixture
def script(tmp_path: Path) -> ModuleType:
    module = loaded_script("run_boards")
    module.RESULTS = tmp_path / "results.json"
    module.IMAGES = "digits:test[0:1]"
    return module


@pytest.mark.parametrize("board", ["lm3s6965evb", "rpi-zero-2w"])
def test_the_demo_model_runs_and_is_counted(board, script, monkeypatch, capsys):
    script.RESULTS.write_text(json.dumps({"boards": {"microbit": {"flash": 1}, board: {"flash": 1}}}))
    monkeypatch.setattr(sys, "argv", ["run_boards", board])
    assert script.main() == 0
    assert "1 boards ran with the host's counts" in capsys.readouterr().out
    found = json.loads(script.RESULTS.read_text())["boards"]
    assert found["microbit"] == {"flash": 1}  # another run's
    assert found[board]["model"] == "digits-resnet.onnx"
    assert found[board]["instructions"] > 20_000
    assert "qemu" in found[board]["emulator"]


def test_failures_are_named_and_never_kept(script, monkeypatch, capsys):
    answers = script.answers
    monkeypatch.setattr(
        script, "answers", lambda t: replace(answers(t), votes=()) if t.info.board != "host" else answers(t)
    )
    absent = replace(load_board("rpi-4b"), emulator=Emulator("qemu-no-such-machine"))
    monkeypatch.setattr(script, "load_board", lambda name: absent if name == "rpi-4b" else load_board(name))
    script.RESULTS.write_text(json.dumps({"boards": {"lm3s6965evb": {"flash": 1}, "rpi-4b": {"flash": 1}}}))
    monkeypatch.setattr(sys, "argv", ["run_boards", "lm3s6965evb", "rpi-4b"])
    assert script.main() == 1
    out = capsys.readouterr().out
    assert "FAILED: emulator: votes differ" in out
    assert "qemu-no-such-machine is not installed" in out
    assert json.loads(script.RESULTS.read_text())["boards"] == {}


def test_a_board_that_does_not_exist(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run_boards", "abacus"])
    assert script.main() == 2
    assert "abacus: no such board" in capsys.readouterr().err
