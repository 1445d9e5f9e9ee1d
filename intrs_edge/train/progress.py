# SPDX-License-Identifier: Apache-2.0
"""One line of progress on a terminal, and one line an epoch everywhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from intrs_edge.terminal import clock


class Progress:
    """Counts the batches of a run, ``batches`` an epoch, from the place where it begins or goes on: ``epoch`` and the
    ``batch`` within it. Rate and time left are those of the epoch that runs, since float and quantised ones differ."""

    def __init__(self, epochs: int, batches: int, show: bool, epoch: int = 0, batch: int = 0) -> None:
        self.epochs, self.batches = epochs, batches
        self.epoch, self.batch = epoch, batch
        self.show, self.live = show, show and sys.stderr.isatty()
        self.shown = time.monotonic()
        self._start()

    def _start(self) -> None:
        self.started, self.first, self.images = time.monotonic(), self.batch, 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            sys.stderr.write("\n")

    def batch_done(self, loss: float, accuracy: float, images: int) -> None:
        """Counts a batch of so many images; redraws the line, four times a second at most."""
        self.batch += 1
        self.images += images
        now = time.monotonic()
        if not self.live or now - self.shown < 0.25:
            return
        self.shown = now
        text = (
            f"epoch {self.epoch + 1}/{self.epochs} batch {self.batch}/{self.batches} loss {loss:.3f} "
            f"accuracy {accuracy:.3f} {self._told(now)}"
        )
        sys.stderr.write(f"\r{text} \x1b[K")
        sys.stderr.flush()

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Says how an epoch ended, a line each, and starts the next one's."""
        told = self._told(time.monotonic())
        self.epoch += 1
        self.batch = 0
        self._start()
        if self.show:
            valid = row.get("noisy_validation_accuracy")
            known = "" if valid is None else f" noisy test images {valid:.4f}"
            text = f"loss {row['loss']:.4f} accuracy {row['accuracy']:.4f}{known} {row['seconds']} s {told}"
            sys.stderr.write(f"{chr(13) if self.live else ''}epoch {self.epoch}/{self.epochs} {text}")
            sys.stderr.write(" \x1b[K\n" if self.live else "\n")
            sys.stderr.flush()

    def _told(self, now: float) -> str:
        """Rate and time left, by what was done since the epoch began or went on."""
        done, seconds = self.batch - self.first, now - self.started
        left = (self.epochs - self.epoch) * self.batches - self.batch
        if not done or seconds <= 0:
            return ""
        return f"{self.images / seconds:.0f} images/s {clock(seconds / done * left)} left"
