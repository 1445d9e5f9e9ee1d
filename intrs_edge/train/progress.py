"""One line of progress on a terminal, and one line an epoch everywhere. No dependency."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """Counts batches over all epochs and says what is left."""

    def __init__(self, epochs: int, batches: int, show: bool, first: int = 0) -> None:
        self.epochs, self.batches, self.show = epochs, batches, show
        self.epoch, self.first, self.batch = first, first, 0
        self.started = self.shown = time.monotonic()
        self.live = show and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            sys.stderr.write("\n")

    def batch_done(self, loss: float, accuracy: float) -> None:
        """Redraws the line, four times a second at most."""
        self.batch += 1
        now = time.monotonic()
        if not self.live or now - self.shown < 0.25:
            return
        self.shown = now
        done = (self.epoch - self.first) * self.batches + self.batch
        left = (now - self.started) / done * ((self.epochs - self.first) * self.batches - done)
        filled = 20 * self.batch // self.batches
        bar = "#" * filled + "." * (20 - filled)
        text = (
            f"epoch {self.epoch + 1}/{self.epochs} [{bar}] loss {loss:.3f} accuracy {accuracy:.3f} {left:6.0f} s left"
        )
        sys.stderr.write(f"\r{text} \x1b[K")
        sys.stderr.flush()

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Says how an epoch ended, a line each, and starts the next one's."""
        self.epoch += 1
        self.batch = 0
        if self.show:
            valid = row.get("noisy_validation_accuracy")
            known = "" if valid is None else f" noisy test images {valid:.4f}"
            text = f"loss {row['loss']:.4f} accuracy {row['accuracy']:.4f}{known} {row['seconds']} s"
            sys.stderr.write(f"{chr(13) if self.live else ''}epoch {self.epoch}/{self.epochs} {text}")
            sys.stderr.write(" \x1b[K\n" if self.live else "\n")
            sys.stderr.flush()
