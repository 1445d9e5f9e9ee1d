# SPDX-License-Identifier: Apache-2.0
"""Processes that this one starts: how long to wait for them, and that none of them outlives it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

_MOST = 30.0


def patient(seconds: float) -> float:
    """How long to wait now for what takes at most ``seconds`` on an idle machine.

    Times as many processes as want each processor at the moment or did in the last minute, between 1 and 30. The
    environment variable INTRS_PATIENCE, from 1 to 30, multiplies it further: for a machine whose load is not seen here.
    """
    wanting = os.getloadavg()[0]
    # the load of the last minute does not know of a new crowd
    with contextlib.suppress(OSError, ValueError, IndexError):
        wanting = max(wanting, float(Path("/proc/loadavg").read_text("ascii").split()[3].split("/")[0]))
    factor = 1.0
    with contextlib.suppress(ValueError):
        factor = min(_MOST, max(1.0, float(os.environ.get("INTRS_PATIENCE", "1"))))
    return seconds * min(_MOST, max(1.0, wanting / len(os.sched_getaffinity(0)))) * factor


def guarded(command: Sequence[str]) -> list[str]:
    """The command as a child that the kernel ends when the thread that starts it ends, however that comes about.

    Linux only (``setpriv``); elsewhere the command as it is.
    """
    if shutil.which("setpriv") is None:
        return list(command)
    # a parent that died before the child had asked for the signal: seen by the shell, which then starts nothing
    alive = ("sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid()))
    return ["setpriv", "--pdeathsig", "KILL", "--", *alive, *command]
