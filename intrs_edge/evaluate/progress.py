"""One line of progress on stderr: images done, and the time that is left."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_WIDTH = 24


class Progress:
    """Redraws itself on a terminal; elsewhere it prints a line every ten seconds at most."""

    def __init__(self, total: int, show: bool = True, what: str = "images") -> None:
        self.total, self.what = total, what
        self.done = self.skipped = 0
        self.start = self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.show = show

    def skip(self, count: int) -> None:
        """Counts images that an earlier run has done."""
        self.done += count
        self.skipped += count
        if count and self.show:
            sys.stderr.write(f"resuming: {count} of {self.total} {self.what} are in the log\n")

    def again(self, count: int) -> None:
        """Counts images whose answers were withdrawn."""
        self.done -= count

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if self.show and (now - self.shown >= (0.1 if self.terminal else 10.0) or self.done == self.total):
            self.shown = now
            self._draw(now)

    def _draw(self, now: float) -> None:
        fresh = self.done - self.skipped
        left = (now - self.start) / max(fresh, 1) * (self.total - self.done)
        filled = _WIDTH * self.done // max(self.total, 1)
        line = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {self.done}/{self.total} {self.what}, {_clock(left)} left"
        sys.stderr.write(f"\r{line}\x1b[K" if self.terminal else f"{line}\n")
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.terminal and self.show:
            sys.stderr.write("\n")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )
