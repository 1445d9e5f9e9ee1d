# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge models``: the shipped networks; by name, one of them with its files."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intrs_edge.zoo import Entry


EXAMPLES = (
    "intrs-edge models",
    "intrs-edge models cifar10-resnet20-s0.25 -o here",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="one of them, and all that is known of it (default: list all)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="copy its .onnx, .tflite and recipe into this folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Lists, explains, fetches."""
    from intrs_edge.errors import IntrsError
    from intrs_edge.zoo import PREFIX, entries, entry

    if args.name is None:
        if args.output is not None:
            raise IntrsError("name the model to fetch: intrs-edge models NAME -o DIR")
        print(json.dumps([asdict(e) for e in entries()], indent=2) if args.json else _list(entries()))
        return 0
    found = entry(args.name.removeprefix(PREFIX))
    print(json.dumps(asdict(found), indent=2) if args.json else _one(found))
    if args.output is not None:
        for path in _fetch(found, args.output):
            print(f"wrote {path}")
    return 0


def _fetch(found: Entry, folder: Path) -> list[Path]:
    from intrs_edge.files import write_atomically
    from intrs_edge.paths import shipped

    recipe = shipped("recipes") / f"{found.recipe}.toml"
    written = []
    for source in (found.path, found.tflite_path, recipe):
        write_atomically(folder / source.name, source.read_bytes(), "model")
        written.append(folder / source.name)
    return written


def _list(found: tuple[Entry, ...]) -> str:
    from intrs_edge.study.output import text

    header = ["name", "sigma", "MACs", "clean", "noisy", "certified accuracy", "fits"]
    lines = []
    for e in found:
        certified = " ".join(f"{c.radius:g}: {100 * c.accuracy:.1f}%" for c in e.certified)
        fits = sum(bool(b.fits) for b in e.boards)
        row = [e.name, f"{e.sigma:g}", f"{e.macs:,}", f"{100 * e.clean:.1f} %", f"{100 * e.noisy:.1f} %", certified]
        lines.append([*row, f"{fits} of {len(e.boards)} boards"])
    return text(header, lines)


def _one(e: Entry) -> str:
    from intrs_edge.study.output import text

    parts = [
        f"{e.name}: {e.about}",
        f"{e.network} on {e.data}, trained for sigma {e.sigma:g} by --recipe {e.recipe}; "
        f"{e.macs:,} multiply-accumulates, {e.weights:,} bytes of weights",
        f"accuracy without noise {100 * e.clean:.1f} %, on one noisy copy of each test image {100 * e.noisy:.1f} %",
    ]
    parts += [e.note] if e.note else []
    parts += [
        f"certified accuracy at {c.radius:g}: {100 * c.accuracy:.1f} % ({100 * c.low:.1f} to {100 * c.high:.1f}, "
        f"95 % band) of {c.images} images, n at most {c.n}"
        for c in e.certified
    ]
    header = ["board", "fits", "flash", "RAM", "s a certificate (ESTIMATE)"]
    lines = [
        [b.board, f"--optimize {b.fits}", f"{b.flash:,}", f"{b.ram:,}", f"{b.seconds:.3g}" if b.seconds else ""]
        if b.fits
        else [b.board, "no", "", "", ""]
        for b in e.boards
    ]  # fmt: skip
    return "\n".join([*parts, *([text(header, lines)] if lines else [])])
