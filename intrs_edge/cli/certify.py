# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge certify DIR IMAGES --log out.tsv``: a certified radius for every image, resumable."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intrs_edge.cli.options import (
    add_cluster,
    add_images,
    add_pixels,
    add_samples,
    add_target,
    check_workers,
    decimal,
    pixel_options,
    share,
    sized,
)
from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate.methods import FP, GAUSSIAN, INTRS, METHODS, UNPROVED
from intrs_edge.zoo import model_file

if TYPE_CHECKING:
    from decimal import Decimal

    from intrs_edge.smoothing.results import Mode
    from intrs_edge.targets.manifest import Manifest

DEVICE = "device"
PROVED_WRONG = 1  # exit code: the log is right, but a board was caught


EXAMPLES = (
    "intrs-edge certify project 'digits:test[0:10]' --log out.tsv",
    "intrs-edge certify project cifar10:test --log out.tsv --scheduler tcp://head:8786",
    "intrs-edge certify project photos --log out.tsv --target serial:/dev/ttyACM0,serial:/dev/ttyACM1 --audit 1%",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    add_images(parser)
    add_target(parser)
    parser.add_argument(
        "--log",
        type=Path,
        required=True,
        metavar="FILE",
        help="tab-separated results, a line an image; an unfinished one is resumed",
    )
    parser.add_argument(
        "--shard",
        default="1/1",
        metavar="K/M",
        help="every M-th image from the K-th on: other machines take the rest, report --merge joins the logs",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        help="seed of the noise: a number, for replays and demonstrations; device: from the target's random source "
        "(default: the project's if it was generated with one, else fresh from this computer's; logged)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=INTRS,
        help="intrs (default); to compare with: floatrs-fp, a float network under a continuous Gaussian in floating "
        "point, or floatrs-quant, that noise quantised for the project's int8 network: neither carries a proof",
    )
    parser.add_argument(
        "--network",
        type=model_file,
        metavar="FILE",
        help="of floatrs-fp: a float .onnx, or a quantised one to be read as float",
    )
    add_pixels(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--target-radius",
        type=decimal,
        metavar="R",
        help="stop once radius >= R ([0,1] pixels) is proved or hopeless; of boards: generated with the same R",
    )
    mode.add_argument(
        "--target-linf",
        type=sized,
        metavar="K",
        help="the same for every value of the image within K steps of 1/255",
    )
    mode.add_argument(
        "--precision",
        type=decimal,
        metavar="X",
        help="stop once the radius is known within the share X (0.1: 10 %%); of boards: generated with the same X",
    )
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="keep what is counted within an image, so that a crash loses none of it",
    )
    parser.add_argument(
        "--audit",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the boards' answers that the host recomputes (1%%)",
    )
    parser.add_argument(
        "--deadline",
        type=_seconds,
        metavar="SECONDS",
        help="of each image: what its samples prove by then, at the same alpha; worth most with --precision",
    )
    add_samples(parser)
    add_cluster(parser).add_argument(
        "--adaptive",
        action="store_true",
        help="as many workers as there is work for: of --workers up to N; of --scheduler those that it starts, awaited "
        "for as long as it takes",
    )
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")
    parser.add_argument("--live", action="store_true", help="show the votes of each image as they build up")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Certifies, writes the log, prints the figures."""
    from intrs_edge.datasets import load_images
    from intrs_edge.evaluate import certify_images
    from intrs_edge.evaluate.curves import reachable
    from intrs_edge.evaluate.identity import log_settings, warnings_of
    from intrs_edge.evaluate.log import rows_so_far, warning
    from intrs_edge.evaluate.metrics import summarise
    from intrs_edge.evaluate.plot import text_table
    from intrs_edge.targets.manifest import read_manifest

    _check_method(args)
    manifest = read_manifest(args.project)
    target_radius = target_of(manifest, args.target_radius, args.target_linf)
    manifest = manifest.revised(
        n0=args.n0, n=args.n, alpha=args.alpha, target_radius=target_radius, precision=args.precision
    )
    manifest.check_images()
    mode, mode_text = mode_of({"target_radius": target_radius, "precision": args.precision})
    images = load_images(
        args.images, args.data_dir, manifest.image_shape, args.split_seed, shard=args.shard, resize=manifest.resize
    )
    classes = [str(name) for name in manifest.raw["classes"]]
    for line in warnings_of(images, classes):
        print(f"intrs-edge: warning: {line}", file=sys.stderr)
    with _opened(args, manifest) as (target, own):
        project = manifest.raw["settings"]["seed"]
        if args.shard != "1/1" and not isinstance(project if args.seed is None else args.seed, int):
            raise IntrsError(
                f"--shard {args.shard}: shards are parts of one run and need one seed: give --seed to each, such as "
                f"--seed {secrets.randbits(64)}"
            )
        seed = run_seed(args.seed, project, args.log, target)
        settings = log_settings(manifest.raw, seed, mode_text, images) | own
        liars: dict[str, str] = getattr(target, "liars", {})
        plan = getattr(target, "plan", None)
        if plan is not None:
            print(plan(len(images) - len(rows_so_far(args.log)), mode), file=sys.stderr)
        try:
            with _shown(args, manifest, classes, target) as certifier:
                show = args.progress and not args.live
                rows = certify_images(
                    images, certifier, args.log, settings, seed=seed, mode=mode, classes=classes, show=show
                )
        except IntrsError as error:
            if not liars:
                raise
            print(f"intrs-edge: error: {error}", file=sys.stderr)
            return PROVED_WRONG
    for name, why in liars.items():
        print(
            f"PROVED WRONG: {name}: {why}; every image that it took part in was certified again without it",
            file=sys.stderr if args.json else sys.stdout,
        )
    if args.json:
        found = asdict(summarise(rows, reachable([rows]))) | {"log": str(args.log), "seed": seed, "proved_wrong": liars}
        print(json.dumps(found, indent=2))
        return PROVED_WRONG if liars else 0
    certified = sum(not row.abstained for row in rows)
    print(f"{several(len(rows), 'image')}, {certified} certified, {len(rows) - certified} abstained -> {args.log}")
    if warning(rows):
        print(f"WARNING: {warning(rows)}")
    if all(row.label >= 0 for row in rows):
        print(text_table({"certified accuracy": rows}, reachable([rows])))
    return PROVED_WRONG if liars else 0


@contextmanager
def _shown(args: argparse.Namespace, manifest: Manifest, classes: list[str], target: Any) -> Iterator[Any]:
    """The target, or with --deadline one that watches the time, with --live one that shows what it counts."""
    if args.deadline is not None:
        from intrs_edge.evaluate.deadline import within

        with within(args.deadline, target, manifest) as certifier:
            yield certifier
        return
    if not args.live:
        yield target
        return
    from intrs_edge.evaluate.live import LiveTarget, terminal
    from intrs_edge.targets import open_target

    console = terminal()
    with (
        open_target(manifest, "host") as judge,
        LiveTarget(target, judge, manifest.raw["settings"], classes, args.target, console) as live,  # type: ignore[arg-type]
    ):
        yield live


def _seconds(text: str) -> float:
    value = float(decimal(text))
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} s is no time to certify an image in")
    return value


def _check_method(args: argparse.Namespace) -> None:
    """Raises IntrsError for options that the method has no use for."""
    if args.live and args.deadline is not None:
        raise IntrsError("--live shows whole certifications: leave it out, or --deadline")
    parts = [name for name, value in (("--live", args.live), ("--deadline", args.deadline is not None)) if value]
    if args.journal and parts and args.target == "host":
        raise IntrsError(f"{parts[0]} asks this computer for parts of an image, which its journal does not keep: "
                         "leave --journal out")  # fmt: skip
    named = [f"--{name.replace('_', '-')}" for name in ("input_range", "mean", "std", "bgr", "resize", "force")
             if getattr(args, name) not in (None, False)]  # fmt: skip
    if args.network is not None:
        named.insert(0, "--network")
    if args.method == FP and args.network is None:
        raise IntrsError("--method floatrs-fp needs a network: --network FILE, float, or quantised to be read as float")
    if args.method != FP and named:
        raise IntrsError(f"{named[0]} is of --method {FP}: leave it out, or name that method")
    boards = {"--target": args.target != "host", "--live": args.live, "--deadline": args.deadline,
              "--journal": args.journal, "--audit": args.audit, "--seed device": args.seed == DEVICE}  # fmt: skip
    asked = [name for name, value in boards.items() if value]
    clustered = {"--scheduler": args.scheduler, "--workers": args.workers is not None}
    cluster = [name for name, value in clustered.items() if value]
    if args.method != INTRS and [*asked, *cluster]:
        raise IntrsError(f"--method {args.method} runs on this computer: leave {[*asked, *cluster][0]} out")
    if args.adaptive and not cluster:
        raise IntrsError("--adaptive is of a cluster: give --workers N or --scheduler ADDRESS with it")
    check_workers(args.workers)
    boards.pop("--journal")
    boards.pop("--seed device")
    both = [name for name, value in boards.items() if value]
    if cluster and both:
        raise IntrsError(f"{cluster[0]}: the workers of a cluster count on their own processors: leave {both[0]} out")


@contextmanager
def _opened(args: argparse.Namespace, manifest: Manifest) -> Iterator[tuple[Any, dict[str, str]]]:
    """What certifies, and the log's columns that its method decides."""
    from intrs_edge.targets import open_target

    if args.scheduler or args.workers:
        from intrs_edge.targets.cluster import ClusterTarget

        with ClusterTarget(manifest, args.scheduler, args.workers or 0, args.adaptive, args.journal) as cluster:
            print(f"dashboard: {cluster.dashboard}", file=sys.stderr)
            yield cluster, {}
        return
    if args.method == INTRS:
        with open_target(manifest, args.target, audit=args.audit, journal=args.journal) as target:
            yield target, {}
        return
    from intrs_edge.evaluate.baselines import FloatSmoothing, fp_classifier, quant_classifier
    from intrs_edge.evaluate.cohen import cohen_of

    smoothing = cohen_of(manifest.raw["settings"], manifest.image_shape)
    own = {"method": args.method, "noise": GAUSSIAN, "certificate": UNPROVED, "tables": smoothing.table_hash[:16]}
    if args.method == FP:
        from intrs_edge.evaluate.float_network import open_float_network

        network = open_float_network(args.network, pixel_options(args))
        if (network.shape, network.classes) != (manifest.image_shape, manifest.classes):
            raise IntrsError(
                f"{args.network} takes images of {list(network.shape)} and has "
                f"{several(network.classes, 'class', 'classes')}, {args.project} "
                f"{list(manifest.image_shape)} and {manifest.classes}: compare networks of one task"
            )
        with FloatSmoothing(fp_classifier(network), manifest.classes, smoothing) as certifier:
            yield certifier, {**own, "model": network.digest[:16]}
        return
    with open_target(manifest, "host") as target:
        classifier = quant_classifier(manifest, target)
        with FloatSmoothing(classifier, manifest.classes, smoothing) as certifier:
            yield certifier, own


