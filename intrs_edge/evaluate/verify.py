# SPDX-License-Identifier: Apache-2.0
"""Lines of a log computed again: what it says, a target of the same project must say too, bit for bit."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intrs_edge.datasets import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.certify import Certifier, certified
from intrs_edge.evaluate.identity import image_digest
from intrs_edge.evaluate.log import RESULT, Row, certificate_row
from intrs_edge.evaluate.methods import INTRS
from intrs_edge.evaluate.progress import Progress
from intrs_edge.evaluate.proof import mode_of
from intrs_edge.smoothing.results import Certificate, Stream


@dataclass(frozen=True)
class Difference:
    """What a line says otherwise than the replay; ``what`` is a sentence's part such as "count 7, here 8"."""

    idx: int
    what: str


def check_project(rows: Sequence[Row], settings: Mapping[str, str], log: str, project: str) -> None:
    """Raises IntrsError unless the rows are of a log of this version, made with these settings of a project."""
    if not rows or "votes" not in rows[0].extra:
        raise IntrsError(
            f"log {log}: there is nothing to replay in it; verify takes logs of certify with lines in them"
        )
    method = rows[0].extra["method"]
    if method != INTRS:
        raise IntrsError(
            f"log {log} is of method {method}: floating-point noise is not the same on every machine, so there is "
            "nothing to replay; certify again with the same seed to compare"
        )
    for name, value in settings.items():
        if rows[0].extra[name] != value:
            raise IntrsError(
                f"log {log} was made with {name} {rows[0].extra[name]}, {project} has {value}; name the project that "
                "it was made with"
            )


def some_of(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """A random share of the rows, at least one, in their order."""
    count = min(len(rows), max(1, math.ceil(share * len(rows))))
    chosen = set(random.Random(seed).sample(range(len(rows)), count))
    return [row for k, row in enumerate(rows) if k in chosen]


def replay(rows: Sequence[Row], images: ImageSet, target: Certifier, show: bool = False) -> list[Difference]:
    """Certifies the rows' images again with their own seed and mode; gives whatever is not the same."""
    places = {int(idx): k for k, idx in enumerate(images.ids)}
    found: list[Difference] = []
    there: dict[Stream, tuple[Row, int]] = {}
    for row in rows:
        place = places.get(row.idx)
        if place is None:
            found.append(Difference(row.idx, "is not among the images given"))
        elif image_digest(images.images[place]) != row.extra["pixels"]:
            found.append(Difference(row.idx, "has other pixels than the image that was certified"))
        else:
            there[Stream(int(row.extra["seed"]), row.idx)] = (row, place)
    work = ((images.images[place], stream) for stream, (_, place) in there.items())
    with Progress(len(there), show, "lines") as progress:
        for stream, result, _ in certified(target, work, mode_of(rows[0].extra["mode"])):
            row, place = there[stream]
            found += _differences(row, int(images.labels[place]), result)
            progress.step()
    return found


def _differences(row: Row, label: int, result: Certificate) -> list[Difference]:
    again = certificate_row(row.idx, label, result, 0, row.extra)
    pairs = [("label", str(row.label), str(label)), ("predict", str(row.predict), str(again.predict))]
    pairs += [(name, row.extra[name], again.extra[name]) for name in RESULT]
    return [Difference(row.idx, f"{name} {there}, here {here}") for name, there, here in pairs if there != here]
