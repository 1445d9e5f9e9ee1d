# SPDX-License-Identifier: Apache-2.0
"""What a network weighs: in float, as an int8 file, and as the image that is flashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intrs_edge.codegen import generate
from intrs_edge.codegen.fit import TooSmall
from intrs_edge.convert.onnx_export import to_onnx
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.study.output import Figure, Result, Series
from intrs_edge.study.settings import Case, slug
from intrs_edge.study.work import Work


def run(work: Work) -> Result:
    """The study kind size."""
    boards = work.study.boards
    found: dict[str, dict[str, Any]] = {}
    for case in work.study.case:
        found[case.name] = work.once(case.name, _sizes_of(work, case))
    columns = ["float ONNX", "int8 TFLite", *(f"flash, {board}" for board in boards), *(f"RAM, {b}" for b in boards)]
    lines = [[name, *(_bytes(sizes.get(column)) for column in columns)] for name, sizes in found.items()]
    kinds = columns[: 2 + len(boards)]
    series = [
        Series(kind, list(range(len(found))), [(sizes.get(kind) or 0) / 1024 for sizes in found.values()])
        for kind in kinds
    ]
    notes = [
        "Bytes. The float file is the same network with fp32 weights. Flash is the whole image of a board: weights, "
        "code, tables of the certificate, start-up; RAM is what it reserves, stack and all. too small: it does not "
        "fit there."
    ]
    figure = Figure("", "size (KiB)", series, list(found), log=True)
    return Result(["size", *columns], lines, figure, notes, figures=found)


def _sizes_of(work: Work, case: Case) -> Callable[[], dict[str, Any]]:
    def sizes() -> dict[str, Any]:
        graph = work.graph(case)
        found: dict[str, Any] = {
            "float ONNX": len(to_onnx(graph).SerializeToString()),
            "int8 TFLite": len(write_tflite(graph)),
        }
        for board in work.study.boards:
            work.say(f"{case.name} for {board}")
            try:
                report = generate(
                    graph, work.options(case, board=board), work.out / "projects" / f"{slug(case.name)}-{board}"
                )
            except TooSmall:
                continue
            s = report.sizes
            found[f"flash, {board}"], found[f"RAM, {board}"] = s.flash, s.arena + s.ram + s.stack
        return found

    return sizes


def _bytes(count: int | None) -> str:
    return "too small" if count is None else f"{count:,}"
