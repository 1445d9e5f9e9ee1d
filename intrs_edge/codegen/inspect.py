# SPDX-License-Identifier: Apache-2.0
"""What a model is and what it takes on every board, without generating anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intrs_edge.boards import Board
from intrs_edge.codegen.isa import PORTABLE, Level, board_levels
from intrs_edge.codegen.model import LevelModel, plan_level
from intrs_edge.codegen.report import memory_json
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import normalize, signed_ends, simplify
from intrs_edge.graph.reading import PixelOptions, resolve
from intrs_edge.graph.summary import op_table, summarize
from intrs_edge.graph.validate import validate
from intrs_edge.graph.warnings import warnings

# code besides the kernels (certification, link, start-up) and the tables of a common certificate (sigma 0.25, N 1000),
# rounded up from measured images
RUNTIME_BYTES = 12 * 1024
TABLE_BYTES = 7 * 1024


def inspect(graph: Graph, boards: Sequence[Board]) -> dict[str, Any]:
    """The model as data, ready for json.dumps; flash and arena for ``optimize size`` (the least that a board needs),
    estimates where code is concerned.

    Keys: ``reads`` (what a pixel means to the model, None when it is not known) and ``notes`` (that for people);
    ``macs``, ``weights_bytes`` and ``ops`` of the graph (`graph.summary`); ``arena_bytes``, ``flash_bytes`` and
    ``memory`` with the portable kernels; ``boards``.
    """
    graph = signed_ends(normalize(graph))
    validate(graph)
    reading = resolve(graph, PixelOptions(force=True))
    simple = simplify(graph)
    plans: dict[frozenset[str], LevelModel] = {}

    def planned(level: Level) -> LevelModel:
        if level.features not in plans:
            plans[level.features] = plan_level(simple, level, "size")
        return plans[level.features]

    base = planned(PORTABLE)
    return {
        **summarize(graph).to_json(),
        "reads": reading.as_json(),
        "notes": reading.lines(),
        "warnings": warnings(graph),
        "arena_bytes": base.plan.bytes,
        "flash_bytes": _flash(base),
        "memory": memory_json(base),
        "boards": [_board(b, planned(board_levels(b)[0] if b.os != "linux" else PORTABLE)) for b in boards],
    }


def _flash(m: LevelModel) -> int:
    code = sum({c.kernel.name: c.kernel.code_bytes for c in m.choices}.values())
    return sum(c.cost.weight_bytes for c in m.choices) + code + RUNTIME_BYTES + TABLE_BYTES


def _board(board: Board, m: LevelModel) -> dict[str, Any]:
    flash, arena = _flash(m), m.plan.bytes
    fits = (not board.flash_bytes or flash <= board.flash_bytes) and (not board.ram_bytes or arena <= board.ram_bytes)
    return {
        "id": board.id,
        "level": m.level.name,
        "flash_bytes": flash,
        "flash_limit": board.flash_bytes,
        "arena_bytes": arena,
        "ram_limit": board.ram_bytes,
        "fits": fits,
    }


def inspect_text(found: dict[str, Any]) -> str:
    """`inspect` for people."""
    lines = [
        op_table(found),
        "",
        *found["notes"],
        f"portable kernels: arena {found['arena_bytes']} bytes (lower bound {found['memory']['lower_bound']}), "
        f"flash about {found['flash_bytes']} bytes",
    ]
    lines += [f"WARNING: {note}" for note in found["warnings"]]
    lines += ["", f"{'board':<20} {'flash (estimate)':>22} {'arena':>20}  fits"]
    for b in found["boards"]:
        flash = f"{b['flash_bytes']} of {b['flash_limit'] or '-'}"
        arena = f"{b['arena_bytes']} of {b['ram_limit'] or '-'}"
        lines.append(f"{b['id']:<20} {flash:>22} {arena:>20}  {'yes' if b['fits'] else 'NO'}")
    return "\n".join(lines)
