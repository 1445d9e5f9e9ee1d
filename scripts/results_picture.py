"""Draws README's picture from the shipped logs: docs/images/cifar10.svg. Needs matplotlib."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent))
from intrs_edge.files import write_atomically
from results import PUBLISHED, RADII, ROOT, Cell, logs

PICTURE = ROOT / "docs" / "images" / "cifar10.svg"
SHOWN = {
    "0.25": "Cohen et al. 2019, ResNet-110",
    "0.5": "Cohen et al. 2019, ResNet-110",
}
# network -> colour of its curve
COLOURS = {
    "int8 ResNet-20, sigma 0.25": "#6aa5e8",
    "int8 ResNet-20, sigma 0.25, consistency": "#0b3d91",
    "int8 ResNet-20, sigma 0.50": "#c4420b",
}
PUBLISHED_COLOURS = {"0.25": "#6aa5e8", "0.5": "#c4420b"}

Curve = list[tuple[float, Cell]]


def weight(curve: Curve) -> tuple[int, int]:
    """(radii, samples) of a curve's logs."""
    return len(curve), curve[0][1].n


def curves() -> dict[str, Curve]:
    """Of every network its logs of most radii, and of those with as many its logs of most samples."""
    found: dict[str, Curve] = {}
    for _, name, cells in (*logs("certified-accuracy"), *logs("certified-accuracy", "union-bound")):
        known = [(float(r), c) for r, c in cells.items() if c is not None]
        if name not in found or weight(known) > weight(found[name]):
            found[name] = known
    return found


def picture() -> bytes:
    """The SVG: ours with 95 % bands, the published curves beside them."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "intrs-edge"}):
        figure = Figure(figsize=(7.2, 3.9))
        axes = figure.add_subplot()
        for name, known in curves().items():
            x, y = [r for r, _ in known], [100 * c.share for _, c in known]
            bars = [[100 * (c.share - c.low) for _, c in known], [100 * (c.high - c.share) for _, c in known]]
            axes.errorbar(x, y, bars, fmt="o-", color=COLOURS[name], capsize=3, label=f"{name}: integers only")
        for sigma, shown in SHOWN.items():
            values = dict(PUBLISHED[sigma])[shown]
            radii = [float(r) for r in RADII[: len(values)]]
            label = f"{shown}, sigma {sigma}: fp32"
            axes.plot(radii, values, "s--", color=PUBLISHED_COLOURS[sigma], alpha=0.6, label=label)
        axes.set(xlabel="certified l2 radius ([0,1] pixels)", ylabel="certified accuracy, %")
        axes.set(ylim=(0, 90), xlim=(-0.02, 1.02))
        axes.set_title("CIFAR-10: int8 ResNet-20, 0.27 M weights, beside the published fp32 ResNet-110", fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", bbox_inches="tight", metadata={"Date": None})
    return drawn.getvalue()


if __name__ == "__main__":
    write_atomically(PICTURE, picture())
