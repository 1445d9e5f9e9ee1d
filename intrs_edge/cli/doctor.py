# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge doctor [BOARD]``: what is installed for which board; exit code 1 when something for BOARD is missing."""

from __future__ import annotations

import argparse
import dataclasses
import json

EXAMPLES = (
    "intrs-edge doctor",
    "intrs-edge doctor raspberry-pi-pico",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("board", nargs="?", metavar="BOARD", help="only what this board needs (default: everything)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Prints what is there, and the commands that install the rest."""
    from intrs_edge.targets.doctor import as_text, doctor

    findings = doctor(args.board)
    print(json.dumps([dataclasses.asdict(f) for f in findings], indent=2) if args.json else as_text(findings))
    return 1 if args.board and not all(f.found for f in findings) else 0
