# SPDX-License-Identifier: Apache-2.0
"""What a study leaves: a table, a figure (PNG, SVG, PDF), its settings and a page."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.study.work import Work

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class Series:
    """Points of one line or group of bars; ``low`` and ``high`` are the ends of its band, where it has one."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Figure:
    """A plot. ticks: names of x = 0, 1, .. where x counts things, which are drawn as bars. log: a logarithmic y."""

    x_label: str
    y_label: str
    series: Sequence[Series]
    ticks: Sequence[str] = ()
    log: bool = False


@dataclass(frozen=True)
class Result:
    """What was found: a table (header, lines), its figure, and what must be said with it. ok: whether every check that
    the study makes has held."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    figure: Figure
    notes: Sequence[str] = ()
    ok: bool = True
    figures: dict[str, Any] = field(default_factory=dict)


def need_matplotlib() -> None:
    """Raises IntrsError where figures cannot be drawn: before hours of work, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise IntrsError("a study draws its figures with matplotlib: pip install 'intrs-edge[report]'")


def write(work: Work, result: Result) -> None:
    """Writes table.tsv, figure.*, settings.json, figures.json and report.md into the study's folder."""
    rows = [list(result.header), *(list(line) for line in result.lines)]
    write_atomically(work.out / "table.tsv", "".join("\t".join(row) + "\n" for row in rows), "table")
    for kind, data in draw(result.figure, work.study.title).items():
        write_atomically(work.out / f"figure.{kind}", data, "figure")
    write_atomically(work.out / "settings.json", json.dumps(work.settings(), indent=1) + "\n", "settings")
    write_atomically(work.out / "figures.json", json.dumps(result.figures, indent=1) + "\n", "figures")
    write_atomically(work.out / "report.md", page(work, result), "report")


def page(work: Work, result: Result) -> str:
    """The report, one page of Markdown."""
    told = work.settings()
    cases = "; ".join(f"{c.name}: {c.model}, {c.method}" for c in work.study.case)
    settings = ", ".join(
        f"{k} {v}" for k, v in told.items() if k not in ("title", "about", "case", "study") and v != []
    )
    notes = [f"- {note}" for note in (*result.notes, *work.differences)]
    sources = [f"- {line}" for line in work.sources]
    parts = [
        f"# {work.study.title}",
        work.study.about,
        "![figure](figure.svg)",
        markdown(result.header, result.lines),
        *(["\n".join(notes)] if notes else []),
        "## Settings",
        f"Study `{work.name}`: {settings}. Cases: {cases}.",
        *(["\n".join(sources)] if sources else []),
    ]
    return "\n\n".join(parts) + "\n"


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([row(header), "|" + " --- |" * len(header), *map(row, lines)])


def text(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(line[k]) for line in [header, *lines]) for k in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [header, *lines]
    )


def draw(figure: Figure, title: str) -> dict[str, bytes]:
    """The figure in every format. Raises IntrsError without matplotlib."""
    need_matplotlib()
    mpl = importlib.import_module("matplotlib")
    mpl.use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    # the same figures give the same bytes, and text stays text
    with mpl.rc_context({"svg.hashsalt": "intrs-edge", "svg.fonttype": "none", "pdf.fonttype": 42}):
        canvas, axes = plt.subplots(figsize=(7, 4.2), dpi=150)
        for k, series in enumerate(figure.series):
            if figure.ticks:
                width = 0.8 / len(figure.series)
                bars = axes.bar([x - 0.4 + (k + 0.5) * width for x in series.x], series.y, width, label=series.name)
                axes.bar_label(bars, fmt="%.3g", fontsize=6)
            else:
                axes.plot(series.x, series.y, marker="o", markersize=3, label=series.name)
                if series.low:
                    axes.fill_between(series.x, series.low, series.high, alpha=0.15)
        if figure.ticks:
            axes.set_xticks(range(len(figure.ticks)), figure.ticks, fontsize=7)
        axes.set(xlabel=figure.x_label, ylabel=figure.y_label, title=title)
        if figure.log:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
        canvas.tight_layout()
        found = {}
        for kind in FORMATS:
            drawn = io.BytesIO()
            date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
            canvas.savefig(drawn, format=kind, metadata=date)
            found[kind] = drawn.getvalue()
        plt.close(canvas)
    return found
