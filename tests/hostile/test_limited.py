"""The limits of this folder's tests can be passed, and are told apart from what is refused."""

from __future__ import annotations

import signal

import pytest
from limited import BAD_INPUT, Limited


def test_what_passes_its_limits_is_seen(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limited.call("builtins:len", "four").code == 4
    limited.seconds = 1
    hung = limited.call("builtins:sum", range(10**12))
    limited.seconds = Limited.seconds
    assert hung.code == -signal.SIGKILL
    monkeypatch.setattr("limited.MEGABYTES", 200)
    limited.call("numpy:ones", 1_000_000, "uint8").done()
    large = limited.call("numpy:ones", 300_000_000, "uint8")
    with pytest.raises(AssertionError):
        large.done()
    assert "MemoryError" in limited.call("numpy:ones", 5_000_000_000, "uint8").text
    refused = limited.call("intrs_edge.boards:load_board", "none such")
    assert refused.code == BAD_INPUT
    refused.refused("unknown board")
    with pytest.raises(AssertionError):
        limited.call("builtins:int", "x").refused()
