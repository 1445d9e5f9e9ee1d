"""The demo model on every board: built, audited, and, where there is an emulator, run and compared with the host.

One seed everywhere: certificates, predictions, votes and raw outputs must equal those of the host's library. Flash,
RAM, stack and instructions per inference go to docs/boards-results.json, from which scripts/boards_table.py makes the
README's table. A board whose tools are missing, or that answers otherwise, is named, kept out of that file, and makes
the exit code 1: nothing that did not run counts as passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intrs_edge.boards import Board, board_ids, load_board
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.datasets import load_images
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import Mode, Stream
from intrs_edge.targets import Target, open_target
from intrs_edge.targets.audit import audit_project
from intrs_edge.targets.audit.binary import sections
from intrs_edge.targets.board_cost import count_board, stand_in
from intrs_edge.targets.build import build_project
from intrs_edge.targets.counting import count_function
from intrs_edge.targets.manifest import read_manifest

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "boards-results.json"
MODELS = ("digits-resnet.onnx", "digits-tiny.onnx")  # a board runs the first that fits
IMAGES = "digits:test[0:2]"
SEED = 1
PROBE = 100  # samples of each image whose votes are compared class by class


def main() -> int:
    """Runs the boards named, or all; 1 when one of them failed or could not be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="ids (default: every board)")
    parser.add_argument("--no-write", action="store_true", help=f"leave {RESULTS.name} as it is")
    args = parser.parse_args()
    every = [name for name in board_ids() if load_board(name).os != "any"]  # which has no image
    unknown = sorted(set(args.boards) - set(every))
    if unknown:
        print(f"run_boards: {', '.join(unknown)}: no such board; see intrs-edge boards", file=sys.stderr)
        return 2
    boards = [load_board(name) for name in args.boards or every]
    passed, failed = run(boards, [load_model(shipped("models") / name) for name in MODELS])
    if not args.no_write:
        known = {} if len(boards) == len(every) else json.loads(RESULTS.read_text(encoding="utf-8"))["boards"]
        for name in failed:
            known.pop(name, None)
        text = json.dumps({"images": IMAGES, "seed": SEED, "boards": known | passed}, indent=1, sort_keys=True)
        RESULTS.write_text(text + "\n", encoding="utf-8")
    ran = sum("emulator" in found for found in passed.values())
    built = len(passed) - ran - ("host" in passed)
    print(f"{ran} boards ran with the host's counts, {built} are built and audited, {len(failed)} failed")
    return 1 if failed else 0


