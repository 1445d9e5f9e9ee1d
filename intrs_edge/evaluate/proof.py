"""Whether the radii in a log are what its counts prove: every line against the tables that its settings make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.results import Stop
from intrs_edge.smoothing.sequential import SequentialPlan


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
    judge = _judge(rows[0].extra["mode"], smoothing_of(rows[0]))
    for row in rows:
        count, samples = int(row.extra["count"]), int(row.extra["samples"])
        decision = judge(samples, count)
        if decision is None:
            yield row.idx, f"{count} votes of {samples} samples end no certification in mode {row.extra['mode']}"
        elif (int(row.extra["L"]), row.extra["stop"]) != (decision[0], decision[1].name.lower()):
            yield (
                row.idx,
                (
                    f"L {row.extra['L']} and stop {row.extra['stop']}, but {count} votes of {samples} prove "
                    f"L {decision[0]} and stop {decision[1].name.lower()}"
                ),
            )


def smoothing_of(row: Row) -> Smoothing:
    """The configuration that a line's settings describe. Raises IntrsError when they describe none."""
    setting = row.extra
    numbers = [*setting["shape"].split("x"), setting["n0"], setting["n"]]
    if len(numbers) != 5 or not all(re.fullmatch("[0-9]{1,8}", number) for number in numbers):
        raise IntrsError(f"settings shape {setting['shape']}, n0 {setting['n0']}, n {setting['n']} are no numbers")
    height, width, channels, n0, n = map(int, numbers)
    kind, _, value = setting["mode"].partition("=")
    if kind not in ("fixed", "target-radius", "precision"):
        raise IntrsError(f"mode {setting['mode']} is none of fixed, target-radius=R, precision=X")
    return Smoothing(
        (height, width, channels),
        setting["sigma"],
        n0,
        n,
        setting["alpha"],
        noise=setting["noise"],
        certificate=setting["certificate"],
        target_radius=value if kind == "target-radius" else None,
        precision=value if kind == "precision" else None,
    )


def _judge(mode: str, smoothing: Smoothing) -> Callable[[int, int], tuple[int, Stop] | None]:
    """(samples, count) -> squared radius, and why it stopped; None where it would have gone on."""
    plan = smoothing.target_plan if mode.startswith("target") else smoothing.precision_plan
    if plan is not None:
        return lambda samples, count: _by_plan(plan, samples, count)
    return lambda samples, count: (smoothing.radius.lookup(count), Stop.FULL)


def _by_plan(plan: SequentialPlan, samples: int, count: int) -> tuple[int, Stop] | None:
    index = next((k for k, look in enumerate(plan.looks) if look.samples == samples), None)
    decision = plan.decide(index, count) if index is not None else None
    return (decision[1], decision[0]) if decision is not None else None
