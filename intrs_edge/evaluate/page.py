# SPDX-License-Identifier: Apache-2.0
"""The report as one page that needs no network: plots by plotly.js, packed into it, and everything in words and tables.

Why plotly: it draws SVG, so that texts stay texts and colours follow the reader's theme, and its package brings its
JavaScript. The whole of it is 4.8 MB; packed (gzip, unpacked by the browser) a page has 2 MB.
"""

from __future__ import annotations

import base64
import gzip
import importlib.metadata
import importlib.util
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from intrs_edge import __version__
from intrs_edge.codegen.render import render
from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate.curves import COHEN, EQ10, KINDS, SHARE, all_labelled, curve_of, interval
from intrs_edge.evaluate.log import Row, labelled, warning
from intrs_edge.evaluate.metrics import RADII, Summary, summarise
from intrs_edge.evaluate.report import NOTES, differences, percent, settings_table, table
from intrs_edge.files import write_atomically
from intrs_edge.paths import shipped

if TYPE_CHECKING:
    from intrs_edge.evaluate.firmware import Firmware, Memory
    from intrs_edge.evaluate.gallery import Picture

_MOST_CLASSES = 40  # of a confusion plot
_MOST_CONFUSED = 25  # lines of the table of confusions
_BARS = 24
_VOTES = 3  # bars of a picture


@dataclass(frozen=True)
class Extras:
    """What a page can have besides the rows, by the log's name: pictures by kind, the project's firmware, and SHA-256
    of the log's file.
    """

    pictures: Mapping[str, Mapping[str, Sequence[Picture]]] = field(default_factory=dict)
    firmware: Mapping[str, Firmware] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def write_page(
    logs: Mapping[str, Sequence[Row]], path: Path, radii: Sequence[float] = RADII, extras: Extras | None = None
) -> None:
    """Writes the page on ``logs`` (name -> rows). Raises IntrsError without plotly."""
    write_atomically(path, html(logs, radii, extras), "report")


def html(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII, extras: Extras | None = None) -> str:
    """The page's text."""
    extras = extras or Extras()
    named = labelled(logs)
    packed, version = plotly()
    sections = [
        _section(name, rows, logs[key], number, radii, extras, key)
        for number, (key, (name, rows)) in enumerate(zip(logs, named.items(), strict=True))
    ]
    kinds = [COHEN, EQ10, SHARE] if all(map(all_labelled, logs.values())) else [SHARE]
    data = {
        "radius": sections[0].radius,
        "kinds": {kind: KINDS[kind] for kind in kinds},
        "logs": [_log_data(s.name, rows, kinds, s) for s, rows in zip(sections, logs.values(), strict=True)],
    }
    texts = {name: (shipped("templates") / "report" / name).read_text("utf-8") for name in ("page.css", "page.js")}
    return render(
        "report/page.html.j2", style=texts["page.css"], script=texts["page.js"], plotly=packed, data=_json(data),
        sections=sections,
        warnings=[*differences(logs), *_unsound(logs)], kinds=data["kinds"], figures=table(logs, radii), notes=NOTES,
        settings=settings_table(logs), digests=extras.digests, version=__version__, plotly_version=version,
        title=", ".join(named),
    )  # fmt: skip


def plotly() -> tuple[str, str]:
    """plotly.js, packed as base64 of gzip, and the version of its package. Raises IntrsError where it is not there."""
    spec = importlib.util.find_spec("plotly")
    source = Path(spec.origin).parent / "package_data" / "plotly.min.js" if spec and spec.origin else None
    if source is None or not source.is_file():
        raise IntrsError(
            "report: a page needs plotly: pip install 'intrs-edge[report]' (report -o page.md needs nothing)"
        )
    packed = gzip.compress(source.read_bytes(), 6, mtime=0)
    return base64.b64encode(packed).decode(), importlib.metadata.version("plotly")


@dataclass(frozen=True)
class Section:
    """What the page says of one log. ``headline`` is a sentence; ``facts``: (figure, what it is)."""

    name: str
    number: int
    headline: str
    facts: list[tuple[str, str]]
    classes: list[dict[str, Any]]
    confused: list[tuple[str, str, int]]
    confusion: dict[str, Any] | None
    pictures: list[tuple[str, list[dict[str, Any]]]]
    memory: list[dict[str, Any]]
    plan: str
    firmware: Sequence[tuple[str, str]]
    radius: float


