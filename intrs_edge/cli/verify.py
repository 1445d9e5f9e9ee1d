# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge verify LOG DIR``: lines of a log computed again on this machine; exit code 1 when one differs."""

from __future__ import annotations

import argparse
import json
import secrets
from dataclasses import asdict
from pathlib import Path

from intrs_edge.cli.options import add_data_dir, share, sized
from intrs_edge.errors import several

EXAMPLES = (
    "intrs-edge verify out.tsv project",
    "intrs-edge verify out.tsv project photos --share 10%",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", type=Path, metavar="LOG", help="a log of certify")
    parser.add_argument("project", type=Path, metavar="DIR", help="the project that it was made with, built")
    parser.add_argument(
        "images", nargs="?", metavar="IMAGES", help="where the images are now (default: where the log says)"
    )
    add_data_dir(parser)
    parser.add_argument(
        "--share", type=share, default=1.0, metavar="SHARE", help="replay a random share of the lines only (10%%)"
    )
    parser.add_argument("--seed", type=sized, help="which lines those are (default: fresh, and printed)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")


def run(args: argparse.Namespace) -> int:
    """Replays, says what differs."""
    from intrs_edge.datasets import load_images
    from intrs_edge.evaluate.identity import as_logged, project_settings
    from intrs_edge.evaluate.log import read_log, warning
    from intrs_edge.evaluate.proof import wrong_radii
    from intrs_edge.evaluate.verify import Difference, check_project, replay, some_of
    from intrs_edge.targets import open_target
    from intrs_edge.targets.manifest import read_manifest

    manifest = read_manifest(args.project)
    manifest.check_images()
    rows = read_log(args.log)
    manifest = as_logged(manifest, rows)
    mode = rows[0].extra.get("mode", "") if rows else ""
    check_project(rows, project_settings(manifest.raw, mode), str(args.log), str(args.project))
    seed = secrets.randbits(32) if args.seed is None else args.seed
    chosen = some_of(rows, args.share, seed)
    spec = args.images or f"{rows[0].extra['source']}[{','.join(str(row.idx) for row in chosen)}]"
    images = load_images(spec, args.data_dir, manifest.image_shape, args.split_seed, resize=manifest.resize)
    numbers = {row.idx for row in chosen}
    found = [
        Difference(idx, what) for idx, what in wrong_radii(rows) if idx not in numbers
    ]  # of all lines: it is quick
    with open_target(manifest, "host") as target:
        found += replay(chosen, images, target, args.progress)
    wrong = len({difference.idx for difference in found})
    if args.json:
        differences = [asdict(difference) for difference in found]
        result = {"lines": len(rows), "replayed": len(chosen), "seed": seed, "differences": differences}
        print(json.dumps(result | ({"warning": warning(rows)} if warning(rows) else {})))
    else:
        for difference in found:
            print(f"image {difference.idx}: {difference.what}")
        if warning(rows):
            print(f"WARNING: {warning(rows)}")
        which = "" if len(chosen) == len(rows) else f" (--seed {seed})"
        found_equal = "equal" if len(chosen) == 1 else "all equal"
        print(
            f"{len(chosen)} of {several(len(rows), 'line')} replayed{which}: "
            f"{f'{wrong} differ' if wrong else found_equal}"
        )
    return 1 if found else 0
