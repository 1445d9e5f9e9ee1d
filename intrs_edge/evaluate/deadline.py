# SPDX-License-Identifier: Apache-2.0
"""``certify --deadline``: each image gets so many seconds, and the certificate is what its samples prove by then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import Judge, Votes, certificate_now, certificate_of, first_look
from intrs_edge.targets.host import open_host
from intrs_edge.targets.manifest import Manifest

_PARTS = 16  # of the time, after each of which the clock is read


@contextmanager
def within(seconds: float | None, target: Any, manifest: Manifest) -> Iterator[Any]:
    """``target``, or with a number of seconds one that gives each image so many. Raises IntrsError for none at all."""
    if seconds is None:
        yield target
        return
    if seconds <= 0:
        raise IntrsError(f"a deadline of {seconds:g} s is no time to certify an image in")
    with open_host(manifest, 1) as judge:
        yield DeadlineTarget(target, judge, manifest.n0, seconds)


class _Voter(Protocol):
    def votes(self, image: npt.NDArray[np.uint8], stream: Stream, first: int, count: int) -> Votes:
        """Votes [classes] of a range of samples."""


class DeadlineTarget:
    """A certifier (`certify_images`) that counts on ``target`` in parts. judge: the host, which decides.

    A checkpoint proves more than the samples between two do, so where a mode has several it stops at the last one that
    the time leaves room for, by the speed so far; else when the time is over. At least one sample is counted.
    """

    def __init__(
        self, target: _Voter, judge: Judge, n0: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.target, self.judge, self.n0, self.seconds, self.clock = target, judge, n0, seconds, clock

    def take_suspects(self) -> set[int]:
        """See `targets.fleet`."""
        suspects: set[int] = getattr(self.target, "take_suspects", set)()
        return suspects

    def certify(self, image: npt.NDArray[np.uint8], stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """The certificate, or what is proved of it in time. Raises IntrsError as the target."""
        while True:
            liars = len(getattr(self.target, "liars", ()))
            found = self._certify(image, stream, mode)
            if len(getattr(self.target, "liars", ())) == liars:  # else what one counted for its beginning is gone
                return found

    def _certify(self, image: npt.NDArray[np.uint8], stream: Stream, mode: Mode) -> Certificate:
        start, look = self.clock(), first_look(self.judge, mode)
        several = self.judge.next_look(mode, look) > 0
        # the class is selected by all of its samples, whatever the time
        selected = int(self.target.votes(image, stream, 0, self.n0).argmax()) if self.n0 else None
        counted, samples = self.target.votes(image, stream, self.n0, 1), 1
        while True:
            if samples == look:
                found = certificate_of(self.judge, mode, selected, counted)
                if found is not None:
                    return found
                look = self.judge.next_look(mode, samples)
            spent = self.clock() - start
            needed = spent / (self.n0 + samples) * (look - samples) if several else 0.0
            at_one = several and self.judge.next_look(mode, samples - 1) == samples
            if spent >= self.seconds or (at_one and spent + needed > self.seconds):
                return certificate_now(self.judge, mode, selected, counted)
            part = min(look - samples, self._part(spent, self.n0 + samples))
            counted = counted + self.target.votes(image, stream, self.n0 + samples, part)
            samples += part

    def _part(self, spent: float, done: int) -> int:
        """Samples until the clock is read again."""
        return max(1, int(min(1e6, self.seconds / _PARTS * done / max(spent, 1e-6))))