def _section(
    name: str, rows: Sequence[Row], plain: Sequence[Row], number: int, radii: Sequence[float], extras: Extras, key: str
) -> Section:
    summary, names = summarise(rows, radii), class_names(plain)
    radius = headline_radius(summary)
    known = all_labelled(plain)
    firmware = extras.firmware.get(key)
    titles = {"strongest": "Strongest certificates", "weakest": "Weakest certificates",
              "wrong": "Wrong, with the largest certificates", "abstained": "Abstained"}  # fmt: skip
    pictures = [
        (titles[kind], [_picture(picture, names) for picture in some])
        for kind, some in extras.pictures.get(key, {}).items()
    ]
    return Section(
        name, number, headline(plain, summary, radius), _facts(plain, summary),
        _per_class(plain, names, radius) if known else [], _confused(plain, names) if known else [],
        _confusion(plain, names) if known and len(names) <= _MOST_CLASSES else None,
        pictures, [_memory(memory) for memory in firmware.memories] if firmware else [],
        _svg_uri(firmware.plan) if firmware else "", firmware.facts if firmware else (), radius,
    )  # fmt: skip


def headline_radius(summary: Summary) -> float:
    """The largest radius of the table at which at least half of the images are certified (rightly), else 0."""
    shares = summary.certified_accuracy or summary.certified_share
    return max((r for r, share in zip(summary.radii, shares, strict=True) if share >= 0.5), default=0.0)


def headline(rows: Sequence[Row], summary: Summary, radius: float) -> str:
    """The result in one sentence of plain words."""
    known = all_labelled(rows)
    kind = COHEN if known else SHARE
    share, lower, upper = curve_of(rows, kind).at(radius)
    band = f"{percent(share)} of {several(len(rows), 'image')} (95 % interval {100 * lower:.1f} to {100 * upper:.1f} %)"
    what = "are answered rightly, and" if known else "get an answer that"
    alpha = rows[0].extra.get("alpha") if rows else None
    chance = f", except with probability {alpha} per image" if alpha else ""
    if radius > 0:
        proof = (f"no change of the pixels within an l2 distance of {radius:g} can alter that answer" if known else
                 f"no change of the pixels within an l2 distance of {radius:g} can alter")  # fmt: skip
    else:
        proof = ("some distance is certified within which no change of the pixels can alter that answer" if known else
                 "no change of the pixels within some certified distance can alter")  # fmt: skip
    claim = warning(rows)
    return f"{band} {what} {proof}{chance}." + (f" {claim}." if claim else "")


def _facts(rows: Sequence[Row], summary: Summary) -> list[tuple[str, str]]:
    radii = sorted(row.radius for row in rows)
    certified = f"certified: {len(rows) - summary.abstained} of {several(len(rows), 'image')}"
    facts = [
        (percent(summary.certified_percentage), certified),
        (f"{curve_of(rows, SHARE).limit:.3f}", "the largest radius that these settings can certify"
         if "votes" in rows[0].extra else "the largest radius in the log"),
        (f"{radii[len(radii) // 2]:.3f}", "median radius, abstentions as 0"),
    ]  # fmt: skip
    if summary.average_certified_radius is not None:
        facts.insert(1, (f"{summary.average_certified_radius:.4f}", "average certified radius (ACR)"))
    if summary.false_certificates_at_most is not None:
        facts.append(
            (
                str(summary.false_certificates_at_most),
                f"certificates at most are false, except with probability {summary.rho:g}, whatever the images",
            )
        )
    seconds = [s for s in map(_seconds, rows) if s is not None]
    if seconds and max(seconds) > 0:
        facts.append((_time(median(seconds)), f"an image (median); {_time(sum(seconds))} in all, where it ran"))
    if rows[0].extra.get("mode", "fixed") != "fixed":
        used, most = sum(int(row.extra["samples"]) for row in rows), len(rows) * int(rows[0].extra["n"])
        stops = Counter(row.extra["stop"] for row in rows)
        told = ", ".join(f"{count} {stop}" for stop, count in sorted(stops.items()))
        facts.append((percent(1 - used / most), f"of the samples saved by stopping early ({told})"))
    return facts


def class_names(rows: Sequence[Row]) -> list[str]:
    """A name for every class that a row can speak of: of the log, else the number."""
    count = max([max(row.label, row.predict) + 1 for row in rows], default=0)
    if rows and "votes" in rows[0].extra:
        count = max(count, len(rows[0].extra["votes"].split(",")))
    names = [str(k) for k in range(count)]
    for row in rows:
        for number, column in ((row.predict, "predict_name"), (row.label, "label_name")):
            if number >= 0 and row.extra.get(column):
                names[number] = row.extra[column]
    return names


