"""What is shown while it runs: progress, and the votes of --live, which change nothing in the log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.live import LiveTarget, terminal
from intrs_edge.evaluate.progress import Progress
from intrs_edge.targets.build import progress_line


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_tells_rate_and_time_left(monkeypatch, capsys):
    clock = iter([100.0, 102.0, 104.0, 999.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with Progress(12, what="lines") as progress:
        progress.skip(8)
        progress.step()  # half a line a second: those that were there already are no merit of this run
        assert progress.told(104.0) == "0.25/s, 0:12 left"
    assert "resuming: 8 of 12 lines" in capsys.readouterr().err


def test_progress_on_a_terminal_has_no_colour_under_no_color(monkeypatch):
    for no_colour in (False, True):
        screen = Screen()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("NO_COLOR", "1") if no_colour else monkeypatch.delenv("NO_COLOR", raising=False)
        with Progress(2) as progress:
            progress.step()
            progress.step()
        assert "2/2" in screen.getvalue()
        assert "images, " in screen.getvalue()
        assert ("\x1b[38;" in screen.getvalue()) != no_colour


def test_progress_elsewhere_is_plain_lines(capsys):
    with Progress(1) as progress:
        progress.step()
    with Progress(1, show=False) as progress:
        progress.step()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("1/1 image, ")
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-- Configuring done\n[3/12] Building C object a.o\n[6/12] Building C object b.o\n", "[6/12] 3.0/s, 2 s left"),
        ("[ 50%] Building C object a.o\n", "[50/100] % 25.0/s, 2 s left"),
        ("warning: [1/2] in the middle\n", ""),
        ("", ""),
    ],
)
def test_a_build_says_how_far_it_is(text, line):
    assert progress_line(text, 2.0) == line


def test_live_gives_the_same_log_and_shows_what_it_counts(tmp_path, run_cli, monkeypatch):
    import intrs_edge as ie
    from intrs_edge.paths import shipped

    project = ie.generate(shipped("models") / "digits-tiny.onnx", tmp_path / "p", n=200, target_radius=0.25).build()
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, no_color=True)
    monkeypatch.setattr("intrs_edge.evaluate.live.terminal", lambda: console)
    for mode in ((), ("--target-radius", "0.25")):
        for log, more in (("plain", ()), ("live", ("--live",))):
            words = (
                "certify",
                project.path,
                "digits:test[0:3]",
                "--seed",
                5,
                "--log",
                tmp_path / f"{log}{len(mode)}.tsv",
            )
            assert run_cli(*words, *mode, *more)[0] == 0
        rows = [ie.read_log(tmp_path / f"{name}{len(mode)}.tsv") for name in ("plain", "live")]
        assert [(r.idx, r.radius, r.extra) for r in rows[0]] == [(r.idx, r.radius, r.extra) for r in rows[1]]
    said = screen.getvalue()
    assert "200 of 200 samples" in said
    assert "probability at least 0." in said
    assert "samples/s" in said
    assert "image 0:" in said


def test_generate_says_its_steps(tmp_path):
    from intrs_edge.codegen import GenerateOptions, generate
    from intrs_edge.codegen.project import STEPS
    from intrs_edge.convert import load_model
    from intrs_edge.paths import shipped

    for board in ("host", "mps2-an386"):
        told: list[str] = []
        options = GenerateOptions(board=board, n=100)
        generate(load_model(shipped("models") / "digits-tiny.onnx"), options, tmp_path / board, told.append)
        assert told == list(STEPS)


def test_live_needs_a_terminal(capsys):
    with pytest.raises(IntrsError, match="needs a terminal"):
        terminal()


def test_what_is_told_before_any_vote():
    import numpy as np

    live = LiveTarget.__new__(LiveTarget)
    assert live.told(np.zeros(3, np.int64)) == "no votes yet"
