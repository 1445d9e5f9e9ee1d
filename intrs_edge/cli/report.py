# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge report LOG...``: figures in the terminal, and a page and a plot on request."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from intrs_edge.cli.options import add_data_dir
from intrs_edge.errors import IntrsError

if TYPE_CHECKING:
    from intrs_edge.evaluate.firmware import Firmware
    from intrs_edge.evaluate.log import Row
    from intrs_edge.evaluate.merge import Gaps
    from intrs_edge.evaluate.page import Extras

MERGED = "merged"


EXAMPLES = (
    "intrs-edge report out.tsv -o report.html",
    "intrs-edge report ours.tsv theirs.tsv --plot curve.pdf --latex table.tex",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logs", nargs="+", type=Path, metavar="LOG", help="logs of certify, or any with Cohen's six columns"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write a page: .html (plots in it; needs no network) or .md; with --merge also .tsv, the log of the whole",
    )
    parser.add_argument(
        "--merge", action="store_true", help="the logs are parts of one run (certify --shard, slices): take them as one"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="write certified accuracy over radius: .svg, .png or .pdf"
    )
    parser.add_argument("--latex", type=Path, metavar="FILE", help="write the figures as a LaTeX table: .tex")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the curves and their 95 %% bands: .csv")
    parser.add_argument(
        "--images",
        metavar="IMAGES",
        help="the images that the logs are about, for a gallery in the page; checked by the digests in the log",
    )
    add_data_dir(parser)
    parser.add_argument(
        "--project",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a project that logs were made with: memory and time of its firmware in the page (may be repeated)",
    )
    parser.add_argument(
        "--radii",
        type=_radii,
        metavar="R,R,...",
        help="radii of the table in [0,1] pixels (default 0,.25,.5,...)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Reads the logs, prints the figures, writes what was asked for."""
    from intrs_edge.evaluate.curves import reachable
    from intrs_edge.evaluate.metrics import RADII, summarise
    from intrs_edge.evaluate.plot import draw
    from intrs_edge.evaluate.report import differences, table, write_table

    _check_names(args)
    radii = RADII if args.radii is None else args.radii
    logs = _whole(_named(args.logs), args.merge)
    for line in differences(logs):
        print(f"intrs-edge: warning: {line}", file=sys.stderr)
    if args.json:
        reached = reachable(logs.values()) if args.radii is None else radii
        print(json.dumps({name: asdict(summarise(rows, reached)) for name, rows in logs.items()}, indent=2))
    else:
        header, lines = table(logs, radii)
        widths = [max(len(line[k]) for line in [header, *lines]) for k in range(len(header))]
        for each in [header, *lines]:
            first, *rest = (
                cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(each, widths, strict=True))
            )
            print("  ".join([first, *rest]))
    if args.output and args.output.suffix == ".tsv":
        from intrs_edge.evaluate.merge import log_text
        from intrs_edge.files import write_atomically

        write_atomically(args.output, log_text(logs[MERGED]), "log")
    elif args.output and args.output.suffix == ".html":
        from intrs_edge.evaluate.page import write_page

        write_page(logs, args.output, radii, _extras(args, logs))
    for path in filter(None, (args.output if args.output and args.output.suffix == ".md" else None,
                              args.latex, args.csv)):  # fmt: skip
        write_table(logs, path, radii)
    if args.plot:
        draw(logs, args.plot)
    if not args.json:
        for path in filter(None, (args.output, args.latex, args.csv, args.plot)):
            print(f"wrote {path}")
    return 0


def _check_names(args: argparse.Namespace) -> None:
    """Raises IntrsError for a file name that says another form than its option, before any work is done."""
    pages = (".html", ".md", ".tsv") if args.merge else (".html", ".md")
    for path, suffixes in (
        (args.output, pages), (args.plot, (".svg", ".png", ".pdf")), (args.latex, (".tex",)), (args.csv, (".csv",))
    ):  # fmt: skip
        if path is not None and path.suffix not in suffixes:
            what = "a page or log" if path is args.output else "this"
            raise IntrsError(f"report {path}: {what} is written as {' or '.join(suffixes)}; name such a file")
    if (args.images or args.project) and (args.output is None or args.output.suffix != ".html"):
        raise IntrsError("--images and --project are for the page: give it a name with -o FILE.html")


def _extras(args: argparse.Namespace, logs: dict[str, list[Row]]) -> Extras:
    """The gallery, the firmware and the files' digests, for a page."""
    from intrs_edge.evaluate.firmware import firmware_of
    from intrs_edge.evaluate.gallery import gallery
    from intrs_edge.evaluate.identity import as_logged, project_settings
    from intrs_edge.evaluate.page import Extras
    from intrs_edge.targets.manifest import read_manifest

    pictures = {}
    firmware: dict[str, Firmware] = {}
    if args.images:
        for name, rows in logs.items():
            try:
                pictures[name] = gallery(rows, args.images, args.data_dir, args.split_seed)
            except IntrsError as error:
                raise IntrsError(f"log {name}: {error}") from None
    for project in args.project:
        found, manifest = firmware_of(project), read_manifest(project)
        ours = []
        for name, rows in logs.items():
            made = project_settings(as_logged(manifest, rows).raw, rows[0].extra.get("mode", "")) if rows else {}
            if made and made.items() <= rows[0].extra.items():
                ours.append(name)
        if not ours:
            raise IntrsError(f"{project}: none of the logs was made with this project; name the one that it was")
        firmware |= dict.fromkeys(ours, found)
    files = zip(logs, args.logs, strict=True) if not args.merge else ((str(path), path) for path in args.logs)
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files}
    return Extras(pictures, firmware, digests)


def _whole(logs: dict[str, list[Row]], merged: bool) -> dict[str, list[Row]]:
    """The logs, each checked, or the one that they are together; says on stderr which images are missing."""
    from intrs_edge.evaluate.merge import gaps, merge, named
    from intrs_edge.evaluate.proof import check_radii

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
    from intrs_edge.evaluate.log import read_log

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
