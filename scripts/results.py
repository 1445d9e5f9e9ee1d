"""Writes docs/results.md, the shipped logs (results/) beside published figures: python scripts/results.py [--check]."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from wrap_docs import wrapped

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certified_accuracy, read_log
from intrs_edge.evaluate.log import Row, warning
from intrs_edge.evaluate.proof import check_radii, smoothing_of
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.binomial import smallest_count, tail_at_most
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.results import lattice_squared
from intrs_edge.study.curves import band
from intrs_edge.study.output import markdown
from intrs_edge.study.settings import slug
from intrs_edge.typed import read_toml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
RADII = ("0.0", "0.25", "0.5", "0.75", "1.0")
FINE_RADII = ("0.0", "0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875", "1.0", "1.125")
# published, all 10 000 test images, N = 100 000, alpha 0.001, fp32; r = 0, .25, .5, .75, 1.0 in per cent
PUBLISHED: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {
    "0.25": (
        ("Cohen et al. 2019, ResNet-110", (76.7, 61.2, 42.3, 25.1, 0.0)),
        ("Consistency (Jeong and Shin 2020), ResNet-110", (77.8, 68.8, 57.4, 43.8)),
        ("SmoothAdv (Salman et al. 2019), ResNet-110", (74.8, 66.7, 57.6, 47.8, 0.0)),
        ("CAT-RS, ResNet-110", (76.3, 68.1, 58.8, 48.2)),
    ),
    "0.5": (
        ("Gaussian augmentation, ResNet-20", (67.0, 55.4, 42.8, 31.4, 22.0)),
        ("Consistency (weight 10), ResNet-20", (60.5, 54.4, 47.7, 40.9, 34.4)),
        ("MACER, ResNet-20", (63.0, 55.7, 48.2, 40.5, 32.6)),
        ("SmoothAdv, ResNet-20", (63.0, 56.5, 48.9, 41.8, 34.9)),
        ("Cohen et al. 2019, ResNet-110", (65.7, 54.9, 42.8, 32.5, 22.0)),
    ),
}


INTRODUCTION = """\
Written by `scripts/results.py` from the logs in `results/`; nothing here was typed in. Certified accuracy in per cent
after Cohen et al. 2019: answered rightly and certified at the radius, over all images. Every radius of ours was decided
by a run of its own (`--target-radius`, alpha 0.001 per image and radius, radius 0 as one lattice step), with n samples
at most; in brackets the exact 95 % band of so many images. The logs at n = 100 000 are of 0.1.0, whose looks a union
bound proves: this script proves each of their lines again. Published rows are of all 10 000 test images at N = 100 000,
in floating point."""
EFFICIENCY = ROOT / "results" / "efficiency.json"
SPEED = """\
The study `efficiency`, one run: seconds an image of 100 000 samples on one thread of a busy two-core x86-64 machine
(AVX2), the methods in turn; `--target-radius 0.5` is the mean over 50 images. Boards are estimates from counted
instructions, a stated number of cycles for each, and the stated power."""
THREE = """\
The same network, images, n and alpha by three methods (study `three-methods`); the floating-point ones carry no proof
on a machine."""


TWO_SIDED = """\
The same 500 images, noise and n = 1000 samples an image, all counted (mode fixed, n0 = 0, alpha 0.001, one
certificate an image): what `--certificate two-sided` and `one-sided` prove of them."""
CERTIFICATES = ("two-sided", "one-sided")


@dataclass(frozen=True)
class Cell:
    """Certified accuracy at a radius, from one log."""

    share: float
    low: float
    high: float
    images: int
    n: int
    samples: float


def cell(rows: list[Row], radius: str) -> Cell:
    """What a log says of a radius."""
    share = certified_accuracy(rows, float(radius))
    mean = sum(int(row.extra["samples"]) for row in rows) / len(rows)
    return Cell(share, *band(share, len(rows)), len(rows), int(rows[0].extra["n"]), mean)


def union_bound(rows: list[Row]) -> None:
    """Raises IntrsError unless every certificate of a log that was made before decisions were planned exactly is proved
    anew, by a union bound over its looks: n, n / 1.5, n / 1.5^2, .. down to 50 samples, half of alpha at the last, the
    other half shared by those before it that can accept at all.
    """
    setting = rows[0].extra
    n, half = int(setting["n"]), exact(setting["alpha"]) / 2
    height, width, channels = map(int, setting["shape"].split("x"))
    smoothing = Smoothing((height, width, channels), sigma=setting["sigma"], n=n, noise=setting["noise"])
    squared = lattice_squared(exact(setting["mode"].partition("=")[2]))
    needed, samples = smoothing.rule.needed(squared), [n]
    while samples[0] / 1.5 >= 50:
        samples.insert(0, ceil(n / Fraction(3, 2) ** len(samples)))
    before = len(samples) - 1
    sharing = next(
        k for k in range(before, 0, -1) if smallest_count(samples[before - k], needed, half / k) <= samples[before - k]
    )
    errors = dict.fromkeys(samples[before - sharing : before], half / sharing) | {n: half}
    if len(set(map(int, (row.extra["n0"] for row in rows)))) != 1 or int(setting["n0"]) < 1:
        raise IntrsError("without a selection phase the union bound over looks does not hold")
    for row in rows:
        counted, votes = int(row.extra["samples"]), int(row.extra["count"])
        claimed = int(row.extra["L"])
        if claimed and (
            counted not in errors or claimed > squared or not tail_at_most(counted, votes, needed, errors[counted])
        ):
            raise IntrsError(f"image {row.idx}: {votes} votes of {counted} do not prove {setting['mode']}")


def logs(study: str, folder: str = "") -> Iterator[tuple[str, str, dict[str, Cell | None]]]:
    """(sigma, case, cells by radius) of every case of a study that has shipped logs, in ``folder`` or its own. A log
    that is not sound, or holds other radii than it is named for, stops the script; None is for a radius that n samples
    cannot prove.
    """
    for case in read_toml(ROOT / "studies" / f"{study}.toml", "study")["case"]:
        cells: dict[str, Cell | None] = {}
        sigma, tables = "", None
        for radius in RADII:
            path = ROOT / "results" / (folder or study) / f"{slug(case['name'])}-r{radius}.tsv.gz"
            if not path.is_file():
                continue
            rows = read_log(path)
            asked = f"target-radius={'0.004' if radius == '0.0' else radius}"
            if rows[0].extra["mode"] != asked or (warning(rows) and case.get("method", "intrs") == "intrs"):
                raise SystemExit(f"{path} is a log of {rows[0].extra['mode']}, {warning(rows) or 'sound'}")
            if folder:
                union_bound(rows)
            else:
                check_radii(rows)
            cells[radius], sigma = cell(rows, radius), f"{float(rows[0].extra['sigma']):g}"
            if tables is None:
                tables = smoothing_of(rows[0]).radius
        for radius in RADII if tables is not None else ():
            if tables.lookup(tables.n) < lattice_squared(exact(radius)):
                cells[radius] = None
        if cells:
            yield sigma, case["name"], cells


def two_sided() -> list[str]:
    """Certified accuracy by both certificates, from two logs of the same votes."""
    lines, votes = [], []
    for certificate in CERTIFICATES:
        path = ROOT / "results" / "two-sided" / f"int8-resnet-20-sigma-0.50-{certificate}.tsv.gz"
        rows = read_log(path)
        if rows[0].extra["certificate"] != certificate or rows[0].extra["mode"] != "fixed":
            raise SystemExit(f"{path} is a log of {rows[0].extra['certificate']}, {rows[0].extra['mode']}")
        check_radii(rows)
        votes.append([(row.idx, row.extra["votes"]) for row in rows])
        answered = sum(not row.abstained for row in rows) / len(rows)
        mean = sum(row.radius for row in rows if row.correct) / len(rows)
        shares = (_ours({r: cell(rows, r)}, r) for r in FINE_RADII)
        lines.append([f"**{certificate}**", *shares, f"{mean:.3f}", f"{100 * answered:.1f}"])
    if votes[0] != votes[1]:
        raise SystemExit("results/two-sided: the two logs are of different votes")
    names = ["", *(f"r = {float(r):g}" for r in FINE_RADII), "mean radius", "answered"]
    return ["## Two-sided against one-sided", TWO_SIDED, markdown(names, lines)]


def page() -> str:
    """The document."""
    parts = [
        "# Results",
        INTRODUCTION,
        "## CIFAR-10",
    ]
    found = [(s, f"{name}, n = {_most(cells):,}", cells) for s, name, cells in (
        *logs("certified-accuracy"), *logs("certified-accuracy", "union-bound"))]  # fmt: skip
    for sigma, published in PUBLISHED.items():
        lines = [[f"**{name}**", *(_ours(cells, r) for r in RADII)] for s, name, cells in found if s == sigma]
        lines += [
            [name, *(f"{v:.1f}" for v in values), *[""] * (len(RADII) - len(values))] for name, values in published
        ]
        parts += [f"### sigma {sigma}", markdown(["", *(f"r = {float(r):g}" for r in RADII)], lines)]
    parts += ["### How they were made", _made(found), *two_sided()]
    three = list(logs("three-methods"))
    if three:
        lines = [[name, *(_ours(cells, r) for r in RADII)] for _, name, cells in three]
        parts += [
            "## Integers against floating point",
            THREE,
            markdown(["", *(f"r = {float(r):g}" for r in RADII)], lines),
            _made(three),
        ]
    if EFFICIENCY.is_file():
        parts += _efficiency(json.loads(EFFICIENCY.read_text(encoding="utf-8")))
    return wrapped("\n\n".join(parts) + "\n")


def _efficiency(found: dict[str, Any]) -> list[str]:
    """The study efficiency: ``figures.json`` of a run, kept as results/efficiency.json."""
    lines = []
    for case, figures in found.items():
        for name, seconds in figures["seconds"].items():
            speedup = figures["speedup_over_torch"][name]
            lines.append([f"{case}: {name}", f"{seconds:.4g}", f"{speedup:.1f}", "measured"])
        for board, guess in figures["boards"].items():
            energy = f", {guess['seconds'] * guess['milliwatts'] / 1000:.3g} J" if guess["milliwatts"] else ""
            lines.append([f"{case}: {board}", f"{guess['seconds']:.4g}", "", f"ESTIMATE{energy}"])
    return ["## Efficiency", SPEED, markdown(["", "s / image", "over PyTorch fp32", ""], lines)]


def _most(cells: dict[str, Cell | None]) -> int:
    return max(c.n for c in cells.values() if c is not None)


def _ours(cells: dict[str, Cell | None], radius: str) -> str:
    if radius not in cells:
        return "not run"
    found = cells[radius]
    if found is None:
        return "0.0 (out of reach)"
    return f"{100 * found.share:.1f} ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _made(found: list[tuple[str, str, dict[str, Cell | None]]]) -> str:
    lines = [
        [name, f"r = {float(r):g}", str(c.images), f"{c.n:,}", f"{c.samples:,.0f}"]
        for _, name, cells in found
        for r, c in cells.items()
        if c is not None
    ]
    return markdown(["network", "radius", "images", "n at most", "mean samples an image"], lines)


def main() -> None:
    """Writes the page, or says whether it is up to date."""
    text = page()
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text else "docs/results.md is out of date")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
