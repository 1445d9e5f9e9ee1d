# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge study NAME``: a study of the paper's, or one of your own, from its TOML file."""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path

from intrs_edge.cli.options import add_cluster, check_workers, share
from intrs_edge.errors import IntrsError

DIFFERS = 1  # exit code


EXAMPLES = (
    "intrs-edge study certified-accuracy -o study",
    "intrs-edge study mine.toml -o study --fraction 10%",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from intrs_edge.study.settings import study_names

    parser.add_argument(
        "study", metavar="NAME", help=f"a .toml, or one of those that are shipped: {', '.join(study_names())}"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="its folder; an unfinished study there goes on (default: NAME)"
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder of the data sets (default: $INTRS_EDGE_DATA, else ./data)"
    )
    parser.add_argument(
        "--fraction", type=share, default=1.0, metavar="SHARE", help="a share of the images only, such as 10%%"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="certify anew what there is a shipped log of, and compare line by line; exit code 1 where one differs",
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: all cores (default)")
    add_cluster(parser)
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress lines")


def run(args: argparse.Namespace) -> int:
    """Runs it, prints the table, says where the rest is."""
    from intrs_edge.study.kinds import run_study
    from intrs_edge.study.output import text
    from intrs_edge.study.settings import load_study
    from intrs_edge.study.work import Work

    check_workers(args.workers)
    if not 0 <= args.threads <= 1024:
        raise IntrsError(f"--threads {args.threads} is outside 0 .. 1024")
    if args.fraction <= 0:
        raise IntrsError("--fraction 0 leaves no image; give a share such as 10%")
    name, settings = load_study(args.study)
    every = round(1 / Fraction(str(args.fraction)))
    out = args.output or Path(name)
    work = Work(
        name,
        settings,
        out,
        args.data_dir,
        f"1/{every}",
        args.threads or None,
        args.again,
        args.progress,
        scheduler=args.scheduler,
        workers=args.workers or 0,
    )
    result = run_study(work)
    if args.json:
        found = {"header": result.header, "lines": result.lines, "notes": [*result.notes, *work.differences]}
        print(json.dumps(found | {"folder": str(out), "ok": result.ok}, indent=2))
        return 0 if result.ok else DIFFERS
    print(text(result.header, result.lines))
    for note in (*result.notes, *work.differences):
        print(f"- {note}")
    print(f"table, figure (png, svg, pdf), settings and page: {out}")
    return 0 if result.ok else DIFFERS
