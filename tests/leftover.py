"""A pytest plugin: no process that a test started is left when it has ended, however it ended.

After every test the descendants of this process are looked for, also those whose parents died: they come to us. What
is left gets a moment, is then killed, and the test fails with its command line. When xdist's worker itself dies, its
children come to the controller, which kills them and fails the session. What a killed controller would leave is ended
by the kernel (`intrs_edge.children.guarded`). The limit of a test's time grows with the machine's load.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from intrs_edge.children import patient

GRACE = 1.0  # seconds on an idle machine for what is ending already
_CHILD_SUBREAPER = 36  # prctl: orphans below this process become its children
# the interpreter's, for its whole life; and tests/hostile's, which ends with the pipe from us
_OWN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "hostile/limited.py")


def pytest_configure(config: pytest.Config) -> None:
    """Orphans come to this process."""
    ctypes.CDLL(None, use_errno=True).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    """pytest-timeout's limit holds for an idle machine; a long study, run by hand, may take its hours."""
    limit = item.config.getoption("timeout") or item.config.getini("timeout") or 0
    if (own := item.get_closest_marker("timeout")) is not None:
        limit = own.args[0]
    item.add_marker(pytest.mark.timeout(0 if item.get_closest_marker("long") else patient(float(limit))), append=False)
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fails the test when one of its processes is left."""
    yield
    if left := end_descendants(GRACE):
        pytest.fail("left running, and killed now: " + "; ".join(left), pytrace=False)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Kills what is left of workers that died, and fails the session for it."""
    yield
    if left := end_descendants(0.0):
        print("\nleft running, and killed now: " + "; ".join(left))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def end_descendants(grace: float) -> list[str]:
    """Kills what is still alive below this process after ``grace`` seconds; gives the command lines."""
    if not descendants():
        return []
    until = time.monotonic() + patient(grace)
    while descendants() and time.monotonic() < until:
        time.sleep(0.02)
    left: dict[int, str] = {}
    while now := descendants():  # again, for those that were just being started
        left |= now
        for pid in now:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return list(left.values())


def descendants() -> dict[int, str]:
    """Living processes below this one, and their command lines."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case, and a quick answer
        return {}
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, parent = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            parents[int(name)] = (state, int(parent))
    below = {os.getpid()}
    while more := {pid for pid, (_, parent) in parents.items() if parent in below} - below:
        below |= more
    found = {}
    for pid in below - {os.getpid()}:
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if parents[pid][0] != "Z" and line and not any(own in line for own in _OWN):
                found[pid] = line[:200]
    return found
