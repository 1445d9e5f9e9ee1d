# SPDX-License-Identifier: Apache-2.0
"""What logs say, as tables: for the terminal, Markdown, LaTeX and CSV. The page is `page`'s."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.curves import COHEN, EQ10, SHARE, all_labelled, curve_of, possible_radius, reachable
from intrs_edge.evaluate.log import SETTINGS, Row, labelled
from intrs_edge.evaluate.metrics import L1, LINF, RADII, Summary, summarise
from intrs_edge.files import write_atomically

NOTES = (
    "A certificate says: every image of integer pixels within this l2 distance of the image that the device received "
    "gets the same answer from the smoothed classifier, except with probability alpha per image. "
    "Certified accuracy after Cohen et al. 2019 counts an abstention as wrong and divides by all images; "
    "equation 10 of Lin et al. 2021 divides by the images that were not abstained on. "
    "In brackets: what the true certified accuracy of these images is at least, at all radii at once, if no more "
    "certificates are false than chance allows but once in 1000 logs. "
    "linf and l1 are in steps of 1/255 and follow from the l2 distance, exactly, for changes by whole steps."
)
COMPARED = ("shape", "sigma", "n0", "n", "alpha", "noise", "certificate", "mode")


def differences(logs: Mapping[str, Sequence[Row]]) -> list[str]:
    """Why figures of these logs cannot be set beside each other as they are: other images, other settings."""
    found = []
    held = {name: _images(rows) for name, rows in logs.items()}
    if len(set(held.values())) > 1:
        told = "; ".join(f"{name}: {len(rows)} of {_setting(rows, 'source') or '?'}" for name, rows in logs.items())
        found.append(f"the logs hold different images ({told}): their shares are of different wholes")
    known = {name: rows for name, rows in logs.items() if rows and "sigma" in rows[0].extra}
    if 0 < len(known) < len(logs):
        others = ", ".join(name for name in logs if name not in known)
        found.append(f"it is not known with which settings these logs were made: {others}")
    for setting in COMPARED:
        values = {name: _setting(rows, setting) for name, rows in known.items()}
        if len(set(values.values())) > 1:
            found.append(f"{setting} differs: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    return found


def _images(rows: Sequence[Row]) -> object:
    """What two logs of the same images have in common: the digest, or number and label of each."""
    if rows and "images" in rows[0].extra:
        return frozenset((row.idx, row.label, row.extra["pixels"]) for row in rows)
    return frozenset((row.idx, row.label) for row in rows)


def table(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the figures, as text: both conventions, and certificates that are not sound, labelled.

    Without any labels, shares of certified images stand in the place of accuracies. A dash is where the settings of a
    log can certify no such radius; of the default radii those are left out that none can.
    """
    if radii is RADII:
        radii = reachable(logs.values())
    limits = [possible_radius(rows) for rows in logs.values()]

    def cells(found: Iterable[str], radius: float) -> list[str]:
        return [text if radius <= limit or not radius else "-" for text, limit in zip(found, limits, strict=True)]

    summaries = {name: summarise(rows, radii) for name, rows in labelled(logs).items()}
    of = summaries.values()
    lines = [
        ["images", *(str(s.images) for s in of)],
        ["abstained", *(str(s.abstained) for s in of)],
        ["certified percentage (not abstained / all)", *(percent(s.certified_percentage) for s in of)],
        ["average certified radius (ACR)", *(_radius(s.average_certified_radius) for s in of)],
    ]
    if any(s.certified_accuracy is None for s in of):
        lines.append(["mean radius, right or wrong", *(_radius(s.mean_radius) for s in of)])
        for k, radius in enumerate(radii):
            shares = (percent(s.certified_share[k]) for s in of)
            lines.append([f"certified at {radius:g}, right or wrong", *cells(shares, radius)])
    if any(s.certified_accuracy is not None for s in of):
        false = (s.false_certificates_at_most for s in of)
        lines.append(["false certificates, at most", *("-" if f is None else str(f) for f in false)])
        for k, radius in enumerate(radii):
            lines.append([f"certified accuracy at {radius:g} (Cohen)", *cells((_with_bound(s, k) for s in of), radius)])
        for k, radius in enumerate(radii):
            values = (percent(_at(s.certified_accuracy_eq10, k)) for s in of)
            lines.append([f"certified accuracy at {radius:g} (eq. 10)", *cells(values, radius)])
    return ["", *summaries], lines + _norms(list(of))


def _at(values: Sequence[float] | None, k: int) -> float | None:
    return None if values is None else values[k]


def _with_bound(summary: Summary, k: int) -> str:
    """Certified accuracy at the k-th radius, and what is proved of the true one."""
    found, proved = summary.certified_accuracy, summary.true_accuracy_at_least
    return percent(_at(found, k)) + (f" (>= {percent(proved[k])})" if proved is not None else "")


