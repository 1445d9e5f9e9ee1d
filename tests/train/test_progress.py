"""What a training says while it runs: the batch that it is at, its rate and the time that is left, by a clock of the
test's own."""

import dataclasses
import io
import sys
from pathlib import Path

import pytest

from intrs_edge.train import loop, progress, train
from intrs_edge.train.progress import Progress
from tests.train.test_loop import _config, _data


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


class Time:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


ROW = {"loss": 1.5, "accuracy": 0.5, "seconds": 12.0}


def test_rate_and_time_left(monkeypatch: pytest.MonkeyPatch):
    screen, time = terminal(monkeypatch), Time(monkeypatch)
    with Progress(3, 10, True) as line:
        for _ in range(4):
            time.now += 2
            line.batch_done(1.25, 0.5, 128)
        assert screen.getvalue().endswith(
            "\repoch 1/3 batch 4/10 loss 1.250 accuracy 0.500 64 images/s 0:52 left \x1b[K"
        )
        for _ in range(6):
            time.now += 2
            line.batch_done(1.25, 0.5, 128)
        line.epoch_done(ROW)
        assert "\repoch 1/3 loss 1.5000 accuracy 0.5000 12.0 s 64 images/s 0:40 left" in screen.getvalue()
        time.now += 8  # the second epoch's batches take four times as long
        line.batch_done(1.25, 0.5, 128)
        assert "epoch 2/3 batch 1/10 loss 1.250 accuracy 0.500 16 images/s 2:32 left" in screen.getvalue()
        shown = screen.getvalue()
        time.now += 0.2
        line.batch_done(1.25, 0.5, 128)
        assert screen.getvalue() == shown  # four times a second at most


def test_from_the_middle_of_an_epoch(monkeypatch: pytest.MonkeyPatch):
    screen, time = terminal(monkeypatch), Time(monkeypatch)
    with Progress(3, 10, True, epoch=1, batch=7) as line:
        time.now += 5
        line.batch_done(1.25, 0.5, 100)
        assert "epoch 2/3 batch 8/10 loss 1.250 accuracy 0.500 20 images/s 1:00 left" in screen.getvalue()
        line.epoch_done(ROW)


def test_without_a_terminal_it_is_a_line_an_epoch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    time = Time(monkeypatch)
    with Progress(2, 2, True) as line:
        for _ in range(2):
            for _ in range(2):
                time.now += 1
                line.batch_done(1.25, 0.5, 10)
            line.epoch_done(ROW)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/2 loss 1.5000 accuracy 0.5000 12.0 s 10 images/s 0:02 left",
        "epoch 2/2 loss 1.5000 accuracy 0.5000 12.0 s 10 images/s 0:00 left",
    ]


@pytest.mark.parametrize("stopped_at", [2, 6])
def test_a_resumed_run_counts_on(stopped_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Batches and seconds of the epoch in which it was stopped, too; also behind its last batch."""
    data, save = _data(), loop.save_run

    def stop(config, network, optimizer, place, digest) -> None:
        save(config, network, optimizer, dataclasses.replace(place, seconds=place.seconds + 1000), digest)
        if place.batch == stopped_at:
            raise KeyboardInterrupt

    config = _config(tmp_path / "r", epochs=2, checkpoint_minutes=0, progress=True)
    monkeypatch.setattr(loop, "save_run", stop)
    with pytest.raises(KeyboardInterrupt):
        train(config, data, data)
    monkeypatch.setattr(loop, "save_run", save)
    monkeypatch.setattr(Progress, "batch_done", _redrawn(Progress.batch_done))
    screen = terminal(monkeypatch)
    train(dataclasses.replace(config, resume=True), data, data)
    batches = [part.split(" loss")[0] for part in screen.getvalue().split("\r") if " batch " in part]
    assert batches == [f"epoch 1/2 batch {n}/6" for n in range(stopped_at + 1, 7)] + [
        f"epoch 2/2 batch {n}/6" for n in range(1, 7)
    ]
    (first,) = (part for part in screen.getvalue().split("\r") if part.startswith("epoch 1/2 loss"))
    assert float(first.split(" s ")[0].split()[-1]) > 1000


def _redrawn(done):
    """Each batch, however fast they follow each other."""

    def call(self, *arguments) -> None:
        self.shown = 0.0
        done(self, *arguments)

    return call
