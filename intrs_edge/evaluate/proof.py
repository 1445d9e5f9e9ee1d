# SPDX-License-Identifier: Apache-2.0
"""Whether the radii in a log are what its counts prove: every line against the tables that its settings make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate.cohen import cohen_of
from intrs_edge.evaluate.log import Row
from intrs_edge.evaluate.methods import GAUSSIAN, INTRS, UNPROVED
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.results import Mode, Stop
from intrs_edge.targets.tables import TableJudge


def check_radii(rows: Sequence[Row]) -> None:
    """Raises IntrsError for the first of `wrong_radii`."""
    for idx, what in wrong_radii(rows):
        raise IntrsError(f"image {idx}: {what} by this version's tables; `cut -f1-6` leaves what another version said")


def wrong_radii(rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """The images (``idx``, and how) whose ``L`` or ``stop`` is not what their votes prove by this version's tables.

    Raises IntrsError for settings that no tables exist for. Rows of the community's columns hold nothing to check.
    """
    if not rows or "votes" not in rows[0].extra:
        return
    mode, smoothing = mode_of(rows[0].extra["mode"]), smoothing_of(rows[0])
    tables = TableJudge(smoothing)

    @cache  # many images have the same counts
    def judge(samples: int, count: int, other: int) -> tuple[int, Stop] | None:
        return tables.judge(mode, samples, count, other) if tables.next_look(mode, samples - 1) == samples else None

    for row in rows:
        count, samples = int(row.extra["count"]), int(row.extra["samples"])
        votes = [int(v) for v in row.extra["votes"].split(",")]
        other = max(votes[: int(row.extra["selected"])] + votes[int(row.extra["selected"]) + 1 :], default=0)
        decision = judge(samples, count, other)
        if decision is None and row.extra["stop"] == Stop.CALLER.name.lower():
            decision = (smoothing.proved(mode, samples, count, other), Stop.CALLER)
        if decision is None:
            told = f"{several(count, 'vote')} of {several(samples, 'sample')}"
            yield row.idx, f"{told} end no certification in mode {row.extra['mode']}"
        elif (int(row.extra["L"]), row.extra["stop"]) != (decision[0], decision[1].name.lower()):
            yield (
                row.idx,
                (
                    f"L {row.extra['L']} and stop {row.extra['stop']}, but {several(count, 'vote')} of {samples} prove "
                    f"L {decision[0]} and stop {decision[1].name.lower()}"
                ),
            )


def smoothing_of(row: Row) -> Smoothing:
    """The configuration that a line's settings describe. Raises IntrsError when they describe none."""
    return _smoothing_of(*((name, row.extra[name]) for name in _DECIDING))


_DECIDING = ("shape", "n0", "n", "mode", "method", "noise", "certificate", "sigma", "alpha")


@lru_cache(maxsize=16)  # its tables take a while
def _smoothing_of(*settings: tuple[str, str]) -> Smoothing:
    setting = dict(settings)
    numbers = [*setting["shape"].split("x"), setting["n0"], setting["n"]]
    if len(numbers) != 5 or not all(re.fullmatch("[0-9]{1,8}", number) for number in numbers):
        raise IntrsError(f"settings shape {setting['shape']}, n0 {setting['n0']}, n {setting['n']} are no numbers")
    height, width, channels, n0, n = map(int, numbers)
    mode, value = mode_of(setting["mode"]), setting["mode"].partition("=")[2]
    asked: dict[str, Any] = {} if mode.setting is None else {mode.setting: value}
    if setting["method"] != INTRS:
        if (setting["noise"], setting["certificate"]) != (GAUSSIAN, UNPROVED):
            raise IntrsError(f"method {setting['method']} claims noise {setting['noise']}, {setting['certificate']}")
        own = {**setting, **asked, "n0": n0, "n": n}
        return cohen_of(own, (height, width, channels))
    return Smoothing(
        (height, width, channels),
        sigma=setting["sigma"],
        n0=n0,
        n=n,
        alpha=setting["alpha"],
        noise=setting["noise"],
        certificate=_RENAMED.get(setting["certificate"], setting["certificate"]),
        **asked,
    )


_RENAMED = {"sound": "one-sided"}  # as logs called it before there was another one that is sound


def mode_of(text: str) -> Mode:
    """The mode that a log names. Raises IntrsError for one that there is not."""
    modes = {mode.word: mode for mode in Mode}
    if text.partition("=")[0] not in modes:
        raise IntrsError(f"mode {text} is none of {', '.join(modes)} (with = and its value)")
    return modes[text.partition("=")[0]]
