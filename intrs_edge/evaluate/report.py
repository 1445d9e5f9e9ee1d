"""A report from logs: one self-contained HTML page, or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import SETTINGS, Row, labelled
from intrs_edge.evaluate.metrics import RADII, Summary, summarise
from intrs_edge.evaluate.plot import svg
from intrs_edge.files import write_atomically

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.25em .6em;text-align:right}th:first-child,td:first-child{text-align:left}"
)
NOTES = (
    "A certificate says: every image of integer pixels within this l2 distance of the image that the device received "
    "gets the same answer from the smoothed classifier, except with probability alpha per image. "
    "Certified accuracy after Cohen et al. 2019 counts an abstention as wrong and divides by all images; "
    "equation 10 of Lin et al. 2021 divides by the images that were not abstained on."
)


def write_report(logs: Mapping[str, Sequence[Row]], path: Path, radii: Sequence[float] = RADII) -> None:
    """Writes the report on ``logs`` (name -> rows) as ``path``'s suffix says: .html or .md (IntrsError for another)."""
    if path.suffix == ".html":
        text = html(logs, radii)
    elif path.suffix == ".md":
        text = markdown(logs, radii)
    else:
        raise IntrsError(f"report {path}: reports are written as .html or .md")
    write_atomically(path, text, "report")


def table(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the figures, as text: both conventions, and certificates that are not sound, labelled."""
    summaries = {name: summarise(rows, radii) for name, rows in labelled(logs).items()}
    header = ["", *summaries]
    lines = [
        ["images", *(str(s.images) for s in summaries.values())],
        ["abstained", *(str(s.abstained) for s in summaries.values())],
        ["certified percentage (not abstained / all)", *(_pc(s.certified_percentage) for s in summaries.values())],
        ["average certified radius (ACR)", *(f"{s.average_certified_radius:.4f}" for s in summaries.values())],
    ]
    for k, radius in enumerate(radii):
        lines.append(
            [f"certified accuracy at {radius:g} (Cohen)", *(_pc(s.certified_accuracy[k]) for s in summaries.values())]
        )
    for k, radius in enumerate(radii):
        lines.append([f"certified accuracy at {radius:g} (eq. 10)", *(_eq10(s, k) for s in summaries.values())])
    return header, lines


def settings_table(logs: Mapping[str, Sequence[Row]]) -> tuple[list[str], list[list[str]]]:
    """How each log was made; empty lines for a log of the community's columns only."""
    logs = labelled(logs)
    return ["setting", *logs], [[name, *(_setting(rows, name) for rows in logs.values())] for name in SETTINGS]


def html(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> str:
    """The page, its plot inside it."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Certification report</title>',
        f"<style>{_STYLE}</style>",
        "<h1>Certification report</h1>",
        svg(logs),
        "<h2>Figures</h2>",
        _html_table(*table(logs, radii)),
        f"<p>{escape(NOTES)}</p>",
        "<h2>Settings</h2>",
        _html_table(*settings_table(logs)),
    ]
    return "\n".join(parts) + "\n</html>\n"


def markdown(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> str:
    """The same, without the plot."""
    figures, settings = _markdown_table(*table(logs, radii)), _markdown_table(*settings_table(logs))
    return f"# Certification report\n\n{figures}\n\n{NOTES}\n\n## Settings\n\n{settings}\n"


def _pc(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _eq10(summary: Summary, k: int) -> str:
    return _pc(summary.certified_accuracy_eq10[k])


def _setting(rows: Sequence[Row], name: str) -> str:
    values = {row.extra.get(name, "") for row in rows}
    return values.pop() if len(values) == 1 else "several"


def _html_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def _markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([row(header), "|" + " --- |" * len(header), *map(row, lines)])
