# SPDX-License-Identifier: Apache-2.0
"""A benchmark as a table, as JSON and as a chart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from intrs_edge.bench.speed import Comparison, Speed
from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.targets.board_cost import BoardCost, Estimate


@dataclass(frozen=True)
class Benchmark:
    """Everything one run of `bench` found out. ``path``: which kernels ran on this machine (avx2, portable ...)."""

    model: str
    macs: int
    threads: int
    batch: int
    path: str
    comparison: Comparison | None
    board: BoardCost | None
    estimate: Estimate | None
    sizes: dict[str, int]


def as_json(b: Benchmark) -> dict[str, Any]:
    """The figures; ``images_per_second`` is the host's median. What was not measured is null."""
    return {
        "model": b.model,
        "macs": b.macs,
        "threads": b.threads,
        "batch": b.batch,
        "host_path": b.path,
        "images_per_second": b.comparison.ours.median if b.comparison else None,
        "images_per_second_spread": list(b.comparison.ours.spread) if b.comparison else None,
        "peers": _peers(b.comparison) if b.comparison else [],
        "board": b.board.board if b.board else None,
        "counted_on": b.board.counted_on if b.board else None,
        "instructions_per_inference": b.board.instructions_per_inference if b.board else None,
        "instructions_per_noise_sample": b.board.instructions_per_noise_sample if b.board else None,
        "layers": [asdict(layer) for layer in b.board.layers] if b.board else [],
        "estimate": asdict(b.estimate) if b.estimate else None,
        **b.sizes,
    }


def _peers(c: Comparison) -> list[dict[str, Any]]:
    ran = [
        {
            "name": p.name,
            "version": p.version,
            "images_per_second": p.median,
            "images_per_second_spread": list(p.spread),
            "ratio": c.ratio(p),
        }
        for p in c.peers
    ]
    return ran + [{"name": p.name, "absent": p.why} for p in c.absent]


def as_text(b: Benchmark) -> str:
    """Tables for the terminal."""
    lines = [f"{b.model}: {b.macs / 1e6:.2f} million multiply-accumulates"]
    if b.comparison:
        lines += ["", *_host_lines(b, b.comparison)]
    if b.board:
        lines += ["", *_board_lines(b, b.board)]
    return "\n".join(lines)


def _host_lines(b: Benchmark, c: Comparison) -> list[str]:
    head = f"{'host':<24}{'images/s':>10}{'slowest':>10}{'fastest':>10}{'GMAC/s':>9}{'ours is':>9}"

    def row(s: Speed, ratio: str) -> str:
        low, high = s.spread
        figures = f"{s.median:>10.0f}{low:>10.0f}{high:>10.0f}{s.median * b.macs / 1e9:>9.1f}"
        return f"{s.name:<24}{figures}{ratio:>9}  {s.version}"

    lines = [head, row(c.ours, "")]
    lines += [row(p, f"{c.ratio(p):.2f}x") for p in sorted(c.peers, key=lambda p: -p.median)]
    lines += [f"{p.name:<24}{'absent':>10}  {p.why}" for p in c.absent]
    rounds = len(c.ours.rounds)
    lines.append(
        f"{b.threads} thread(s), {rounds} interleaved rounds; ours draws its noise and counts the votes too; "
        f"{b.path} kernels"
    )
    return lines


def _board_lines(b: Benchmark, cost: BoardCost) -> list[str]:
    per_mac = cost.instructions_per_inference / b.macs if b.macs else 0.0
    where = "" if cost.counted_on == cost.board else f", counted on {cost.counted_on}, which has the same core"
    lines = [
        f"board {cost.board}{where}",
        f"  instructions per inference     {cost.instructions_per_inference:>14,.0f}   "
        f"{per_mac:.3f} per multiply-accumulate",
        f"  instructions per noise sample  {cost.instructions_per_noise_sample:>14.1f}",
        *(f"  {name.replace('_', ' '):<29}  {value:>14,}" for name, value in b.sizes.items()),
    ]
    lines += [f"    {layer.position:>3}  {layer.kernel:<34}{layer.instructions:>14,.0f}" for layer in cost.layers]
    if b.estimate:
        e = b.estimate
        lines.append(
            f"  ESTIMATE, not measured: {e.seconds_per_sample * 1e3:.1f} ms a sample, {e.seconds_per_certificate:,.0f} "
            f"s a certificate of {e.samples:,} samples, at {e.clock_hz / 1e6:g} MHz and {e.cycles_per_instruction:g} "
            f"cycles per instruction ({e.source})"
        )
    return lines


def chart(b: Benchmark) -> str:
    """Images a second of every engine as bars, SVG text. IntrsError where nothing was measured on the host."""
    if b.comparison is None:
        raise IntrsError("a chart needs figures of the host: leave out --no-host")
    speeds = [b.comparison.ours, *sorted(b.comparison.peers, key=lambda p: -p.median)]
    top, step, left, width = 34, 34, 190, 640
    height = top + step * len(speeds) + 14
    scale = (width - left - 90) / max(s.median for s in speeds)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="20" font-weight="bold">{escape(b.model)}: images per second, {b.threads} thread(s)</text>',
    ]
    for i, s in enumerate(speeds):
        y = top + step * i
        bar, (low, high) = s.median * scale, s.spread
        out.append(f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(s.name)}</text>')
        out.append(
            f'<rect x="{left}" y="{y}" width="{bar:.1f}" height="24" fill="{"#1f6feb" if i == 0 else "#9aa4af"}"/>'
        )
        out.append(
            f'<path d="M{left + low * scale:.1f} {y + 12}H{left + high * scale:.1f}" stroke="#222" stroke-width="2"/>'
        )
        out.append(f'<text x="{left + max(bar, high * scale) + 6:.1f}" y="{y + 17}">{s.median:.0f}</text>')
    return "\n".join([*out, "</svg>", ""])


def write_chart(b: Benchmark, path: Path) -> None:
    """The chart to an .svg file, whole or not at all."""
    if path.suffix != ".svg":
        raise IntrsError(f"chart {path}: charts are written as .svg")
    write_atomically(path, chart(b), "chart")
