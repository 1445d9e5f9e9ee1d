"""The fixture that builds the C runtime with a toy classifier; what it builds is in smoothing_device.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from smoothing_device import Build, Device, compile_runtime

from intrs_edge.smoothing import Smoothing


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """build(smoothing, batch=1, compiler="gcc", flags=()) -> Device."""

    def make(smoothing: Smoothing, batch: int = 1, compiler: str = "gcc", flags: tuple[str, ...] = ()) -> Device:
        folder = tmp_path_factory.mktemp("smoothing")
        library = compile_runtime(folder, smoothing, batch, compiler, ["-shared", "-fPIC", *flags], "toy.so")
        return Device(library, smoothing)

    return make
