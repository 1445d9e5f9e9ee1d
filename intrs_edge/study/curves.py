# SPDX-License-Identifier: Apache-2.0
"""Certified accuracy and percentage over radius, and a network's noise against the certificate's (figures 3 to 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from intrs_edge.evaluate.curves import interval
from intrs_edge.evaluate.log import Row, warning
from intrs_edge.evaluate.metrics import certified_accuracy
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.results import lattice_squared
from intrs_edge.study.output import Figure, Result, Series
from intrs_edge.study.settings import Case
from intrs_edge.study.work import LEAST, Work

Share = Callable[[Sequence[Row], Decimal], float]


def accuracy(rows: Sequence[Row], radius: Decimal) -> float:
    """Certified accuracy at a radius (Cohen's: over all images)."""
    return certified_accuracy(rows, float(radius))


def percentage(rows: Sequence[Row], radius: Decimal) -> float:
    """The share of all images with a certificate of at least this radius, right or wrong."""
    squared = max(1, lattice_squared(exact(str(radius))))
    return sum(int(row.extra["L"]) >= squared for row in rows) / len(rows)


def band(share: float, images: int) -> tuple[float, float]:
    """The exact 95 % interval (Clopper and Pearson 1934) of a share that was seen on so many images."""
    low, high = interval(np.array([round(share * images)]), images)
    return float(low[0]), float(high[0])


def run(work: Work) -> Result:
    """The study kinds certified-accuracy, certified-percentage and mismatch."""
    share = percentage if work.study.kind == "certified-percentage" else accuracy
    cases = [c for case in work.study.case for c in _at_sigmas(work, case)]
    radii, of_radius = work.study.radii, work.study.mode == "target-radius"
    runs = len(cases) * (len(radii) if of_radius else 1)
    series, lines, notes, figures = [], [], set(), {}
    for case in cases:
        found: list[tuple[float, int, float]] = []
        every: list[Row] = []
        if not of_radius:
            runs -= 1
            every = work.rows(case, runs)
        for radius in radii:
            if of_radius:
                runs -= 1
                if not work.reachable(case, radius):
                    found.append((0.0, found[0][1], 0.0))
                    notes.add(f"{case.name}: n {work.study.n} proves no radius of {radius}, so nothing was run for it")
                    continue
                every = work.rows(case, runs, radius)
            found.append((share(every, radius), len(every), sum(int(r.extra["samples"]) for r in every) / len(every)))
            notes |= {f"{case.name}: {warning(every)}"} if warning(every) else set()
        bands = [band(s, n) for s, n, _ in found]
        series.append(Series(case.name, [float(r) for r in radii], [100 * s for s, _, _ in found], *_ends(bands)))
        cells = [f"{100 * s:.1f} ({100 * a:.1f}-{100 * b:.1f})" for (s, _, _), (a, b) in zip(found, bands, strict=True)]
        lines.append([case.name, *cells, str(found[0][1]), f"{sum(m for _, _, m in found) / len(found):.0f}"])
        figures[case.name] = {
            str(r): {"share": s, "low": a, "high": b, "images": n, "mean_samples": m}
            for r, (s, n, m), (a, b) in zip(radii, found, bands, strict=True)
        }
    what = "certified percentage" if share is percentage else "certified accuracy"
    how = [
        f"{what.capitalize()} in per cent at each radius ([0,1] pixels), with the exact 95 % band of so many images."
    ]
    if of_radius:
        how.append(
            f"Each radius was decided by a run of its own (--target-radius), n at most {work.study.n}; "
            f"radius 0 is one of {LEAST}, one lattice step."
        )
    header = [work.study.kind, *(f"r = {r:g}" for r in map(float, radii)), "images", "mean samples an image"]
    figure = Figure("certified l2 radius ([0,1] pixels)", f"{what} (%)", series)
    return Result(header, lines, figure, [*how, *sorted(notes)], not work.differences, figures)


def _at_sigmas(work: Work, case: Case) -> list[Case]:
    """The case, or its copies at each sigma of the certificate."""
    return [replace(case, name=f"{case.name} at {s}", sigma=s) for s in work.study.sigmas] or [case]


def _ends(bands: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [100 * a for a, _ in bands], [100 * b for _, b in bands]