def _per_class(rows: Sequence[Row], names: Sequence[str], radius: float) -> list[dict[str, Any]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.label, []).append(row)
    lines = []
    for label, some in sorted(groups.items()):
        right = [row for row in some if row.correct]
        at = sum(row.radius >= radius for row in right)
        low, high = (float(v[0]) for v in interval(np.array([at]), len(some)))
        wrong = Counter(row.predict for row in some if not row.correct and not row.abstained)
        most = wrong.most_common(1)
        lines.append(
            {
                "name": names[label],
                "images": len(some),
                "right": percent(len(right) / len(some)),
                "certified": percent(at / len(some)),
                "band": f"{100 * low:.0f} to {100 * high:.0f} %",
                "share": at / len(some),
                "abstained": sum(row.abstained for row in some),
                "acr": f"{sum(row.radius for row in right) / len(some):.3f}",
                "confused": f"{names[most[0][0]]} ({most[0][1]})" if most else "-",
            }
        )
    return lines


def _confused(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[str, str, int]]:
    pairs = Counter((row.label, row.predict) for row in rows if not row.correct and not row.abstained)
    return [(names[a], names[b], count) for (a, b), count in pairs.most_common(_MOST_CONFUSED)]


def _confusion(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any]:
    """Counts [label][answer], the last answer being an abstention."""
    counts = np.zeros((len(names), len(names) + 1), np.int64)
    for row in rows:
        counts[row.label, row.predict if not row.abstained else len(names)] += 1
    return {"labels": list(names), "answers": [*names, "abstained"], "counts": counts.tolist()}


def _picture(picture: Picture, names: Sequence[str]) -> dict[str, Any]:
    row = picture.row
    votes = [int(v) for v in row.extra["votes"].split(",")]
    total = max(sum(votes), 1)
    top = sorted(range(len(votes)), key=lambda c: (-votes[c], c))[:_VOTES]
    return {
        "uri": picture.uri,
        "name": row.extra["file"] or f"image {row.idx}",
        "label": names[row.label] if row.label >= 0 else "",
        "answer": names[row.predict] if not row.abstained else "abstained",
        "right": row.correct,
        "radius": f"{row.radius:.3f}",
        "abstained": row.abstained,
        "bars": [(names[c], votes[c], 100 * votes[c] / total) for c in top],
    }


def _memory(memory: Memory) -> dict[str, Any]:
    """The parts with their shares of the board's memory in per cent, or of what is used where its size is not known."""
    whole = max(memory.used, memory.limit, 1)
    parts = [(name, size, 100 * size / whole) for name, size in memory.parts]
    return {"title": memory.name, "used": memory.used, "limit": memory.limit, "parts": parts}


def _log_data(name: str, rows: Sequence[Row], kinds: Sequence[str], section: Section) -> dict[str, Any]:
    curves = {}
    for kind in kinds:
        c = curve_of(rows, kind)
        curves[kind] = {key: [round(float(v), 6) for v in values] for key, values in
                        (("x", c.radii), ("y", c.share), ("low", c.lower), ("high", c.upper))}  # fmt: skip
    limit = curve_of(rows, SHARE).limit
    edges = np.linspace(0, max(limit, 1e-6), _BARS + 1)
    groups = {
        "right": [row.radius for row in rows if row.correct],
        "wrong": [row.radius for row in rows if not row.correct and not row.abstained and row.label >= 0],
        "certified, label unknown": [row.radius for row in rows if not row.abstained and row.label < 0],
    }
    return {
        "name": name,
        "limit": limit,
        "known": bool(rows) and "votes" in rows[0].extra,
        "curves": curves,
        "edges": [round(float(e), 6) for e in edges],
        "bars": {k: np.histogram(v, edges)[0].tolist() for k, v in groups.items() if v},
        "abstained": sum(row.abstained for row in rows),
        "confusion": section.confusion,
    }


def _unsound(logs: Mapping[str, Sequence[Row]]) -> list[str]:
    return [f"{name}: {warning(rows)}" for name, rows in logs.items() if warning(rows)]


def _seconds(row: Row) -> float | None:
    """The ``time`` of a row in seconds, None for another project's way of writing it."""
    try:
        hours, minutes, seconds = row.time.rpartition(" ")[2].split(":")
        return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds)).total_seconds()
    except (ValueError, OverflowError):
        return None


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))


def _svg_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() if svg else ""


def _json(value: object) -> str:
    """For a script element: no character in it ends the element or is markup."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