def _norms(summaries: Sequence[Summary]) -> list[list[str]]:
    """The lines of the other norms: those that any certificate reaches, and the first."""
    labels = all(s.certified_accuracy is not None for s in summaries)
    what = "certified accuracy" if labels else "certified, right or wrong,"
    lines = []
    for norm, steps, text in (
        ("linf", LINF, "with every value off by at most {} (linf)"), ("l1", L1, "with a sum of changes of {} (l1)")
    ):  # fmt: skip
        field = f"certified_accuracy_{norm}" if labels else f"certified_share_{norm}"
        shares = [getattr(s, field) for s in summaries]
        for k, step in enumerate(steps):
            if any(share is not None and (share[k] > 0 or k == 0) for share in shares):
                lines.append([f"{what} {text.format(step)}", *(percent(_at(share, k)) for share in shares)])
    return lines


def settings_table(logs: Mapping[str, Sequence[Row]]) -> tuple[list[str], list[list[str]]]:
    """How each log was made; empty lines for a log of the community's columns only."""
    logs = labelled(logs)
    return ["setting", *logs], [[name, *(_setting(rows, name) for rows in logs.values())] for name in SETTINGS]


def markdown(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> str:
    """The tables as a page of Markdown."""
    figures, settings = _markdown_table(*table(logs, radii)), _markdown_table(*settings_table(logs))
    warned = "".join(f"**Warning:** {line}.\n\n" for line in differences(logs))
    return f"# Certification report\n\n{warned}{figures}\n\n{NOTES}\n\n## Settings\n\n{settings}\n"


def latex(logs: Mapping[str, Sequence[Row]], radii: Sequence[float] = RADII) -> str:
    """A table for a paper (booktabs), a line a log: ACR and certified accuracy (Cohen) in per cent at each radius."""
    if radii is RADII:
        radii = reachable(logs.values())
    head = " & ".join(["", "ACR", *(f"{radius:g}" for radius in radii)])
    lines = [
        "% certified accuracy in per cent (abstaining is wrong) at l2 radii in [0,1] pixels",
        "% needs \\usepackage{booktabs}",
        *(f"% warning: {line}" for line in differences(logs)),
        f"\\begin{{tabular}}{{l{'r' * (len(radii) + 1)}}}",
        "\\toprule",
        f"{head} \\\\",
        "\\midrule",
    ]
    for name, rows in labelled(logs).items():
        summary = summarise(rows, radii)
        accuracy = summary.certified_accuracy
        limit, cells = possible_radius(rows), ["--"] * len(radii)
        if accuracy is not None:
            shares = zip(radii, accuracy, strict=True)
            cells = [f"{100 * a:.1f}" if radius <= limit or not radius else "--" for radius, a in shares]
        acr = summary.average_certified_radius
        lines.append(" & ".join([_latex(name), "--" if acr is None else f"{acr:.3f}", *cells]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def csv_table(logs: Mapping[str, Sequence[Row]]) -> str:
    """The curves as plots draw them, a line a point: fractions, the band's bounds (95 %) beside Cohen's."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["log", "radius", "certified_accuracy", "lower", "upper", "certified_accuracy_eq10", "certified_share"]
    )
    for name, rows in labelled(logs).items():
        share = curve_of(rows, SHARE)
        accuracies = [curve_of(rows, kind) for kind in (COHEN, EQ10)] if all_labelled(rows) else []
        for radius in sorted({float(r) for curve in (share, *accuracies) for r in curve.radii}):
            cells: list[object] = [""] * 4
            if accuracies:
                cells = [*accuracies[0].at(radius), accuracies[1].at(radius)[0]]
            writer.writerow([name, f"{radius:.6f}", *cells, share.at(radius)[0]])
    return out.getvalue()


def write_table(logs: Mapping[str, Sequence[Row]], path: Path, radii: Sequence[float] = RADII) -> None:
    """Writes a table as ``path``'s suffix says: .md, .tex or .csv (IntrsError for another)."""
    if path.suffix == ".md":
        text = markdown(logs, radii)
    elif path.suffix == ".tex":
        text = latex(logs, radii)
    elif path.suffix == ".csv":
        text = csv_table(logs)
    else:
        raise IntrsError(f"table {path}: tables are written as .md, .tex or .csv")
    write_atomically(path, text, "table")


def percent(fraction: float | None) -> str:
    """One digit after the point; a dash for what is not known."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def _radius(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _setting(rows: Sequence[Row], name: str) -> str:
    values = {row.extra.get(name, "") for row in rows}
    return values.pop() if len(values) == 1 else "several"


def _latex(text: str) -> str:
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}"}  # fmt: skip
    return "".join(special.get(c, c) for c in text)


def _markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([row(header), "|" + " --- |" * len(header), *map(row, lines)])
