"""The board table of the README: boards/*.toml beside measured figures in docs/boards-results.json.

``boards_table.py`` prints it, ``--write`` puts it into README.md, ``--measure`` takes the figures anew first (minutes).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from intrs_edge.boards import Board, board_ids, load_board
from intrs_edge.cli.build import build_project
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.bench_board import count_board
from intrs_edge.paths import shipped

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "boards-results.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- boards: scripts/boards_table.py -->", "<!-- end of boards -->"
RUNS = {"emulated": "emulator", "built": "built, not run", "host": "this computer"}


def main() -> int:
    """Prints, writes or measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measure", action="store_true", help="generate the demo model for every board and keep its sizes"
    )
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    if args.measure:
        RESULTS.write_text(json.dumps(measure(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    text = table(json.loads(RESULTS.read_text(encoding="utf-8")))
    if args.write:
        README.write_text(inserted(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
    return 0


def table(results: dict[str, Any]) -> str:
    """Markdown, one line a board; "-" where nothing was measured."""
    lines = [
        "| board | core | runs on | flash | RAM | instructions per inference |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for board in map(load_board, board_ids()):
        figures = results["boards"].get(board.id, {})
        cells = [_number(figures.get(key)) for key in ("flash", "ram", "instructions")]
        lines.append(f"| `{board.id}`: {board.name} | {board.cpu} | {_runs_on(board)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def inserted(readme: str, text: str) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise IntrsError(f"README.md has no marks {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def measure() -> dict[str, Any]:
    """The digits model on every board: flash and RAM as generate measures them, instructions as bench counts them."""
    model = shipped("models") / "digits-resnet.onnx"
    graph = load_model(model)
    counted: dict[str, int] = {}
    boards: dict[str, dict[str, int]] = {}
    for board in map(load_board, board_ids()):
        if board.id == "host":
            continue
        print(board.id, file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "project"
            sizes = generate(graph, GenerateOptions(board=board), project).sizes
            if sizes.measured:
                boards[board.id] = {"flash": sizes.flash, "ram": sizes.arena + sizes.ram + sizes.stack}
            if board.emulator is not None and board.emulator.machine:
                build_project(project, jobs=2)
                counted[board.id] = round(count_board(project, board, board.id).instructions_per_inference)
    by_core = {load_board(name).cpu: name for name in counted}
    for board in map(load_board, boards):
        stand_in = board.id if board.id in counted else by_core.get(board.cpu)
        if stand_in is not None:
            boards[board.id]["instructions"] = counted[stand_in]
    return {"model": model.name, "boards": boards}


def _runs_on(board: Board) -> str:
    if board.status == "emulated" and board.emulator is not None:
        return f"emulator ({' '.join((board.emulator.program, board.emulator.machine)).strip()})"
    return RUNS[board.status]


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}".replace(",", " ")


if __name__ == "__main__":
    sys.exit(main())
