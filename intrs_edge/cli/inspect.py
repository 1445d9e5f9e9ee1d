# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge inspect MODEL``: ops, shapes, scales, MACs, weights, and what every board would need for it."""

from __future__ import annotations

import argparse
import json

from intrs_edge.zoo import model_file

EXAMPLES = (
    "intrs-edge inspect model.onnx",
    "intrs-edge inspect model.tflite --board nrf52840dk --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=model_file, metavar="MODEL", help="an int8 .tflite or a QDQ .onnx")
    parser.add_argument(
        "--board", action="append", metavar="ID", help="only this board, or a TOML file (may be repeated)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON: macs, arena_bytes, flash_bytes, weights_bytes, ops, memory, boards",
    )


def run(args: argparse.Namespace) -> int:
    """Reads, plans for every kind of core, prints."""
    from intrs_edge.boards import board_ids, load_board
    from intrs_edge.codegen.inspect import inspect, inspect_text
    from intrs_edge.convert import load_model

    boards = [load_board(name) for name in args.board or board_ids()]
    found = inspect(load_model(args.model), boards)
    print(json.dumps(found, indent=1) if args.json else inspect_text(found))
    return 0
