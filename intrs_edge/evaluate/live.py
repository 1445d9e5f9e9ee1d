# SPDX-License-Identifier: Apache-2.0
"""``certify --live``: votes building up, what they prove so far, rates. The certificates are those without it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import Judge, Votes, certify_by_votes

_FRAMES = 40  # parts of a certification that are shown one after the other
_CLASSES = 6  # bars


class _Voter(Protocol):
    def votes(self, image: npt.NDArray[np.uint8], stream: Stream, first: int, count: int) -> Votes:
        """Votes [classes] of samples first .. first+count-1."""


class LiveTarget:
    """A certifier (`certify_images`) that counts on ``target`` in parts, and shows them. judge: the host, which decides
    by the same tables. n0, n, alpha, sigma: the project's.
    """

    def __init__(
        self, target: _Voter, judge: Judge, settings: dict[str, Any], classes: Sequence[str], where: str, console: Any
    ) -> None:
        from rich.live import Live  # noqa: PLC0415

        self.target, self.judge, self.classes, self.where = target, judge, classes, where
        self.n0, self.n = int(settings["n0"]), int(settings["n"])
        self.alpha, self.sigma = Fraction(settings["alpha"]), Fraction(settings["sigma"])
        self.samples, self.last, self.start = 0, "", time.monotonic()
        self._live = Live(console=console, refresh_per_second=10, transient=False)

    def certify(self, image: npt.NDArray[np.uint8], stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """The certificate of `targets.Target.certify`, its votes shown as they come."""
        size = max(1, (self.n0 + self.n) // _FRAMES)
        counted = np.zeros(len(self.classes), np.int64)

        def votes(first: int, count: int) -> Votes:
            total = np.zeros(len(self.classes), np.int64)
            for start in range(first, first + count, size):
                part = self.target.votes(image, stream, start, min(size, first + count - start))
                total += part
                self.samples += int(part.sum())
                if start >= self.n0:
                    counted[:] += part
                self._live.update(self._picture(stream.image, counted, first < self.n0))
            return total

        found = certify_by_votes(self.judge, self.n0, mode, votes)
        answer = self.classes[found.label] if found.label >= 0 else "abstained"
        self.last = f"image {stream.image}: {answer}, radius {found.radius:.3f} after {found.samples} samples"
        self._live.update(self._picture(stream.image, counted, False))
        return found

    def _picture(self, number: int, counted: Votes, choosing: bool) -> Any:
        from rich.panel import Panel  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        total = int(counted.sum())
        bars = Table.grid(padding=(0, 1))
        for c in np.argsort(-counted, kind="stable")[:_CLASSES].tolist():
            bar = ProgressBar(total=max(total, 1), completed=int(counted[c]), width=40)
            bars.add_row(Text(self.classes[c]), bar, Text(str(int(counted[c])), justify="right"))
        rate = self.samples / max(time.monotonic() - self.start, 1e-9)
        bars.add_row(Text(), Text(self.told(counted) if not choosing else "the class is being chosen"), Text())
        bars.add_row(Text(), Text(f"{self.where}: {rate:,.0f} samples/s"), Text())
        if self.last:
            bars.add_row(Text(), Text(self.last, style="dim"), Text())
        return Panel(bars, title=f"image {number}, {total} of {self.n} samples", expand=False)

    def told(self, counted: Votes) -> str:
        """What so many votes say by themselves; the certificate is what the project's tables prove at the end."""
        from intrs_edge.smoothing import certified_radius, lower_confidence_bound  # noqa: PLC0415

        count, total = int(counted.max(initial=0)), int(counted.sum())
        if not total:
            return "no votes yet"
        bound = lower_confidence_bound(count, total, self.alpha)
        radius = certified_radius(count, total, self.alpha, self.sigma)
        return f"probability at least {bound:.4f} by these votes, radius about {radius:.3f}: no certificate yet"

    def take_suspects(self) -> set[int]:
        """See `targets.fleet.FleetTarget`."""
        suspects: set[int] = getattr(self.target, "take_suspects", set)()
        return suspects

    def __enter__(self) -> LiveTarget:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def terminal() -> Any:
    """The terminal's console on stderr. Raises IntrsError where there is none."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        raise IntrsError("--live needs a terminal on stderr; leave it out")
    return console
