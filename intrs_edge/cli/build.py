# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge build DIR``: CMake on a generated project."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from intrs_edge.targets.build import build_project

EXAMPLES = (
    "intrs-edge build project",
    "intrs-edge build project --jobs 2 --verbose",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a folder made by generate")
    parser.add_argument(
        "-j", "--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time (default: all cores)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON: path -> bytes")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every line of CMake and the compilers")


def run(args: argparse.Namespace) -> int:
    """Builds and names what came out."""
    verbose = args.verbose and not args.json
    built = {str(path): path.stat().st_size for path in build_project(args.project, args.jobs, verbose, args.progress)}
    if args.json:
        print(json.dumps(built, indent=2))
        return 0
    for name, size in built.items():
        print(f"{size:>10,} bytes  {name}")
    return 0
