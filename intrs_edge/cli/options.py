# SPDX-License-Identifier: Apache-2.0
"""Argument types and groups that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intrs_edge.datasets.names import SYNTAX
from intrs_edge.errors import IntrsError
from intrs_edge.graph.words import RANGES, RESIZES
from intrs_edge.smoothing.settings import SETTINGS

if TYPE_CHECKING:
    from intrs_edge.graph.reading import PixelOptions


def add_images(parser: argparse.ArgumentParser, name: str = "images") -> None:
    """The image argument and where data sets are looked for."""
    parser.add_argument(name, metavar="IMAGES", help=f"images: {SYNTAX}; SLICE is [0:20], [::100], [7] or [1,5,9]")
    add_data_dir(parser)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """``--data-dir`` and ``--split-seed``."""
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder of the data sets (default: $INTRS_EDGE_DATA, else ./data)"
    )
    parser.add_argument(
        "--split-seed",
        type=int,
        default=0,
        metavar="S",
        help="seed of the 80/20 split of a folder without one (default 0)",
    )


def add_pixels(parser: argparse.ArgumentParser) -> None:
    """What a pixel means: ``--input-range``, ``--mean``, ``--std``, ``--bgr``, ``--resize``, ``--force``."""
    group = parser.add_argument_group(
        "what a pixel means", "for a model that does not say it itself (docs/convert.md); inspect says what is known"
    )
    group.add_argument(
        "--input-range", choices=tuple(RANGES), help="what the model was trained on: pixels as 0..255, 0..1 or -1..1"
    )
    group.add_argument(
        "--mean", type=floats, metavar="M,..", help="taken off after that: one, or one per channel in the model's order"
    )
    group.add_argument(
        "--std", type=floats, metavar="S,..", help="divided by after that; without --input-range: of 0..1"
    )
    group.add_argument("--bgr", action="store_const", const=True, help="its channels are in the order blue, green, red")
    group.add_argument(
        "--resize",
        choices=RESIZES,
        help="images of other sizes: stretch, or crop to the model's shape and scale (default: files are stretched)",
    )
    group.add_argument(
        "--force", action="store_true", help="overrule what the file says; take a map that reaches few input codes"
    )


def pixel_options(args: argparse.Namespace) -> PixelOptions:
    """What `add_pixels` parsed."""
    from intrs_edge.graph.reading import PixelOptions

    return PixelOptions(args.input_range, args.mean, args.std, args.bgr, args.resize, args.force)


def floats(text: str) -> tuple[float, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers") from None


def add_target(parser: argparse.ArgumentParser) -> None:
    """``--target``."""
    parser.add_argument(
        "--target",
        default="host",
        metavar="WHERE",
        help="host (default), cuda, emulator, serial:PORT or tcp:HOST:PORT; boards with commas share the samples",
    )


def add_samples(parser: argparse.ArgumentParser, names: tuple[str, ...] = ("n0", "n", "alpha")) -> None:
    """``--n0``, ``--n``, ``--alpha`` of a run, where the project's are not wanted."""
    group = parser.add_argument_group(
        "other settings than the project's", "on this computer: tables are made at run time; a board's are burned in"
    )
    whats = {"n0": "samples that choose the class", "n": "samples that count it", "alpha": "probability of an error"}
    for name in names:
        group.add_argument(f"--{name}", type=decimal if name == "alpha" else sized, help=f"{whats[name]}, per image")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """An option a setting of a certificate, and ``--target-linf``, which is a target radius in other words."""
    for setting in SETTINGS:
        about, where = setting.metadata, parser
        if setting.name == "target_radius":
            where = parser.add_mutually_exclusive_group()  # type: ignore[assignment]
        where.add_argument(
            f"--{setting.name.replace('_', '-')}",
            type=_READ[about["kind"]],
            default=setting.default,
            choices=about["choices"] or None,
            metavar=about["metavar"],
            help=about["what"],
        )
        if setting.name == "target_radius":
            where.add_argument(
                "--target-linf",
                type=sized,
                metavar="K",
                help="the same for the radius that certifies every value of the image within K steps of 1/255",
            )


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_settings` parsed, but for ``--target-linf``."""
    return {setting.name: getattr(args, setting.name) for setting in SETTINGS}


MOST_WORKERS = 1024


def add_cluster(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``--scheduler`` and ``--workers``, in a group that is given back."""
    cluster = parser.add_argument_group("many machines", "docs/cluster.md; needs the extra cluster (Dask)")
    where = cluster.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="workers of a Dask scheduler count: tcp://HOST:8786")
    where.add_argument("--workers", type=sized, metavar="N", help="start N workers here, each a process of one thread")
    return cluster


def check_workers(workers: int | None) -> None:
    """Raises IntrsError for a number of workers that nobody can mean."""
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise IntrsError(f"--workers {workers} is outside 1 .. {MOST_WORKERS}; more machines: --scheduler ADDRESS")


def sized(text: str) -> int:
    """A whole number that may be written 100000, 100_000 or 1e5."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not value.is_integer() or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text.replace("_", "")) if text.replace("_", "").isdigit() else int(value)


def decimal(text: str) -> Decimal:
    """A number kept as it was written, so that 0.1 is exactly one tenth."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def share(text: str) -> float:
    """``1%`` or ``0.01``."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1%") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


_READ: dict[str, Callable[[str], Any]] = {"count": sized, "decimal": decimal, "name": str}
