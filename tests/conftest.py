"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from intrs_edge.cli.main import main

sys.path.insert(0, str(Path(__file__).parent))
pytest_plugins = ["leftover"]

import interrupts  # noqa: E402 - a neighbour, found by the path above

interrupts.restore()

# No example is given up for being slow on a busy machine. Continuous integration repeats the same examples, so that its
# verdict is the change's and not luck's; by hand every run tries others, and a failure prints what repeats it.
settings.register_profile("hand", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "hand")


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; gives exit code, stdout and stderr. argparse's SystemExit is its exit code."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
