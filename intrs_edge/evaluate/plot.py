# SPDX-License-Identifier: Apache-2.0
"""Certified accuracy over radius for papers and slides: SVG, PNG and PDF by matplotlib; and as a table of text."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.curves import COHEN, SHARE, all_labelled, curve_of
from intrs_edge.evaluate.log import Row, labelled
from intrs_edge.evaluate.metrics import certified_accuracy
from intrs_edge.files import write_atomically

COLOURS = ("#0b62c4", "#c4420b", "#1a7f4b", "#7b3fc4", "#8a6100", "#0f7b8a")
SUFFIXES = (".svg", ".png", ".pdf")
X_LABEL = "certified l2 radius ([0,1] pixels)"
Y_LABELS = {
    COHEN: "certified accuracy (abstain = wrong)",
    SHARE: "certified share (labels are missing)",
}
_WRAP = 72  # characters of a name in the legend's line


def draw(logs: Mapping[str, Sequence[Row]], path: Path, title: str = "") -> None:
    """Writes the curves of ``logs`` (name -> rows) with their 95 % bands to ``path``; its suffix chooses the form.

    Without labels in some log, the curves are of the certified share. Raises IntrsError for a suffix that is none of
    SUFFIXES, and without matplotlib.
    """
    if path.suffix not in SUFFIXES:
        raise IntrsError(f"plot {path}: plots are written as .svg, .png or .pdf")
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise IntrsError(
            f"plot {path}: plots need matplotlib: pip install 'intrs-edge[report]' (report -o page.md needs nothing)"
        ) from None
    # text stays text, and the same logs give the same bytes
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "intrs-edge", "pdf.fonttype": 42}):
        figure = Figure(figsize=(6.4, 4.0), dpi=200)
        _fill(figure.add_subplot(), labelled(logs), title)
        drawn = io.BytesIO()
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
        figure.savefig(drawn, format=path.suffix[1:], bbox_inches="tight", metadata=metadata)
    write_atomically(path, drawn.getvalue(), "plot")


def _fill(axes: Any, logs: Mapping[str, Sequence[Row]], title: str) -> None:
    kind = COHEN if all(map(all_labelled, logs.values())) else SHARE
    for k, (name, rows) in enumerate(logs.items()):
        curve, shown = curve_of(rows, kind), textwrap.fill(name, _WRAP).replace("$", r"\$")  # no formulas in names
        colour, dash = COLOURS[k % len(COLOURS)], "-" if k % 2 == 0 else "--"  # two curves that coincide are both seen
        axes.step(curve.radii, 100 * curve.share, where="pre", color=colour, linestyle=dash, label=shown)
        axes.fill_between(
            curve.radii, 100 * curve.lower, 100 * curve.upper, step="pre", color=colour, alpha=0.15, linewidth=0
        )
    axes.set(xlabel=X_LABEL, ylabel=f"{Y_LABELS[kind]}, %", xlim=(0, None), ylim=(0, 102), title=title)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    # below the axes, where a long name has the whole width
    axes.legend(loc="upper left", bbox_to_anchor=(-0.1, -0.16), frameon=False, ncols=1)


def text_table(logs: Mapping[str, Sequence[Row]], radii: Sequence[float]) -> str:
    """Certified accuracy at ``radii``, one line a log, for a terminal."""
    logs = labelled(logs)
    width = max([len(name) for name in logs] + [len("radius")])
    lines = [f"{'radius':<{width}}" + "".join(f"{radius:>8.2f}" for radius in radii)]
    for name, rows in logs.items():
        cells = "".join(f"{100 * certified_accuracy(rows, radius):>7.1f}%" for radius in radii)
        lines.append(f"{name:<{width}}{cells}")
    return "\n".join(lines)
