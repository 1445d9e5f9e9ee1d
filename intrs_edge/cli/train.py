# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge train``: quantisation-aware training under noise on the pixel lattice; writes a QDQ ONNX model."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from intrs_edge.cli.options import add_data_dir
from intrs_edge.errors import IntrsError, several
from intrs_edge.zoo import model_file

if TYPE_CHECKING:
    from intrs_edge.train import TrainConfig


EXAMPLES = (
    "intrs-edge train digits:train -o run",
    "intrs-edge train --recipe cifar10-resnet8-s0.25 -o run --data-dir data",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments; the defaults are those of ``TrainConfig``."""
    from intrs_edge.graph.words import RESIZES
    from intrs_edge.train.config import DEVICES, SCHEDULES, TrainConfig
    from intrs_edge.train.networks import NETWORKS
    from intrs_edge.train.recipe import recipe_names

    d = TrainConfig()
    parser.add_argument(
        "data",
        nargs="?",
        metavar="IMAGES",
        help="training images, such as digits:train, cifar10:train or a folder (default: the recipe's)",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"settings from a file, which other options overrule: a .toml or one of {', '.join(recipe_names())}",
    )
    parser.add_argument(
        "--size",
        type=_size,
        metavar="HxW[xC]",
        help="bring images to this size, C 1 for grey (default: the recipe's, else none)",
    )
    parser.add_argument(
        "--resize",
        choices=RESIZES,
        default=d.resize,
        help="how: stretch, or crop the middle and scale; the model says it (default: files are stretched)",
    )
    parser.add_argument(
        "--test", metavar="IMAGES", help="images to measure on afterwards (default: the set's test split)"
    )
    add_data_dir(parser)
    parser.add_argument(
        "-o",
        "--output",
        dest="out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoint, log and model.onnx",
    )
    parser.add_argument(
        "--network",
        default=d.network,
        metavar="NAME",
        help=f"one of {', '.join(NETWORKS)}, or FILE.py:FACTORY for a torch module of your own (default %(default)s)",
    )
    parser.add_argument(
        "--set",
        dest="network_options",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the network or factory, such as widths=8,16,32 or width=32 (may be repeated)",
    )
    parser.add_argument("--sigma", type=float, default=d.sigma, help="noise, in [0,1] pixels (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=d.epochs, help="default %(default)s")
    parser.add_argument(
        "--float-epochs",
        type=int,
        default=d.float_epochs,
        metavar="N",
        help="the first N epochs in plain float under the same noise, which is faster (default %(default)s)",
    )
    parser.add_argument("--batch", type=int, default=d.batch, help="default %(default)s")
    parser.add_argument(
        "--learning-rate", type=float, default=d.learning_rate, help="SGD's first rate (default %(default)s)"
    )
    parser.add_argument("--momentum", type=float, default=d.momentum, help="default %(default)s")
    parser.add_argument("--weight-decay", type=float, default=d.weight_decay, help="default %(default)s")
    parser.add_argument(
        "--schedule", choices=SCHEDULES, default=d.schedule, help="how the rate moves (default %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=_fractions,
        default=d.steps,
        metavar="F,F,...",
        help="fractions of the run at which the rate drops (steps)",
    )
    parser.add_argument(
        "--step-factor", type=float, default=d.step_factor, help="what it is multiplied by then (default %(default)s)"
    )
    parser.add_argument(
        "--freeze",
        type=float,
        default=d.freeze,
        help="last share of the quantised batches with frozen observers (default %(default)s)",
    )
    parser.add_argument(
        "--consistency",
        type=float,
        default=d.consistency,
        help="weight of consistency regularisation (default %(default)s)",
    )
    parser.add_argument(
        "--entropy", type=float, default=d.entropy, help="its entropy term's weight (default %(default)s)"
    )
    parser.add_argument("--flip", action="store_true", help="augment with horizontal flips")
    parser.add_argument(
        "--shift", type=int, default=d.shift, metavar="PIXELS", help="augment with shifts (default %(default)s)"
    )
    parser.add_argument(
        "--bank",
        type=int,
        default=d.bank,
        help="noise samples drawn once and reshuffled every epoch (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=d.seed, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=d.threads, help="0: torch's choice (default)")
    parser.add_argument(
        "--start",
        type=model_file,
        metavar="FILE",
        help="a float checkpoint (state_dict) or a model.onnx of train to begin from",
    )
    for name in ("mean", "std"):
        parser.add_argument(
            f"--{name}",
            type=_fractions,
            default=(),
            metavar="N,N,...",
            help=f"{name} of pixel / 255 that the images of --start were normalised with, one or one per channel",
        )
    parser.add_argument(
        "--float",
        dest="plain_float",
        action="store_true",
        help="keep the network in fp32, under a continuous Gaussian (a baseline to compare with): model.onnx is float",
    )
    parser.add_argument(
        "--validate",
        type=int,
        default=d.validate,
        metavar="N",
        help="test images that are looked at after each epoch, under noise (default %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=d.checkpoint_minutes,
        metavar="M",
        help="also write a checkpoint this often within an epoch (default %(default)s)",
    )
    parser.add_argument(
        "--fast-dev-run",
        action="store_true",
        help="two batches of each kind of epoch, in a folder of their own, to see that all of it works",
    )
    parser.add_argument("--device", choices=DEVICES, default=d.device, help="default %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the output folder")
    parser.add_argument("--json", action="store_true", help="print JSON: model, noisy_accuracy, warnings")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")
    # what is not given stays absent, so that a recipe's value stands: the help has named the defaults by then
    names = {f.name for f in fields(TrainConfig)}
    for action in parser._actions:
        if action.dest in names and action.help:
            action.help = action.help.replace("%(default)s", str(action.default))
            action.default = argparse.SUPPRESS


def run(args: argparse.Namespace) -> int:
    """Loads the images, trains, says how well."""
    from intrs_edge.datasets import load_images

    config, spec, test, size = _settings(args)
    if config.resize and not size:
        raise IntrsError(f"--resize {config.resize} needs a size: give --size HxW")
    shape = None if size is None else (size[0], size[1], size[2] if len(size) == 3 else 3)
    resize = config.resize or None
    data = load_images(spec, args.data_dir, shape, args.split_seed, resize=resize)
    test = test or (spec.replace(":train", ":test", 1).partition("[")[0] if ":train" in spec else None)
    test_set = load_images(test, args.data_dir, data.shape, args.split_seed, resize=resize) if test else None
    from intrs_edge.train import train  # torch takes seconds: what is missing has been named by now
    from intrs_edge.train.memory import keep_freed_memory

    keep_freed_memory()
    result = train(config, data, test_set)
    if test_set is not None and not args.json:
        whole = several(len(test_set), "test image")
        print(f"accuracy on one noisy copy of each of {whole}: {100 * result.noisy_accuracy:.2f} %")
    for line in result.warnings:
        print(f"intrs-edge: warning: {line}", file=sys.stderr)
    if args.json:
        accuracy = None if test_set is None else result.noisy_accuracy
        found = {"model": str(result.model), "noisy_accuracy": accuracy, "warnings": list(result.warnings)}
        print(json.dumps(found, indent=2))
    else:
        print(f"wrote {result.model}")
    return 0


def _settings(args: argparse.Namespace) -> tuple[TrainConfig, str, str | None, tuple[int, ...] | None]:
    """(settings, training images, test images, size of the images): the recipe's, overruled by what was given."""
    from intrs_edge.train import TrainConfig
    from intrs_edge.train.recipe import load_recipe

    values = {f.name: getattr(args, f.name) for f in fields(TrainConfig) if hasattr(args, f.name)}
    options = dict(values.pop("network_options", ()))
    if args.recipe is None:
        if args.data is None:
            raise IntrsError("name the training images, such as cifar10:train, or a recipe with --recipe NAME")
        return TrainConfig(**values, network_options=options), args.data, args.test, args.size
    recipe = load_recipe(args.recipe)
    if recipe.start is not None and "start" not in values:
        raise IntrsError(f"recipe {recipe.name} goes on from {recipe.start}: give it with --start FILE")
    if "network" not in values:
        options = {**recipe.config.network_options, **options}
    config = replace(recipe.config, **values, network_options=options)
    return config, args.data or recipe.data, args.test or recipe.test, args.size or recipe.size


def _size(text: str) -> tuple[int, ...]:
    parts = text.split("x")
    if not all(part.isdigit() and len(part) < 5 for part in parts):
        parts = []
    size = tuple(int(part) for part in parts)
    if len(size) not in (2, 3) or not all(1 <= n <= 4096 for n in size[:2]) or size[2:] not in ((), (1,), (3,)):
        raise argparse.ArgumentTypeError(f"{text!r} is not HxW or HxWxC with 1 or 3 channels, such as 64x64")
    return size


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers") from None


def _option(text: str) -> tuple[str, object]:
    """``name=value``: a whole number, several separated by commas, true/false, or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    parts = value.split(",")
    if all(part.isdigit() for part in parts):
        numbers = tuple(int(part) for part in parts)
        return name, numbers if len(numbers) > 1 else numbers[0]
    return name, {"true": True, "false": False}.get(value, value)
