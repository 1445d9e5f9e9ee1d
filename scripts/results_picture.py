"""Draws README's picture from the shipped logs: docs/images/cifar10.svg. Needs matplotlib."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent))
from intrs_edge.files import write_atomically
from results import PUBLISHED, RADII, ROOT, logs

PICTURE = ROOT / "docs" / "images" / "cifar10.svg"
SHOWN = {
    "0.25": "Cohen et al. 2019, ResNet-110",
    "0.5": "Cohen et al. 2019, ResNet-110",
}
COLOURS = {"0.25": "#0b62c4", "0.5": "#c4420b"}


def picture() -> bytes:
    """The SVG: ours with 95 % bands, the published curve beside it."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "intrs-edge"}):
        figure = Figure(figsize=(7.2, 3.9))
        axes = figure.add_subplot()
        for sigma, name, cells in (*logs("certified-accuracy"), *logs("certified-accuracy", "union-bound")):
            if sigma not in SHOWN:
                continue
            known = [(float(r), c) for r, c in cells.items() if c is not None]
            x, y = [r for r, _ in known], [100 * c.share for _, c in known]
            bars = [[100 * (c.share - c.low) for _, c in known], [100 * (c.high - c.share) for _, c in known]]
            axes.errorbar(x, y, bars, fmt="o-", color=COLOURS[sigma], capsize=3, label=f"{name}: integers only")
            values = dict(PUBLISHED[sigma])[SHOWN[sigma]]
            label = f"{SHOWN[sigma]}, sigma {sigma}: fp32"
            radii = [float(r) for r in RADII[: len(values)]]
            axes.plot(radii, values, "s--", color=COLOURS[sigma], alpha=0.5, label=label)
        axes.set(xlabel="certified l2 radius ([0,1] pixels)", ylabel="certified accuracy, %")
        axes.set(ylim=(0, 90), xlim=(-0.02, 1.02))
        axes.set_title("CIFAR-10: int8 ResNet-20, 0.27 M weights, beside the published fp32 ResNet-110", fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", bbox_inches="tight", metadata={"Date": None})
    return drawn.getvalue()


if __name__ == "__main__":
    write_atomically(PICTURE, picture())
