"""``intrs-edge inspect MODEL``: ops, shapes, scales, MACs, weights, and what every board would need for it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intrs_edge.boards import Board
    from intrs_edge.codegen.model import LevelModel
    from intrs_edge.graph.ir import Graph

# what an image holds besides weights: code and the tables of the default certificate (the digits model on a Cortex-M4
# measures 20 kB and 7 kB); generate compiles the project and says it exactly
RUNTIME_FLASH = 32 * 1024
RUNTIME_RAM = 6 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="an int8 .tflite or a QDQ .onnx")
    parser.add_argument(
        "--board", default="mps2-an386", metavar="ID", help="the board of the JSON's totals (default %(default)s)"
    )
    parser.add_argument(
        "--optimize",
        choices=("speed", "balanced", "size"),
        default="speed",
        help="what kernels are chosen for (default %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON: macs, arena_bytes, flash_bytes, weights_bytes, ops, boards"
    )


def run(args: argparse.Namespace) -> int:
    """Reads, plans for every kind of core, prints."""
    from intrs_edge.boards import board_ids, load_board
    from intrs_edge.convert import load_model
    from intrs_edge.graph.summary import summarize

    chosen = load_board(args.board)
    graph = load_model(args.model)
    summary = summarize(graph)
    boards = {b.id: b for b in [*map(load_board, board_ids()), chosen]}
    needs = _needs(graph, list(boards.values()), args.optimize)
    if args.json:
        total = {key: needs[chosen.id][key] for key in ("arena_bytes", "flash_bytes")}
        print(json.dumps({**summary.to_json(), "board": chosen.id, **total, "boards": needs}, indent=1))
        return 0
    print(summary.text())
    print(f"\n{'board':<20}{'arena':>12}{'flash, about':>16}{'fits':>8}")
    for name, need in needs.items():
        fits = {True: "yes", False: "NO", None: "-"}[need["fits"]]
        print(f"{name:<20}{need['arena_bytes']:>12,}{need['flash_bytes']:>16,}{fits:>8}")
    print(f"\nkernels chosen for {args.optimize}; generate compiles the project and measures flash and stack exactly")
    return 0


def _needs(graph: Graph, boards: list[Board], optimize: str) -> dict[str, dict[str, Any]]:
    """Arena and flash in bytes by board; ``fits`` is None where it has no limit.

    Boards of like cores share a plan; where it does not fit, a board gets its own within its limits, as in generate.
    """
    from intrs_edge.codegen.isa import board_levels
    from intrs_edge.codegen.model import plan_level
    from intrs_edge.graph.passes import integer_ends, simplify

    graph = simplify(integer_ends(graph))
    plans: dict[frozenset[str], LevelModel] = {}
    needs: dict[str, dict[str, Any]] = {}
    for board in boards:
        level = board_levels(board)[0]
        if level.features not in plans:
            plans[level.features] = plan_level(graph, level, optimize)
        need = _need(plans[level.features], board)
        if need["fits"] is False:
            flash, ram = board.flash_bytes - RUNTIME_FLASH, board.ram_bytes - RUNTIME_RAM
            if _weights(graph) <= flash:
                need = _need(plan_level(graph, level, optimize, 1, flash, ram), board)
        needs[board.id] = need
    return needs


def _need(model: LevelModel, board: Board) -> dict[str, Any]:
    arena = model.plan.bytes
    flash = sum(choice.cost.weight_bytes for choice in model.choices) + RUNTIME_FLASH
    fits = None
    if board.flash_bytes and board.ram_bytes:
        fits = flash <= board.flash_bytes and arena + RUNTIME_RAM <= board.ram_bytes
    return {"arena_bytes": arena, "flash_bytes": flash, "fits": fits}


def _weights(graph: Graph) -> int:
    from intrs_edge.graph.summary import summarize

    return summarize(graph).weights_bytes
