"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intrs_edge.cli.main import main


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit of time is for the suite that runs unattended; a long study may take its hours."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(0))


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
