"""``intrs-edge flash DIR``: programs the board, then checks who answers."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    parser.add_argument("--runner", metavar="NAME", help="pyocd, openocd, uf2, ssh or gdb (default: the board's first)")
    parser.add_argument(
        "--where",
        metavar="PLACE",
        help="probe's serial number, UF2 volume, user@host or gdb's host:port (default: the usual)",
    )
    parser.add_argument(
        "--verify",
        metavar="TARGET",
        help="a target such as serial:/dev/ttyACM0 that must then answer with this build's hashes",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the exact commands and do nothing")


def run(args: argparse.Namespace) -> int:
    """Shows what is done, and does it."""
    from intrs_edge.targets.flash import flash, make_plan

    plan = make_plan(args.project, args.runner, args.where)
    print(plan.as_text(), flush=True)
    if not args.dry_run:
        flash(args.project, args.runner, args.where, args.verify)
        print("flashed" + (f"; {args.verify} answers with this build's hashes" if args.verify else ""))
    return 0
