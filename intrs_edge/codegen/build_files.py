# SPDX-License-Identifier: Apache-2.0
"""What builds a project: CMake, a Makefile's list, plain lists of sources. A library first, programs on top of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from intrs_edge import __version__
from intrs_edge.boards import Board
from intrs_edge.codegen.board_files import BoardFiles
from intrs_edge.codegen.model import Model
from intrs_edge.codegen.options import GenerateOptions
from intrs_edge.codegen.render import render
from intrs_edge.paths import shipped

Files = dict[str, bytes]

OPTIMIZATION = {"speed": "-O3", "balanced": "-O2", "size": "-Os"}

_KERNELS = "runtime/kernels/"
_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def runtime_sources(model: Model) -> tuple[str, ...]:
    """Runtime sources of a target's library below firmware/, besides its port."""
    smoothing = sorted(p.name for p in (shipped("firmware") / "smoothing").glob("*.c"))
    model_files = ("model/intrs_check.c", "model/intrs_crc32.c", "model/intrs_infer.c")
    return tuple(sorted({*model_files, *(f"smoothing/{name}" for name in smoothing), *model.sources}))


def library_sources(folder: str, model: Model) -> list[str]:
    """All that is in the library of ``host`` or ``board``: the runtime, the model and the tables."""
    return [*(f"runtime/{s}" for s in runtime_sources(model)), f"{folder}/intrs_model.c", "common/intrs_tables.c"]


def program_sources(parts: BoardFiles) -> list[str]:
    """What the board's server has on top of its library."""
    sources = [f"runtime/{s}" for s in parts.program_sources]
    return sources + [f"board/{name}" for name in sorted(parts.generated) if name.endswith((".c", ".S"))]


def include_folders(files: Mapping[str, bytes], sources: Iterable[str], folder: str) -> list[str]:
    """The folders of the headers that the sources read, directly or not; the target's own is the first."""
    used = {p.rsplit("/", 1)[0] for p in included(files, sources, folder)}
    return [folder, *sorted({"include"} | used - {folder})]


def included(files: Mapping[str, bytes], sources: Iterable[str], folder: str) -> list[str]:
    """The headers that the sources of ``host`` or ``board`` read, directly or not."""
    other = {"host": "board/", "board": "host/"}[folder]
    headers = {p.rsplit("/", 1)[1]: p for p in sorted(files) if p.endswith(".h") and not p.startswith(other)}
    waiting, used = list(sources), set[str]()
    while waiting:
        for name in _INCLUDE.findall(files[waiting.pop()]):
            path = headers.get(name.decode().rsplit("/", 1)[-1])
            if path is not None and path not in used:
                used.add(path)
                waiting.append(path)
    return sorted(used)


def build_files(
    files: Files,
    host: Model,
    host_parts: BoardFiles,
    board: Board,
    on_board: Model | None,
    parts: BoardFiles | None,
    options: GenerateOptions,
) -> Files:
    """CMakeLists.txt, and for each target its sources.txt and Makefile.inc. files: the project so far."""
    shared = {"name": options.prefix, "version": __version__}
    sources = library_sources("host", host)
    program = [f"runtime/{s}" for s in (*host_parts.library_sources, *host_parts.program_sources)]
    folders = include_folders(files, sources, "host")
    view: dict[str, Any] = {
        "sources": sources,
        "library": [f"runtime/{s}" for s in host_parts.library_sources],
        "program": [f"runtime/{s}" for s in host_parts.program_sources],
        "folders": folders,
        "extra_folders": _more(files, folders, program, "host"),
        "libraries": host_parts.libraries,
    }
    built = _lists("host", view)
    if on_board is not None and parts is not None:
        sources, program = library_sources("board", on_board), program_sources(parts)
        folders = include_folders(files, sources, "board")
        board_view: dict[str, Any] = {
            **parts.__dict__,
            "sources": sources,
            "program": program,
            "folders": folders,
            "extra_folders": _more(files, folders, program, "board"),
        }
        values = {
            "board": board_view,
            "board_id": board.id,
            **shared,
            "optimization": OPTIMIZATION[options.optimize],
            "processor": _processor(board),
        }
        built["board/CMakeLists.txt"] = render("board_cmake.j2", **values).encode()
        if program:
            built["board/toolchain.cmake"] = render("toolchain_cmake.j2", **values).encode()
        built |= _lists("board", board_view)
    else:
        board_view = {}
    built["CMakeLists.txt"] = render(
        "project_cmake.j2", host=view, board=board_view, board_id=board.id, **shared
    ).encode()
    return built


def _more(files: Files, folders: list[str], sources: list[str], folder: str) -> list[str]:
    """Include folders that programs need and the library does not."""
    return [f for f in include_folders(files, sources, folder) if f not in folders]


def _lists(folder: str, view: Mapping[str, Any]) -> Files:
    return {
        f"{folder}/sources.txt": "".join(f"{s}\n" for s in view["sources"]).encode(),
        f"{folder}/Makefile.inc": render(
            "makefile_inc.j2",
            folder=folder,
            target=view,
            version=__version__,
            kernels=[s for s in view["sources"] if s.startswith(_KERNELS)],
            own=[s for s in view["sources"] if not s.startswith(_KERNELS)],
        ).encode(),
    }


def _processor(board: Board) -> str:
    if board.os == "linux":
        return "aarch64" if board.toolchain.startswith("aarch64") else "arm"
    return "riscv" if board.toolchain.startswith("riscv") else "arm"
