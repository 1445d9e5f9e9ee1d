"""``intrs-edge report LOG...``: figures in the terminal, and a page and a plot on request."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, read_log
from intrs_edge.evaluate.metrics import RADII, summarise
from intrs_edge.evaluate.plot import draw
from intrs_edge.evaluate.report import table, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "logs", nargs="+", type=Path, metavar="LOG", help="logs of certify, or any with Cohen's six columns"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write a page: .html (with the plot) or .md")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write certified accuracy over radius: .svg or .png")
    parser.add_argument(
        "--radii",
        type=_radii,
        default=RADII,
        metavar="R,R,...",
        help="radii of the table in [0,1] pixels (default 0,.25,.5,...)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Reads the logs, prints the figures, writes what was asked for."""
    logs = _named(args.logs)
    if args.json:
        print(json.dumps({name: asdict(summarise(rows, args.radii)) for name, rows in logs.items()}, indent=2))
    else:
        header, lines = table(logs, args.radii)
        widths = [max(len(line[k]) for line in [header, *lines]) for k in range(len(header))]
        for line in [header, *lines]:
            first, *rest = (
                cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            print("  ".join([first, *rest]))
    if args.plot:
        draw(logs, args.plot)
    if args.output:
        write_report(logs, args.output, args.radii)
    return 0


def _named(paths: list[Path]) -> dict[str, list[Row]]:
    """Logs by file name, or by path where two share a name."""
    names = [path.stem for path in paths]
    if len(set(map(str, paths))) != len(paths):
        raise IntrsError("report: the same log is named twice")
    return {
        (name if names.count(name) == 1 else str(path)): read_log(path) for name, path in zip(names, paths, strict=True)
    }


def _radii(text: str) -> tuple[float, ...]:
    try:
        radii = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers") from None
    if any(not 0 <= radius < float("inf") for radius in radii):
        raise argparse.ArgumentTypeError("a radius is 0 or more")
    return radii
