"""Certified accuracy over radius: an SVG that needs nothing, a PNG when matplotlib is there, a table of text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, labelled
from intrs_edge.evaluate.metrics import certified_accuracy, curve
from intrs_edge.files import write_atomically

_COLOURS = ("#1f6feb", "#d1491f", "#2d8a4e", "#8250c4", "#9a6700", "#0f7b8a")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 380, 62, 24, 20, 52
X_LABEL = "certified l2 radius ([0,1] pixels)"
Y_LABEL = "certified accuracy (abstain = wrong)"


def draw(logs: Mapping[str, Sequence[Row]], path: Path, title: str = "") -> None:
    """Writes the curves of ``logs`` (name -> rows) to ``path``; its suffix, .svg or .png, chooses the form.

    Raises IntrsError for another suffix, and for .png without matplotlib.
    """
    if path.suffix == ".svg":
        write_atomically(path, svg(logs, title), "plot")
    elif path.suffix == ".png":
        _png(logs, path, title)
    else:
        raise IntrsError(f"plot {path}: plots are written as .svg or .png")


def svg(logs: Mapping[str, Sequence[Row]], title: str = "") -> str:
    """The plot as SVG text."""
    logs = labelled(logs)
    right = _axis_end(logs)
    plot_w, plot_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(radius: float) -> float:
        return _LEFT + radius / right * plot_w

    def y(accuracy: float) -> float:
        return _TOP + (1 - accuracy) * plot_h

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for tick in range(0, 101, 20):
        level = y(tick / 100)
        out.append(f'<path d="M{_LEFT} {level:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{tick} %</text>')
    step = _tick_step(right)
    for k in range(round(right / step) + 1):
        out.append(f'<path d="M{x(k * step):.1f} {y(0)}v5" stroke="#333"/>')
        out.append(f'<text x="{x(k * step):.1f}" y="{y(0) + 19}" text-anchor="middle">{k * step:g}</text>')
    out.append(f'<path d="M{_LEFT} {_TOP}V{y(0)}H{_WIDTH - _RIGHT}" fill="none" stroke="#333"/>')
    out.append(f'<text x="{_LEFT + plot_w / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(X_LABEL)}</text>')
    middle = _TOP + plot_h / 2
    out.append(f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(Y_LABEL)}</text>')
    if title:
        out.append(
            f'<text x="{_LEFT + plot_w / 2}" y="15" text-anchor="middle" font-weight="bold">{escape(title)}</text>'
        )
    for k, (name, rows) in enumerate(logs.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        points = curve(rows)
        path = f"M{x(0):.2f} {y(points[0][1]):.2f}"
        for (radius, _), (_, lower) in zip(points, [*points[1:], (right, 0.0)], strict=True):
            path += f"H{x(radius):.2f}V{y(lower):.2f}"
        path += f"H{x(right):.2f}"
        dash = ' stroke-dasharray="6 4"' if k % 2 else ""  # two curves that coincide must both be seen
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        level = _TOP + 16 + 18 * k
        out.append(f'<path d="M{_WIDTH - 190} {level}h24" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{_WIDTH - 160}" y="{level + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def text_table(logs: Mapping[str, Sequence[Row]], radii: Sequence[float]) -> str:
    """Certified accuracy at ``radii``, one line a log, for a terminal."""
    logs = labelled(logs)
    width = max([len(name) for name in logs] + [len("radius")])
    lines = [f"{'radius':<{width}}" + "".join(f"{radius:>8.2f}" for radius in radii)]
    for name, rows in logs.items():
        cells = "".join(f"{100 * certified_accuracy(rows, radius):>7.1f}%" for radius in radii)
        lines.append(f"{name:<{width}}{cells}")
    return "\n".join(lines)


def _axis_end(logs: Mapping[str, Sequence[Row]]) -> float:
    largest = max((row.radius for rows in logs.values() for row in rows), default=0.0)
    step = _tick_step(max(largest * 1.05, 0.1))
    return ceil(max(largest * 1.05, 0.1) / step) * step


def _tick_step(extent: float) -> float:
    """1, 2 or 5 times a power of ten that gives four to ten ticks."""
    base: float = 10.0 ** floor(log10(extent / 4))
    return next((m * base for m in (5, 2) if extent / (m * base) >= 4), base)


def _png(logs: Mapping[str, Sequence[Row]], path: Path, title: str) -> None:
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415
    except ImportError:
        raise IntrsError(
            f"plot {path}: a PNG needs matplotlib (pip install 'intrs-edge[report]'); .svg needs nothing"
        ) from None
    logs = labelled(logs)
    figure, axes = plt.subplots(figsize=(6.4, 3.8), dpi=150)
    right = _axis_end(logs)
    for k, (name, rows) in enumerate(logs.items()):
        points = [*curve(rows), (right, 0.0)]
        axes.step(
            [r for r, _ in points],
            [a for _, a in points],
            where="pre",
            label=name,
            linestyle="-" if k % 2 == 0 else "--",
        )
    axes.set(xlabel=X_LABEL, ylabel=Y_LABEL, xlim=(0, right), ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    write_atomically(path, drawn.getvalue(), "plot")
