# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge emulate DIR``: the project's board in its emulator, for any serial program."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

EXAMPLES = (
    "intrs-edge emulate project",
    "intrs-edge emulate project --tcp 4000",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a project built for a board that has an emulator")
    parser.add_argument(
        "--tcp", type=int, metavar="PORT", help="a TCP port of this computer, 0 for any (default: a pseudo-terminal)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, once the board runs: name, target")


def run(args: argparse.Namespace) -> int:
    """Runs until interrupted."""
    from intrs_edge.targets.emulate import emulate

    def ready(name: str) -> None:
        target = name if name.startswith("tcp:") else f"serial:{name}"
        told = json.dumps({"name": name, "target": target})
        print(told if args.json else f"{name}   (--target {target}; Ctrl-C ends it)", flush=True)

    emulate(args.project, args.tcp, ready)
    return 0
