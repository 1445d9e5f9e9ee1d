# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge infer DIR --input x.npy --output y.npy``: raw codes in, raw codes out, no noise."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from intrs_edge.cli.options import add_target
from intrs_edge.files import check_regular, write_atomically

EXAMPLES = (
    "intrs-edge infer project --input codes.npy --output logits.npy",
    "intrs-edge infer project --input codes.npy --output logits.npy --target emulator",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        metavar="X.npy",
        help="codes as the model quantises, [K, H, W, C] or its own shape; int8 or uint8, as the model has them",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="Y.npy", help="[K, classes] is written here, int8 or uint8"
    )
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: output, shape, dtype")


def run(args: argparse.Namespace) -> int:
    """Runs the model on every input."""
    import numpy as np

    from intrs_edge.datasets.array import read_npy
    from intrs_edge.targets import open_target
    from intrs_edge.targets.base import check_inputs

    check_regular(args.output)
    inputs = read_npy(args.input)
    with open_target(args.project, args.target) as target:
        outputs = target.infer(check_inputs(inputs, target.info, str(args.input)))
    saved = io.BytesIO()
    np.save(saved, outputs)
    write_atomically(args.output, saved.getvalue())
    if args.json:
        print(json.dumps({"output": str(args.output), "shape": list(outputs.shape), "dtype": str(outputs.dtype)}))
    else:
        print(f"{len(outputs)} x {outputs.shape[1]} logits -> {args.output}")
    return 0
