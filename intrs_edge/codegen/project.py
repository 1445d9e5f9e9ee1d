# SPDX-License-Identifier: Apache-2.0
"""Writes a project folder: everything or nothing, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen import memory_text
from intrs_edge.codegen.board_files import BoardFiles, board_files
from intrs_edge.codegen.budgets import Limits
from intrs_edge.codegen.build_files import (
    OPTIMIZATION,
    build_files,
    include_folders,
    library_sources,
    program_sources,
    runtime_sources,
)
from intrs_edge.codegen.examples import example_files
from intrs_edge.codegen.fit import TooSmall, sizes_on
from intrs_edge.codegen.folder import check_replaceable
from intrs_edge.codegen.front import FORMAT, RUNTIME, ModelFile, command, front, with_front
from intrs_edge.codegen.isa import board_levels, host_levels
from intrs_edge.codegen.layouts import CMAKE, arranged, check_layout, layout_files
from intrs_edge.codegen.manifest import describe, digest, make_manifest
from intrs_edge.codegen.model import Model, build_model, plan_level
from intrs_edge.codegen.options import GenerateOptions
from intrs_edge.codegen.prefix import Renaming, check_prefix
from intrs_edge.codegen.render import render
from intrs_edge.codegen.report import Report, step_names
from intrs_edge.codegen.samplers import map_macros
from intrs_edge.codegen.sizes import Build, Sizes, estimate
from intrs_edge.codegen.tables import render_tables, table_bytes
from intrs_edge.errors import IntrsError
from intrs_edge.files import replace_folder
from intrs_edge.graph.input_map import InputMap, derive_input_map, image_shape, no_map
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import normalize, signed_ends, simplify
from intrs_edge.graph.reading import resolve
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import validate
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Smoothing

Files = dict[str, bytes]


STEPS = ("model", "tables", "host", "board", "files")


def generate(
    graph: Graph,
    options: GenerateOptions,
    out_dir: str | os.PathLike[str],
    step: Callable[[str], object] = lambda name: None,
    source: ModelFile | None = None,
) -> Report:
    """Writes the project of a validated int8 graph to ``out_dir`` and says what it takes. step: is told each of STEPS
    as it begins. source: the file that the graph was read from; without it, the project's own model.tflite is named.

    The folder appears whole or not at all; an earlier generated project is replaced, any other folder that is not empty
    is refused. Raises IntrsError for what the options, the board or the model do not allow, before anything is written.
    """
    step("model")
    target = Path(out_dir)
    check_replaceable(target)
    board = options.load_board()
    check_layout(options.layout, board)
    check_prefix(options.prefix)
    limits = Limits.of(board, options.flash_budget, options.ram_budget)
    given = normalize(graph)
    graph = signed_ends(given)
    validate(graph)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise IntrsError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: a classifier has one of each"
        )
    reading = resolve(graph, options.pixels)
    graph, given = reading.graph, replace(given, metadata=reading.graph.metadata)
    options, notes = options.for_model(graph)
    step("tables")
    smoothing = options.smoothing(image_shape(graph))
    reach = smoothing.distribution.last
    input_map = derive_input_map(graph, reach) if reading.known else no_map(image_shape(graph)[2])
    model_bytes = write_tflite(graph)
    source = source or ModelFile("model.tflite", hashlib.sha256(model_bytes).hexdigest())
    line = command(options, source)
    manifest = make_manifest(given, options, board, smoothing, input_map, reading, source, line)
    graph = simplify(graph)  # after the file is written: .tflite has no words for explicit padding

    step("host")
    host = _host_model(graph, options, input_map)
    files: Files = {"model.tflite": model_bytes, **example_files()}
    for path, text in render_tables(smoothing).items():
        files[path] = text.encode()
    host_files = board_files(load_board("host"))
    _runtime(files, host, host_files)
    files |= _target_files("host", host, manifest, host_files)
    files["host/exports.map"] = render("exports.map.j2").encode()
    manifest["host"] = describe(host)
    step("board")
    if board.id == "host":
        files |= build_files(files, host, host_files, board, None, None, options)
        model, tables = host, sum(table_bytes(smoothing).values())
        sizes = estimate(
            [files[f"runtime/{s}"] for s in runtime_sources(host)], host.weight_bytes, tables, host.arena_bytes
        )
    else:
        known = (files, host, host_files, graph, options, board, smoothing, input_map, manifest)
        try:
            model, files, sizes = _fitted(*known, limits)
        except TooSmall:
            if limits is None or limits == limits.relaxed(board):
                raise
            limits = limits.relaxed(board)  # the default steers the choice of kernels; it refuses nothing that fits
            model, files, sizes = _fitted(*known, limits)
            notes = [*notes, *limits.notes(board, sizes)]
        manifest["target"] = describe(model)
    step("files")
    manifest["sizes"] = {**asdict(sizes), "flash": sizes.flash}
    manifest["layout"] = options.layout
    manifest["prefix"] = options.prefix
    manifest["digest"] = digest(manifest)
    first = model.levels[0]
    files["memory.svg"] = memory_text.svg(first.plan, step_names(first)).encode()
    files["project.json"] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    report = Report(str(target), board, model, sizes, manifest, (*reading.lines(), *notes), limits)
    text = report.as_text().split("\n", 1)[1]  # but for the folder's name: the same bytes wherever it is written
    files["README.md"] = render(
        "project_readme.j2", name=options.prefix, report=report, manifest=manifest, text=text
    ).encode()
    files["LICENSE"] = shipped("LICENSE").read_bytes()
    lines = front(source, line)
    files = with_front(files, lines, RUNTIME)
    renaming = Renaming(files, options.prefix)
    if options.layout == CMAKE:
        files = renaming.apply(files)
    else:
        own = layout_files(options.layout, model, board, options.optimize, text, options.prefix)
        files = renaming.apply(arranged(options.layout, files, model) | with_front(own, lines, RUNTIME))
    replace_folder(target, files, "project")
    return report


# flash and RAM of everything but the model, to begin with: runtime code; link state besides frames and the image it
# holds
_CODE_RESERVE = 24 * 1024
_DATA_RESERVE = 1024
_TRIES = 4
_MOST_ARENA = 1 << 28  # where there is an operating system; every thread has its own


def _fitted(
    common: Files,
    host: Model,
    host_files: BoardFiles,
    graph: Graph,
    options: GenerateOptions,
    board: Board,
    smoothing: Smoothing,
    input_map: InputMap,
    manifest: Mapping[str, Any],
    limits: Limits | None,
) -> tuple[Model, Files, Sizes]:
    """The board's model, the project's files with it, and its sizes: a choice of kernels that proves too large is made
    again with less. limits: of a bare-metal board.
    """
    parts = board_files(board, options.placement)
    tables = sum(table_bytes(smoothing).values())
    flash = (limits.flash.bytes if limits else board.flash_bytes) - tables - _CODE_RESERVE
    ram = limits.ram.bytes if limits else board.ram_bytes
    if board.workspace_memory == board.first("ram"):
        ram -= board.stack_bytes + 2 * board.frame_bytes + graph.tensors[graph.inputs[0]].bytes + _DATA_RESERVE
    previous: tuple[int, int] | None = None
    for _ in range(_TRIES):
        model = _board_model(graph, options, board, input_map, max(flash, 0), max(ram, 0))
        files = dict(common)
        _runtime(files, model, parts)
        files |= _target_files("board", model, manifest, parts, options.placement)
        files |= {f"board/{name}": text.encode() for name, text in parts.generated.items()}
        files |= build_files(files, host, host_files, board, model, parts, options)
        try:
            sizes = _sizes(files, board, model, parts, tables, options.optimize)
            if limits is not None:
                limits.check(board, sizes)
            return model, files, sizes
        except TooSmall as error:
            size = (model.weight_bytes, model.arena_bytes)
            if size == previous or not (error.flash or error.ram):
                raise
            previous, trouble = size, error
            if error.flash:
                flash = min(flash, model.weight_bytes) - error.flash
            if error.ram:
                ram = min(ram, model.arena_bytes) - error.ram
    raise trouble


def _sizes(files: Files, board: Board, model: Model, parts: BoardFiles, tables: int, optimize: str) -> Sizes:
    if not parts.bare_metal or parts.linker_script is None:
        texts = [files[f"runtime/{s}"] for s in runtime_sources(model)]
        return estimate(texts, model.weight_bytes, tables, model.arena_bytes)
    sources = (*library_sources("board", model), *program_sources(parts))
    build = Build(
        parts.toolchain,
        (OPTIMIZATION[optimize], *parts.cflags),
        parts.ldflags,
        parts.libraries,
        sources,
        tuple(include_folders(files, sources, "board")),
        f"board/{parts.linker_script}",
    )
    files = {**files, "board/intrs_model.c": model.skeleton.encode()}
    return sizes_on(board, files, build, model.weight_bytes, tables, model.arena_bytes)


### models ###


def _host_model(graph: Graph, options: GenerateOptions, input_map: InputMap) -> Model:
    levels = host_levels(options.machine)
    return _batched_model(graph, levels, "speed", options.batch, input_map)


def _board_model(
    graph: Graph, options: GenerateOptions, board: Board, input_map: InputMap, flash: int, ram: int
) -> Model:
    """``flash``, ``ram``: bytes for weights and arena (of a microcontroller; others have no such limits)."""
    levels = board_levels(board)
    if board.os == "linux":
        return _batched_model(graph, levels, options.optimize, options.batch, input_map)
    limits = (flash, ram) if board.os == "none" else (None, None)
    level = plan_level(graph, levels[0], options.optimize, 1, *limits)
    return build_model(graph, (level,), 1, input_map)


def _batched_model(graph: Graph, levels: tuple[Any, ...], optimize: str, batch: int, input_map: InputMap) -> Model:
    """A model of ``batch`` images where a kernel of any level takes them at once and they fit, else of one."""
    planned = tuple(plan_level(graph, level, optimize, batch, shared=len(levels) > 1) for level in levels)
    arena = max(m.plan.bytes for m in planned)
    if batch > 1 and (arena > _MOST_ARENA or not any(c.emit.batched for m in planned for c in m.calls)):
        return _batched_model(graph, levels, optimize, 1, input_map)
    if arena > _MOST_ARENA:
        raise IntrsError(f"the arena takes {arena} bytes, the limit is {_MOST_ARENA}: use a smaller model")
    return build_model(graph, planned, batch, input_map)


### files ###


def _runtime(files: Files, model: Model, parts: BoardFiles) -> None:
    """Copies what a target needs of firmware/ to runtime/, headers of the same folders included, public ones to
    include/.
    """
    firmware = shipped("firmware")
    sources = {*runtime_sources(model), *parts.library_sources, *parts.program_sources}
    headers = {
        f"{folder}/{h.name}"
        for folder in {s.rsplit("/", 1)[0] for s in (*sources, "kernels/common/")}
        for h in (firmware / folder).glob("*.h")
    }
    for name in sorted({*sources, *headers, *parts.headers}):
        files[f"runtime/{name}"] = (firmware / name).read_bytes()
    for header in sorted((firmware / "include").glob("*.h")):
        files[f"include/{header.name}"] = header.read_bytes()


def _target_files(
    folder: str,
    model: Model,
    manifest: Mapping[str, Any],
    parts: BoardFiles,
    placement: Mapping[str, str] | None = None,
) -> Files:
    height, width, channels = manifest["image_shape"]
    settings = manifest["settings"]
    macros = {
        "INTRS_CONFIG_FORMAT": FORMAT,
        **({} if manifest["reads"] else {"INTRS_PIXELS": 0}),
        "INTRS_CLASSES": len(manifest["classes"]),
        "INTRS_IMAGE_BYTES": height * width * channels,
        "INTRS_HEIGHT": height,
        "INTRS_WIDTH": width,
        "INTRS_CHANNELS": channels,
        "INTRS_INPUT_BYTES": height * width * channels,
        "INTRS_BATCH": model.batch,
        "INTRS_ARENA_BYTES": model.arena_bytes,
        "INTRS_INPUT_OFFSET": model.input_offset,
        "INTRS_OUTPUT_OFFSET": model.output_offset,
        "INTRS_N0": f"{settings['n0']}u",
        "INTRS_N": f"{settings['n']}u",
        "INTRS_MODEL_HASH": f"0x{manifest['model_hash'][:8]}u",
        "INTRS_TABLE_HASH": f"0x{manifest['table_hash'][:8]}u",
        **{f"INTRS_UINT8_{end.upper()}": 1 for end in ("input", "output") if manifest[end]["dtype"] == "uint8"},
        **map_macros(manifest["input_map"]),
        **{sampler.macro: 1 for sampler in model.samplers},
        **parts.config,
        **(placement or {}),
    }
    config = render("intrs_config.h.j2", target=folder, macros=macros.items())
    return {f"{folder}/intrs_config.h": config.encode(), f"{folder}/intrs_model.c": model.text.encode()}
