"""``intrs-edge infer DIR --input x.npy --output y.npy``: raw int8 in, raw int8 out, no noise."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from intrs_edge.cli.options import add_target
from intrs_edge.errors import IntrsError
from intrs_edge.files import check_regular, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    parser.add_argument(
        "--input", type=Path, required=True, metavar="X.npy", help="int8 [K, H, W, C], as the model quantises"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="Y.npy", help="int8 [K, classes] is written here")
    add_target(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the model on every input."""
    import numpy as np

    from intrs_edge.datasets.array import read_npy
    from intrs_edge.targets import open_target

    check_regular(args.output)
    inputs = read_npy(args.input)
    with open_target(args.project, args.target) as target:
        shape = target.info.image_shape
        if inputs.dtype != np.int8 or inputs.ndim != 4 or inputs.shape[1:] != shape:
            raise IntrsError(
                f"{args.input}: {inputs.dtype} {list(inputs.shape)}; this model takes int8 [K, {str(list(shape))[1:]}"
            )
        outputs = target.infer(inputs.astype(np.int8, copy=False))
    saved = io.BytesIO()
    np.save(saved, outputs)
    write_atomically(args.output, saved.getvalue())
    print(f"{len(outputs)} x {outputs.shape[1]} logits -> {args.output}")
    return 0
