"""Lines that are redrawn on a terminal, and how long things take, in words."""

from __future__ import annotations

import io
import sys
import time

import pytest

from intrs_edge.terminal import clock, waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "says"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (7325, "2:02:05")])
def test_clock(seconds: float, says: str):
    assert clock(seconds) == says


def test_what_cannot_say_how_far_it_is_says_how_long(monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with waiting("calibrating"):
        while "for" not in screen.getvalue():  # a line a second
            time.sleep(0.01)
    assert screen.getvalue().startswith("\rcalibrating, for 0:0")
    assert screen.getvalue().endswith("\r\x1b[K")  # and none is left
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with waiting("calibrating"):
        pass
    assert quiet.getvalue() == ""
