# SPDX-License-Identifier: Apache-2.0
"""A project's library as other ecosystems expect it: their folders, their metadata, their example.

The sources of the library lie in one flat ``src/``, which all of these build systems take as include folder too. What
else a layout has is the templates of its folder in ``templates/layouts``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intrs_edge import __version__
from intrs_edge.boards import Board
from intrs_edge.codegen.build_files import OPTIMIZATION, included, library_sources
from intrs_edge.codegen.model import Model
from intrs_edge.codegen.render import render
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped

Files = dict[str, bytes]

CMAKE = "cmake"
LAYOUTS = (CMAKE, "arduino", "platformio", "zephyr", "esp-idf", "cmsis-pack")

# where an example of examples/c goes, and what becomes of its main()
_EXAMPLES = {
    "platformio": {"examples/certify_image/src/main.c": "certify_image.c"},
    "zephyr": {"samples/certify_image/src/main.c": "certify_image.c"},
    "esp-idf": {"examples/certify_image/main/main.c": "certify_image.c"},
    "cmsis-pack": {f"examples/{name}": name for name in ("certify_image.c", "slices.c")},
}
_ESP_MAIN = b"""
void app_main(void);

void app_main(void)
{
    (void)certify_image();
}
"""
_KEPT = ("LICENSE", "project.json", "model.tflite", "memory.svg")
_STACK = 4096  # of the task that runs the example: the library's bound, printf, and room
_WORDS = re.compile(r"cortex-m(\w+)")


def check_layout(layout: str, board: Board) -> None:
    """Raises IntrsError for a layout that there is not, or one that the board's library cannot have."""
    if layout not in LAYOUTS:
        raise IntrsError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
    if layout != CMAKE and board.os == "linux":
        raise IntrsError(
            f"--layout {layout} is for a microcontroller, {board.id} is none: name one with --board (intrs-edge boards)"
        )


def arranged(layout: str, files: Mapping[str, bytes], model: Model, name: str = "intrs") -> Files:
    """The files of a project of CMake's layout that another has too, where it has them. model: the board's; name: of
    the library's header.

    Raises IntrsError where two files would have one name.
    """
    sources = library_sources("board", model)
    found: Files = {path: files[path] for path in _KEPT if path in files}
    for path in [*sources, *included(files, sources, "board"), f"include/{name}.h"]:
        flat = f"src/{path.rsplit('/', 1)[1]}"
        if found.get(flat, files[path]) != files[path]:
            raise IntrsError(f"layout {layout}: two files of the library are called {flat}: use --layout {CMAKE}")
        found[flat] = files[path]
    for path, example in _EXAMPLES.get(layout, {}).items():
        program = files[f"examples/{example}"]
        if layout == "esp-idf":
            program = program.replace(b"int main(void)", b"static int certify_image(void)") + _ESP_MAIN
        found[path] = program
    return found


def layout_files(layout: str, model: Model, board: Board, optimize: str, text: str, name: str = "intrs") -> Files:
    """The files that a layout alone has: metadata, build files, README. text: the report; name: of the library."""
    values = _values(board, optimize, name) | {
        "sources": sorted(f"src/{path.rsplit('/', 1)[1]}" for path in library_sources("board", model)),
        "header": f"{name}.h",
    }
    found = {"README.md": render("layouts/README.md.j2", layout=layout, text=text, **values).encode()}
    root = shipped("templates") / "layouts" / layout
    for template in sorted(root.rglob("*.j2")):
        path = str(template.relative_to(root).with_suffix("")).replace("__name__", name)
        found[path] = render(f"layouts/{layout}/{template.relative_to(root)}", **values).encode()
    return found


def _values(board: Board, optimize: str, name: str) -> dict[str, Any]:
    core = _WORDS.fullmatch(board.cpu)
    where = f"{board.cpu} ({board.id})" if core else "any core (portable C)"
    return {
        "name": name,
        "symbol": re.sub(r"[^A-Z0-9]", "_", name.upper()),
        "version": __version__,
        "sentence": "Certified inference of one network by randomized smoothing, in integer arithmetic.",
        "core": f"Generated for {where}.",
        "dcore": f"Cortex-M{core[1].replace('plus', '+').upper()}" if core else "",
        "optimization": OPTIMIZATION[optimize],
        "stack": _STACK,
    }