def run(boards: Sequence[Board], graphs: Sequence[Graph]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What was measured of the boards that hold, and why the others do not."""
    passed: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for board in boards:
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="intrs-board-") as folder:
                passed[board.id] = one_board(board, graphs, Path(folder))
            verdict = " ".join(f"{key}={value}" for key, value in passed[board.id].items())
        except Exception as error:  # a bug met on one board must not hide the others
            failed[board.id] = str(error) if isinstance(error, IntrsError) else repr(error)
            verdict = f"FAILED: {failed[board.id]}"
        print(f"{board.id:<20} {time.monotonic() - begun:4.0f} s  {verdict}", flush=True)
    return passed, failed


def one_board(board: Board, graphs: Sequence[Graph], folder: Path) -> dict[str, Any]:
    """Generates, builds, audits, runs, counts. Raises IntrsError for whatever does not hold."""
    project = folder / "project"
    model, found = first_that_fits(board, graphs, project)
    build_project(project, jobs=2)
    for report in audit_project(project):
        broken = [f"{rule.name}: {rule.detail}" for rule in report.rules if not rule.holds]
        if broken:
            raise IntrsError(f"audit of {Path(report.image).name}: {'; '.join(broken)}")
    if board.os == "linux" and board.id != "host":
        program = sections(board.toolchain, project / "build" / "board" / "intrs").values()
        found["program"] = sum(section.size for section in program if section.loaded)
    with open_target(project, "host") as host:
        expected = answers(host)
    if board.id == "host":
        compare(project, f"run:{project / 'build' / 'host' / 'intrs'}", expected)
        return {"model": model, "program_checked": True}
    if board.emulator is not None:
        compare(project, "emulator", expected)
        found["emulator"] = f"{board.emulator.program} {board.emulator.machine}".strip()
    return {"model": model, **found, **instructions(board, graphs[MODELS.index(model)], project, folder)}


def first_that_fits(board: Board, graphs: Sequence[Graph], project: Path) -> tuple[str, dict[str, Any]]:
    """Generates the largest model that the board holds; its name, and its sizes in bytes."""
    for name, graph in zip(MODELS, graphs, strict=True):
        try:
            sizes = generate(graph, GenerateOptions(board=board), project).sizes
        except IntrsError:
            if name == MODELS[-1]:
                raise
            continue
        if board.os == "linux":
            return name, {"arena": sizes.arena}
        if not sizes.measured:
            raise IntrsError(f"{board.toolchain}gcc is not installed; see intrs-edge doctor {board.id}")
        return name, {"flash": sizes.flash, "ram": sizes.arena + sizes.ram, "stack": sizes.stack}
    raise AssertionError("no models")


@dataclass(frozen=True)
class Answers:
    """What one target says of the images: everything that two targets must agree on."""

    certificates: tuple[object, ...]
    predictions: tuple[object, ...]
    votes: tuple[tuple[int, ...], ...]
    raw: bytes


def answers(target: Target) -> Answers:
    """Certificates and predictions of the target's own loops, votes of a range, and outputs for random inputs."""
    images = load_images(IMAGES)
    pairs = [(image, Stream(SEED, int(m))) for image, m in zip(images.images, images.ids, strict=True)]
    inputs = np.random.default_rng(SEED).integers(-128, 128, (5, *target.info.image_shape)).astype(np.int8)
    return Answers(
        tuple(target.certify(image, stream, Mode.FIXED) for image, stream in pairs),
        (target.predict(*pairs[0]),),
        tuple(tuple(map(int, target.votes(image, stream, 7, PROBE))) for image, stream in pairs),
        target.infer(inputs).tobytes(),
    )


def compare(project: Path, spec: str, expected: Answers) -> None:
    """Raises IntrsError when the target cannot be opened or answers otherwise than expected."""
    with open_target(project, spec) as target:
        got = answers(target)
    for name in ("certificates", "predictions", "votes", "raw"):
        if getattr(got, name) != getattr(expected, name):
            raise IntrsError(f"{spec}: {name} differ: {getattr(got, name)}, host {getattr(expected, name)}")


def instructions(board: Board, graph: Graph, project: Path, folder: Path) -> dict[str, Any]:
    """Per inference: on the board's own emulator where it counts, else on a board with the same core."""
    if board.os == "linux":
        return {"instructions": count_program(board, project, folder)}
    counted_on = stand_in(board)
    if counted_on.id != board.id:
        project = folder / "counted"
        generate(graph, GenerateOptions(board=counted_on), project)
        build_project(project, jobs=2)
    cost = count_board(project, counted_on, board.id)
    return {"instructions": round(cost.instructions_per_inference), "counted_on": counted_on.id}


def count_program(board: Board, project: Path, folder: Path) -> int:
    """A Linux program certifies one image under qemu-user; it works on a batch of samples at a time."""
    assert board.emulator is not None
    program = project / "build" / "board" / "intrs"
    image = folder / "image"
    image.write_bytes(load_images("digits:test[0]").images[0].tobytes())
    command = [board.emulator.program, *board.emulator.args, str(program), "certify", str(image), str(SEED), "0"]
    counts = count_function(command, program, "intrs_model_run")
    return round(counts.per_call / int(read_manifest(project).raw["target"]["batch"]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (IntrsError, subprocess.SubprocessError) as error:
        print(f"run_boards: {error}", file=sys.stderr)
        sys.exit(2)
