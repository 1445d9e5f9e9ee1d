"""What a model is and what it takes on every board, without generating anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intrs_edge.boards import Board
from intrs_edge.codegen.ends import signed_ends
from intrs_edge.codegen.isa import PORTABLE, Level, board_levels
from intrs_edge.codegen.model import LevelModel, plan_level
from intrs_edge.codegen.report import memory_json
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.passes import normalize, simplify
from intrs_edge.graph.validate import validate

# code besides the kernels (certification, link, start-up) and the tables of a common certificate (sigma 0.25, N 1000),
# rounded up from measured images
RUNTIME_BYTES = 12 * 1024
TABLE_BYTES = 7 * 1024


def macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of an op: filter taps inside the padding included, as everyone counts them."""
    out = graph.tensors[op.outputs[0]]
    if op.kind in ("CONV_2D", "FULLY_CONNECTED"):
        weights = graph.tensors[op.inputs[1]]
        return out.elements * (weights.elements // weights.shape[0])
    if op.kind == "DEPTHWISE_CONV_2D":
        weights = graph.tensors[op.inputs[1]]
        return out.elements * weights.shape[1] * weights.shape[2]
    return 0


def inspect(graph: Graph, boards: Sequence[Board]) -> dict[str, Any]:
    """The model as data, ready for json.dumps; flash and arena for ``optimize size`` (the least that a board needs),
    estimates where code is concerned.

    Keys: ``macs``, ``arena_bytes``, ``flash_bytes``, ``weights_bytes`` (portable kernels), ``ops``, ``memory``,
    ``boards``.
    """
    graph = signed_ends(normalize(graph))
    validate(graph)
    simple = simplify(graph)
    plans: dict[frozenset[str], LevelModel] = {}

    def planned(level: Level) -> LevelModel:
        if level.features not in plans:
            plans[level.features] = plan_level(simple, level, "size")
        return plans[level.features]

    base = planned(PORTABLE)
    return {
        "macs": sum(macs(graph, op) for op in graph.ops),
        "arena_bytes": base.plan.bytes,
        "flash_bytes": _flash(base),
        "weights_bytes": _weights(base),
        "ops": [_op(graph, i) for i in range(len(graph.ops))],
        "memory": memory_json(base),
        "boards": [_board(b, planned(board_levels(b)[0] if b.os == "none" else PORTABLE)) for b in boards],
    }


def _weights(m: LevelModel) -> int:
    return sum(c.cost.weight_bytes for c in m.choices)


def _flash(m: LevelModel) -> int:
    code = sum({c.kernel.name: c.kernel.code_bytes for c in m.choices}.values())
    return _weights(m) + code + RUNTIME_BYTES + TABLE_BYTES


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


def _op(graph: Graph, number: int) -> dict[str, Any]:
    op = graph.ops[number]
    values = [graph.tensors[i] for i in op.inputs if i >= 0]
    out = graph.tensors[op.outputs[0]]
    return {
        "index": number,
        "kind": op.kind,
        "name": op.name,
        "inputs": [list(t.shape) for t in values],
        "output": list(out.shape),
        "scale": None if out.quant is None else float(out.quant.scale[0]),
        "zero_point": None if out.quant is None else int(out.quant.zero_point[0]),
        "macs": macs(graph, op),
        "weights_bytes": sum(t.bytes for t in values if t.constant),
    }


def inspect_text(found: dict[str, Any]) -> str:
    """`inspect` for people."""
    lines = [
        f"{found['macs']} multiply-accumulates, weights {found['weights_bytes']} bytes, "
        f"arena {found['arena_bytes']} bytes "
        f"(lower bound {found['memory']['lower_bound']}), flash about {found['flash_bytes']} bytes",
        "",
        f"{'op':>3}  {'kind':<24} {'output':<16} {'scale':>10} {'zero':>5} {'MACs':>12} {'weights':>9}",
    ]
    for op in found["ops"]:
        shape = "x".join(map(str, op["output"]))
        scale = "" if op["scale"] is None else f"{op['scale']:.3e}"
        zero = "" if op["zero_point"] is None else op["zero_point"]
        lines.append(
            f"{op['index']:>3}  {op['kind']:<24} {shape:<16} {scale:>10} {zero:>5} {op['macs']:>12} "
            f"{op['weights_bytes']:>9}"
        )
    lines += ["", f"{'board':<20} {'flash (estimate)':>22} {'arena':>20}  fits"]
    for b in found["boards"]:
        flash = f"{b['flash_bytes']} of {b['flash_limit'] or '-'}"
        arena = f"{b['arena_bytes']} of {b['ram_limit'] or '-'}"
        lines.append(f"{b['id']:<20} {flash:>22} {arena:>20}  {'yes' if b['fits'] else 'NO'}")
    return "\n".join(lines)