def run_seed(asked: int | str | None, project: int | None, log: Path | None, target: Any) -> int:
    """The seed that was asked for, else the project's own, else 64 fresh random bits of this computer or the target.

    Fresh bits are drawn once a log: a log that is resumed keeps the seed that it began with.
    """
    fixed = project if asked is None else asked
    if isinstance(fixed, int):
        return fixed
    if log is not None:
        from intrs_edge.evaluate.log import rows_so_far

        rows = rows_so_far(log)
        if rows and "seed" in rows[0].extra:
            return int(rows[0].extra["seed"])
    # a board is not trusted: one that chose its bits could choose the noise, so this computer's are added to them
    return secrets.randbits(64) ^ (int(target.entropy()) if asked == DEVICE else 0)


def _seed(text: str) -> int | str:
    return DEVICE if text == DEVICE else sized(text)


def target_of(manifest: Manifest, target_radius: Decimal | None, target_linf: int | None) -> Decimal | None:
    """The target radius that these ask for. Raises IntrsError for both."""
    from intrs_edge.smoothing.results import linf_target

    if target_linf is None:
        return target_radius
    if target_radius is not None:
        raise IntrsError("a target radius and a target in linf: give one of the two")
    return linf_target(prod(manifest.image_shape), target_linf)


def mode_of(asked: Mapping[str, Any]) -> tuple[Mode, str]:
    """The mode that these settings ask for, and what a log calls it. Raises IntrsError for more than one."""
    from intrs_edge.smoothing.results import Mode

    modes = [mode for mode in Mode if mode.setting and asked.get(mode.setting) is not None]
    if len(modes) > 1:
        raise IntrsError("a certification stops at a target radius or at a precision: leave one out")
    return (modes[0], f"{modes[0].word}={asked[modes[0].setting or '']}") if modes else (Mode.FIXED, Mode.FIXED.word)
