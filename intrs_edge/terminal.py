# SPDX-License-Identifier: Apache-2.0
"""A line on stderr that is written again and again while something takes long, and how long things take, in words."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def redrawn(line: Callable[[float], str], every: float) -> Iterator[None]:
    """Shows what ``line`` says after so many seconds (nothing where it is empty), each ``every`` seconds; gone after.

    For terminals: whether stderr is one is the caller's to ask.
    """
    begun, ended = time.monotonic(), threading.Event()

    def show() -> None:
        while not ended.wait(every):
            if text := line(time.monotonic() - begun):
                sys.stderr.write(f"\r{text}\x1b[K")
                sys.stderr.flush()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """On a terminal: how long something takes that cannot say how far it is; redrawn every second, and gone after."""
    if not sys.stderr.isatty():
        yield
        return
    with redrawn(lambda seconds: f"{what}, for {clock(seconds)} ", 1):
        yield


def clock(seconds: float) -> str:
    """h:mm:ss, or m:ss."""
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02d}"
