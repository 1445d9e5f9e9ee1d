"""``intrs-edge report LOG...``: figures in the terminal, and a page and a plot on request."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, read_log
from intrs_edge.evaluate.merge import Gaps, gaps, log_text, merge, named
from intrs_edge.evaluate.metrics import RADII, summarise
from intrs_edge.evaluate.plot import draw
from intrs_edge.evaluate.proof import check_radii
from intrs_edge.evaluate.report import table, write_report
from intrs_edge.files import write_atomically

MERGED = "merged"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "logs", nargs="+", type=Path, metavar="LOG", help="logs of certify, or any with Cohen's six columns"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write a page: .html (with the plot) or .md; with --merge also .tsv, the log of the whole",
    )
    parser.add_argument(
        "--merge", action="store_true", help="the logs are parts of one run (certify --shard, slices): take them as one"
    )
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
    logs = _whole(_named(args.logs), args.merge)
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
    if args.output and args.merge and args.output.suffix == ".tsv":
        write_atomically(args.output, log_text(logs[MERGED]), "log")
    elif args.output:
        write_report(logs, args.output, args.radii)
    return 0


def _whole(logs: dict[str, list[Row]], merged: bool) -> dict[str, list[Row]]:
    """The logs, each checked, or the one that they are together; says on stderr which images are missing."""
    missing: dict[str, Gaps] = {}
    for name, rows in logs.items():
        try:
            missing[name] = gaps(rows)
            check_radii(rows)
        except IntrsError as error:
            raise IntrsError(f"log {name}: {error}") from None
    if merged:
        rows, lacking = merge(logs)
        logs, missing = {MERGED: rows}, {MERGED: lacking}
    for name, lack in missing.items():
        if lack.count:
            whole = len(logs[name]) + lack.count
            print(
                f"intrs-edge: warning: log {name} is not finished, {lack.count} of {whole} images are missing: "
                f"{named(lack.first, lack.count)}",
                file=sys.stderr,
            )
    return logs


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
