# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge audit DIR``: what can be proved of a built project; exit code 1 when a rule does not hold."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

EXAMPLES = (
    "intrs-edge audit project",
    "intrs-edge audit project --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Prints every rule, for the host library and the board's image."""
    from intrs_edge.targets.audit import audit_project

    reports = audit_project(args.project)
    if args.json:
        print(json.dumps([report.as_dict() for report in reports], indent=2))
    else:
        print("\n\n".join(report.as_text() for report in reports))
    return 0 if all(report.holds for report in reports) else 1
