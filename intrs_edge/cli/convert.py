"""``intrs-edge convert MODEL -o model.tflite``: an int8 model with exactly the scales that were learned."""

from __future__ import annotations

import argparse
from pathlib import Path

from intrs_edge.errors import IntrsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a QDQ .onnx or an int8 .tflite")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the int8 .tflite to write")


def run(args: argparse.Namespace) -> int:
    """Reads, converts, writes."""
    from intrs_edge.convert import load_model
    from intrs_edge.graph.tflite_writer import write_tflite

    if args.output.suffix != ".tflite":
        raise IntrsError(f"{args.output}: the output is a .tflite file; name it so")
    graph = load_model(args.model)
    data = write_tflite(graph)
    temporary = args.output.with_name(args.output.name + ".tmp")
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(args.output)
    except OSError as error:
        raise IntrsError(f"{args.output}: cannot be written ({error.strerror})") from None
    print(f"{len(graph.ops)} ops, {len(data):,} bytes -> {args.output}")
    return 0
