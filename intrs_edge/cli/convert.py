"""``intrs-edge convert MODEL -o model.tflite``: an int8 model with exactly the scales that were learned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from intrs_edge.cli.options import add_data_dir
from intrs_edge.errors import IntrsError
from intrs_edge.files import check_regular, write_atomically

if TYPE_CHECKING:
    from intrs_edge.graph.ir import Graph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a QDQ or float .onnx, or an int8 .tflite")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the int8 .tflite to write")
    parser.add_argument(
        "--check", metavar="IMAGES", help="state the agreement of an .onnx with the result on these images"
    )
    group = parser.add_argument_group("float models", "quantised after training by onnx2tf, calibrated on noisy images")
    group.add_argument("--calibrate", metavar="IMAGES", help="images to calibrate on, such as digits:train[::10]")
    group.add_argument("--sigma", type=float, help="the noise, in [0,1] pixels")
    group.add_argument("--mean", type=_numbers, default=(0.0,), metavar="M,..", help="of (pixel/255 - mean) / std")
    group.add_argument("--std", type=_numbers, default=(1.0,), metavar="S,..", help="one, or one per channel")
    group.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")
    add_data_dir(parser)


def run(args: argparse.Namespace) -> int:
    """Reads, converts, writes; says how well it agrees with its source."""
    from intrs_edge.graph.tflite_writer import write_tflite

    if args.output.suffix != ".tflite":
        raise IntrsError(f"{args.output}: the output is a .tflite file; name it so")
    check_regular(args.output)
    graph = _graph(args)
    data = write_tflite(graph)
    write_atomically(args.output, data)
    print(f"{len(graph.ops)} ops, {len(data):,} bytes -> {args.output}")
    return 0


def _graph(args: argparse.Namespace) -> Graph:
    from intrs_edge.convert import agreement, load_model
    from intrs_edge.datasets import load_images
    from intrs_edge.graph.input_map import image_shape

    if args.calibrate:
        from intrs_edge.convert.float_onnx import from_float_onnx, onnx_image_shape

        if args.sigma is None:
            raise IntrsError("--calibrate needs --sigma: the images carry the noise that the device will add")
        images = load_images(args.calibrate, args.data_dir, onnx_image_shape(args.model), args.split_seed).images
        print(f"calibrating on {len(images)} noisy images; this takes a minute")
        graph = from_float_onnx(args.model, images, args.sigma, mean=args.mean, std=args.std, seed=args.seed)
        print(f"agreement with {args.model}: {agreement(graph, args.model, images[:100])}")
    else:
        graph = load_model(args.model)
    if args.check:
        images = load_images(args.check, args.data_dir, image_shape(graph), args.split_seed).images
        print(f"agreement with {args.model}: {agreement(graph, args.model, images)}")
    return graph


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers") from None
