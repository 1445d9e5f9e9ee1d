# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr: how many are done, at what rate, and the time that is left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from intrs_edge.terminal import clock


class Progress:
    """A bar that redraws itself on a terminal (rich's: no colour under NO_COLOR); elsewhere a line every ten seconds at
    most, and the last one.
    """

    def __init__(self, total: int, show: bool = True, what: str = "images") -> None:
        self.total, self.what, self.show = total, what if total != 1 else what.removesuffix("s"), show
        self.done = self.skipped = 0
        self.start = self.shown = time.monotonic()
        self._bar: Any = None

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
        if not self.show:
            return
        if self._bar is not None:
            self._bar.update(0, completed=self.done, told=self.told(time.monotonic()))
            return
        now = time.monotonic()
        if now - self.shown >= 10 or self.done == self.total:
            self.shown = now
            sys.stderr.write(f"{self.done}/{self.total} {self.what}, {self.told(now)}\n")
            sys.stderr.flush()

    def within(self, done: int, total: int) -> None:
        """Says how far a board is within one image, which may take minutes; samples so far, and in all."""
        if not self.show or not total:
            return
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(0, told=f"{done}/{total} samples of the next; {self.told(now)}")
        elif now - self.shown >= 10:
            self.shown = now
            sys.stderr.write(f"{self.done}/{self.total} {self.what}, {done}/{total} samples of the next\n")
            sys.stderr.flush()

    def told(self, now: float) -> str:
        """Rate and time left, of what this run did itself."""
        fresh, seconds = self.done - self.skipped, now - self.start
        rate = fresh / seconds if seconds > 0 else 0.0
        left = clock((self.total - self.done) / rate) if rate else "?"
        return f"{rate:.3g}/s, {left} left"

    def __enter__(self) -> Progress:
        if self.show and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - a tenth of a second
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
            from rich.progress import Progress as Bar  # noqa: PLC0415

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}, {task.fields[told]}"))
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._bar.add_task(self.what, total=self.total, completed=self.done, told="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
