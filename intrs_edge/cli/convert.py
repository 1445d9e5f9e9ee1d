# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge convert MODEL -o model.tflite``: an int8 model with exactly the scales that were learned."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from intrs_edge.cli.options import add_data_dir, add_pixels, pixel_options
from intrs_edge.errors import IntrsError, several
from intrs_edge.files import check_regular, write_atomically
from intrs_edge.graph.words import ASK
from intrs_edge.zoo import model_file

if TYPE_CHECKING:
    from intrs_edge.datasets import ImageSet
    from intrs_edge.graph.ir import Graph


EXAMPLES = (
    "intrs-edge convert run/model.onnx -o model.tflite",
    "intrs-edge convert float.onnx -o model.tflite --calibrate 'digits:train[::10]' --sigma 0.25 --input-range 0..1",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=model_file, metavar="MODEL", help="a QDQ or float .onnx, a quantised .pt2, or an int8 .tflite"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the int8 .tflite to write")
    parser.add_argument(
        "--check",
        metavar="IMAGES",
        help="state the agreement of an .onnx or .pt2 with the result on these images, and both accuracies",
    )
    group = parser.add_argument_group("float models", "quantised after training by onnx2tf, calibrated on noisy images")
    group.add_argument("--calibrate", metavar="IMAGES", help="images to calibrate on, such as digits:train[::10]")
    group.add_argument("--sigma", type=float, help="the noise, in [0,1] pixels")
    group.add_argument("--seed", type=int, help="of the noise (default 0)")
    add_pixels(parser)
    add_data_dir(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: output, ops, bytes")


def run(args: argparse.Namespace) -> int:
    """Reads, converts, writes; says how well it agrees with its source."""
    from intrs_edge.graph.tflite_writer import write_tflite

    if args.output.suffix != ".tflite":
        raise IntrsError(f"{args.output}: the output is a .tflite file; name it so")
    check_regular(args.output)
    graph = _graph(args)
    data = write_tflite(graph)
    write_atomically(args.output, data)
    if args.json:
        print(json.dumps({"output": str(args.output), "ops": len(graph.ops), "bytes": len(data)}))
    else:
        print(f"{len(graph.ops)} ops, {len(data):,} bytes -> {args.output}")
    return 0


def _say(args: argparse.Namespace, line: str) -> None:
    """What is found on the way; beside the results where these are for a program."""
    print(line, file=sys.stderr if args.json else sys.stdout)


def _graph(args: argparse.Namespace) -> Graph:
    from intrs_edge.graph.input_map import image_shape
    from intrs_edge.graph.reading import resolve

    graph = _calibrated(args) if args.calibrate else _quantised(args)
    reading = resolve(graph, pixel_options(args))
    for line in reading.lines():
        _say(args, line)
    if args.check:
        if not reading.known:
            raise IntrsError(
                f"--check {args.check}: it is not known what a pixel means to this model: say it with {ASK}"
            )
        images = _images(args, args.check, image_shape(graph), reading.preprocessing.resize)
        _say(args, _checked(reading.graph, args.model, images))
    return reading.graph


def _calibrated(args: argparse.Namespace) -> Graph:
    from intrs_edge.convert import agreement, is_quantised
    from intrs_edge.convert.float_onnx import from_float_onnx, onnx_image_shape
    from intrs_edge.graph.preprocessing import read_preprocessing
    from intrs_edge.terminal import waiting

    if args.sigma is None:
        raise IntrsError("--calibrate needs --sigma: the images carry the noise that the device will add")
    if is_quantised(args.model):
        raise IntrsError(f"{args.model}: already quantised, --calibrate would lose its scales: leave it out")
    images = _images(args, args.calibrate, onnx_image_shape(args.model), args.resize).images
    _say(args, f"calibrating on {several(len(images), 'noisy image')}; this takes a minute")
    with waiting("calibrating"):
        graph = from_float_onnx(args.model, images, args.sigma, pixels=pixel_options(args), seed=args.seed or 0)
    if read_preprocessing(graph)[0].range is not None:
        _say(args, f"agreement with {args.model}: {agreement(graph, args.model, images[:100])}")
    return graph


def _quantised(args: argparse.Namespace) -> Graph:
    from intrs_edge.convert import load_model
    from intrs_edge.graph.passes import normalize, signed_ends
    from intrs_edge.graph.validate import validate

    for option in ("sigma", "seed"):
        if getattr(args, option) is not None:
            raise IntrsError(f"--{option} has no effect without --calibrate, which float models need: leave it out")
    notes: list[str] = []
    graph = normalize(load_model(args.model, notes))
    for note in notes:
        _say(args, f"note: {note}")
    try:
        validate(signed_ends(graph))
    except IntrsError as error:
        raise IntrsError(f"{args.model}: {error}") from None
    return graph


def _images(args: argparse.Namespace, spec: str, shape: tuple[int, int, int], resize: str | None) -> ImageSet:
    from intrs_edge.datasets import load_images

    return load_images(spec, args.data_dir, shape, args.split_seed, resize=resize)


def _checked(graph: Graph, path: Path, images: ImageSet) -> str:
    """What can be said of a graph on images: an .onnx is asked itself, a .tflite has its accuracy only."""
    from intrs_edge.convert import accuracy, agreement

    if path.suffix.lower() != ".tflite":
        return f"agreement with {path}: {agreement(graph, path, images.images, images.labels)}"
    if (images.labels < 0).any():
        raise IntrsError(f"{images.name}: without labels there is nothing to check a .tflite against: give labels")
    right = accuracy(graph, images.images, images.labels)
    return f"accuracy {right:.2%} of {several(len(images), 'image')}, without noise"
