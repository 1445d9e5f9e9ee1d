# SPDX-License-Identifier: Apache-2.0
"""From a study's kind to the module that runs it; each is imported only when it is asked for (some need torch)."""

from __future__ import annotations

import importlib

from intrs_edge.study.output import Result, need_matplotlib, write
from intrs_edge.study.settings import KINDS
from intrs_edge.study.work import Work

_MODULES = {kind: "curves" for kind in KINDS} | {kind: kind for kind in ("attack", "efficiency", "size")}


def run_study(work: Work) -> Result:
    """Runs a study to its end and writes what it found. Raises IntrsError for whatever stops it; it can be resumed."""
    need_matplotlib()
    result: Result = importlib.import_module(f"intrs_edge.study.{_MODULES[work.study.kind]}").run(work)
    write(work, result)
    return result
