# SPDX-License-Identifier: Apache-2.0
"""Logs of parts of one run as the log that one machine would have written, its times aside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.identity import expected, rows_digest
from intrs_edge.evaluate.log import SETTINGS, Row, format_row, header

_OF_A_PART = ("source", "select", "shard", "images")  # a set may lie elsewhere on another machine: its digest counts
_NAMED = 10
_MOST = 4_000_000  # images of several slices together


@dataclass(frozen=True)
class Gaps:
    """Images that a run is about and that have no line: how many, the ``idx`` of the first of them."""

    count: int
    first: tuple[int, ...]


def gaps(rows: Sequence[Row]) -> Gaps:
    """What an unfinished log lacks. Raises IntrsError when a line is about no image of those that its settings choose,
    or when there is one for each, and yet not for the images that were certified.
    """
    if not rows or "set" not in rows[0].extra:
        return Gaps(0, ())
    wanted, there = expected(rows[0].extra), {row.idx for row in rows}
    members = wanted if isinstance(wanted, range) else set(wanted)
    strange = [idx for idx in there if idx not in members]
    if strange:
        raise IntrsError(f"images {named(strange, len(strange))} are none of those that the log is about")
    if len(there) == len(wanted) and rows_digest(rows) != rows[0].extra["images"]:
        raise IntrsError("its lines are not about the images that were certified: the digest of all differs")
    return Gaps(len(wanted) - len(there), _first_missing(wanted, there))


def merge(logs: Mapping[str, Sequence[Row]]) -> tuple[list[Row], Gaps]:
    """The rows of all logs (name -> rows) as those of one log, by ``idx``, and what it lacks.

    Raises IntrsError naming the logs for settings that differ and for an image that two of them hold.
    """
    (first, *others), everything = logs, [row for rows in logs.values() for row in rows]
    for name, rows in logs.items():
        if not rows or "set" not in rows[0].extra:
            raise IntrsError(f"log {name} is no log of certify with a line in it, and cannot be merged")
    holder = dict.fromkeys((row.idx for row in logs[first]), first)
    for name in others:
        for setting in (s for s in SETTINGS if s not in _OF_A_PART):
            here, there = (logs[n][0].extra[setting] for n in (name, first))
            if here != there:
                raise IntrsError(f"{name} was made with {setting} {here}, {first} with {there}: not parts of one run")
        both = [row.idx for row in logs[name] if row.idx in holder]
        if both:
            raise IntrsError(f"{name} and {holder[both[0]]} both hold images {named(both, len(both))}; give each once")
        holder |= dict.fromkeys((row.idx for row in logs[name]), name)
    wanted = _all_wanted([expected({**rows[0].extra, "shard": "1/1"}) for rows in logs.values()])
    one = logs[first][0].extra
    selects = {rows[0].extra["select"] for rows in logs.values()}
    select = one["select"] if len(selects) == 1 else _select(wanted, int(one["size"]))
    part = {"source": one["source"], "shard": "1/1", "select": select, "images": rows_digest(everything)}
    rows = sorted((replace(row, extra={**row.extra, **part}) for row in everything), key=lambda row: row.idx)
    return rows, Gaps(len(wanted) - len(holder), _first_missing(wanted, holder))


def _all_wanted(parts: list[range | list[int]]) -> Sequence[int]:
    if all(part == parts[0] for part in parts):
        return parts[0]
    if sum(map(len, parts)) > _MOST:
        raise IntrsError(f"slices of more than {_MOST} images are too many to merge; merge shards of one slice")
    return sorted(set().union(*parts))


def _first_missing(wanted: Iterable[int], there: Collection[int]) -> tuple[int, ...]:
    return tuple(islice((idx for idx in wanted if idx not in there), _NAMED))


def log_text(rows: Sequence[Row]) -> str:
    """The log of these rows. Raises IntrsError where the images are no slice of their set, which one log is about."""
    if rows[0].extra["select"] == _NO_SLICE:
        raise IntrsError(
            "these images are no slice of their set, so one log cannot be about them; merge without -o .tsv"
        )
    return header() + "".join(map(format_row, rows))


_NO_SLICE = "several"


def _select(wanted: Sequence[int], size: int) -> str:
    """The slice that chooses these of ``size``; "" for all."""
    if len(wanted) == size:
        return ""
    first, last = min(wanted), max(wanted)
    step = (last - first) // (len(wanted) - 1) if len(wanted) > 1 else 1
    if set(wanted) != set(range(first, last + 1, max(step, 1))):
        return _NO_SLICE
    return f"{first}:{last + 1}" + (f":{step}" if step > 1 else "")


def named(first: Sequence[int], count: int) -> str:
    """The first of ``count`` images, and how many more there are."""
    shown = sorted(first)[:_NAMED]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return ", ".join(map(str, shown)) + more
