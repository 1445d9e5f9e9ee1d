# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge generate MODEL --board ID -o DIR``: a model and a certificate's settings in, a C project out."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from intrs_edge.cli.options import add_pixels, add_settings, pixel_options, settings_of
from intrs_edge.zoo import model_file

EXAMPLES = (
    "intrs-edge generate model.onnx --board mps2-an386 -o project",
    "intrs-edge generate model.onnx --board microbit --sigma 0.25 --n 10000 --alpha 0.001 -o project --optimize size",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments; they are the fields of ``GenerateOptions``."""
    parser.add_argument("model", type=model_file, metavar="MODEL", help="an int8 .tflite or a QDQ .onnx")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the project")
    parser.add_argument(
        "--board", default="host", metavar="ID", help="a board's id (intrs-edge boards) or TOML file (default: host)"
    )
    add_settings(parser)
    parser.add_argument(
        "--optimize",
        choices=("speed", "balanced", "size"),
        default="speed",
        help="what the board's kernels are chosen for (default %(default)s)",
    )
    for name, what in (("flash", "flash"), ("ram", "RAM")):
        parser.add_argument(
            f"--{name}-budget",
            metavar="B",
            help=f"the most of the board's {what}: bytes (100000, 96k) or a share (60%%) (default: 75%%, if it can be)",
        )
    parser.add_argument(
        "--layout",
        choices=("cmake", "arduino", "platformio", "zephyr", "esp-idf", "cmsis-pack"),
        default="cmake",
        help="what the folder is: a CMake project (default), or a library as another ecosystem takes it",
    )
    parser.add_argument(
        "--prefix",
        default="intrs",
        metavar="NAME",
        help="name types, functions, macros and files NAME_..., so that two models live in one program (default: "
        "%(default)s)",
    )
    place = parser.add_argument_group(
        "where it lies on the board", "docs/generate.md; without: where the board's file says"
    )
    for what, where in (("weights", "external flash"), ("tables", "external flash"), ("arena", "another RAM")):
        place.add_argument(f"--{what}-section", metavar="NAME", help=f"linker section of the {what}, as for {where}")
    place.add_argument("--arena-by-caller", action="store_true", help="the caller says at run time where the arena is")
    add_pixels(parser)
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no progress line")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Converts where needed, generates, says what it takes before anything is flashed."""
    from intrs_edge.boards import load_board

    load_board(args.board)  # a name that is no board's is said before a model is read
    from intrs_edge.codegen import GenerateOptions, ModelFile, generate
    from intrs_edge.codegen.alternatives import alternative_lines, alternatives
    from intrs_edge.codegen.project import STEPS
    from intrs_edge.convert import load_model

    options = GenerateOptions(
        board=args.board,
        **settings_of(args),
        optimize=args.optimize,
        prefix=args.prefix,
        weights_section=args.weights_section,
        tables_section=args.tables_section,
        arena_section=args.arena_section,
        arena_by_caller=args.arena_by_caller,
        target_linf=args.target_linf,
        pixels=pixel_options(args),
        layout=args.layout,
        flash_budget=args.flash_budget,
        ram_budget=args.ram_budget,
    )
    notes: list[str] = []
    show = args.progress and sys.stderr.isatty()

    def step(name: str) -> None:
        if show:
            sys.stderr.write(f"\r[{STEPS.index(name) + 1}/{len(STEPS)}] {name}\x1b[K")
            sys.stderr.flush()

    try:
        graph = load_model(args.model, notes)
        report = generate(graph, options, args.output, step, ModelFile.of(args.model))
    finally:
        if show:
            sys.stderr.write("\r\x1b[K")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if args.json:
        print(json.dumps({**report.as_json(), "alternatives": [asdict(a) for a in alternatives(report)]}, indent=2))
    else:
        print("\n".join([report.as_text(), *alternative_lines(report)]))
    return 0
