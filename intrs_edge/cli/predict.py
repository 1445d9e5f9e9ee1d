# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge predict DIR IMAGES``: the smoothed classifier's answers, with abstention."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from intrs_edge.cli.options import add_images, add_samples, add_target, sized

NAMES = ("file", "label_name", "predict_name")


EXAMPLES = (
    "intrs-edge predict project 'digits:test[0:10]'",
    "intrs-edge predict project photos --target serial:/dev/ttyACM0",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    add_images(parser)
    add_target(parser)
    parser.add_argument(
        "--seed", type=sized, help="seed of the noise (default: the project's if it was generated with one, else fresh)"
    )
    add_samples(parser, ("n", "alpha"))
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")


def run(args: argparse.Namespace) -> int:
    """One line an image, tab-separated or JSON: idx, label, predict (-1: abstains), the top two counts, samples, the
    seed, and the names of file, label and answer.
    """
    from intrs_edge.cli.certify import run_seed
    from intrs_edge.datasets import load_images
    from intrs_edge.evaluate.certify import image_names
    from intrs_edge.evaluate.identity import warnings_of
    from intrs_edge.evaluate.log import printable
    from intrs_edge.evaluate.progress import Progress
    from intrs_edge.smoothing.results import Stream
    from intrs_edge.targets import open_target
    from intrs_edge.targets.manifest import read_manifest

    manifest = read_manifest(args.project).revised(n=args.n, alpha=args.alpha)
    manifest.check_images()
    images = load_images(args.images, args.data_dir, manifest.image_shape, args.split_seed, resize=manifest.resize)
    classes = [str(name) for name in manifest.raw["classes"]]
    for warning in warnings_of(images, classes):
        print(f"intrs-edge: warning: {warning}", file=sys.stderr)
    columns = ("idx", "label", "predict", "correct", "votes", "second", "samples", "seed", *NAMES)
    if not args.json:
        print(*columns, sep="\t")
    # at a terminal the lines themselves show how far it is
    show = args.progress and not sys.stdout.isatty()
    with open_target(manifest, args.target) as target, Progress(len(images), show) as progress:
        seed = run_seed(args.seed, manifest.raw["settings"]["seed"], None, target)
        named = zip(images.images, images.labels, images.ids, image_names(images, classes), strict=True)
        for image, label, idx, names in named:
            result = target.predict(image, Stream(seed, int(idx)))
            correct = int(result.label == label and label >= 0)
            names["predict_name"] = classes[result.label] if result.label >= 0 else ""
            told = [printable(names[name]) for name in NAMES]
            line = [int(idx), int(label), result.label, correct, *result.votes, result.samples, seed, *told]
            if args.json:  # a line an image, as they come
                print(json.dumps(dict(zip(columns, line, strict=True))), flush=True)
            else:
                print(*line, sep="\t", flush=True)
            progress.step()
    return 0
