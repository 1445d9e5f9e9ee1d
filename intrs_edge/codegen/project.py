"""Writes a project folder: everything or nothing, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen import memory_text
from intrs_edge.codegen.board_files import BoardFiles, board_files
from intrs_edge.codegen.ends import signed_ends
from intrs_edge.codegen.isa import board_levels, host_levels
from intrs_edge.codegen.model import Model, build_model, plan_level
from intrs_edge.codegen.options import GenerateOptions
from intrs_edge.codegen.report import Report, step_names
from intrs_edge.codegen.sizes import Build, Overflow, Sizes, estimate, measure
from intrs_edge.codegen.tables import render_tables, table_bytes
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import InputMap, derive_input_map, image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import integer_ends, simplify
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import validate
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Smoothing

FORMAT = 1

Files = dict[str, bytes]


def generate(graph: Graph, options: GenerateOptions, out_dir: str | os.PathLike[str]) -> Report:
    """Writes the project of a validated int8 graph to ``out_dir`` and says what it takes.

    The folder appears whole or not at all; an earlier generated project is replaced, any other folder that is not empty is refused. Raises IntrsError for what
    the options, the board or the model do not allow, before anything is written.
    """
    target = Path(out_dir)
    check_replaceable(target)
    board = options.load_board()
    graph = signed_ends(integer_ends(graph))
    validate(graph)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise IntrsError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: a classifier has one of each"
        )
    smoothing = options.smoothing(image_shape(graph))
    input_map = derive_input_map(graph, smoothing.distribution.last)
    model_bytes = write_tflite(graph)
    manifest = make_manifest(graph, options, board, smoothing, input_map, hashlib.sha256(model_bytes).hexdigest())
    graph = simplify(graph)  # after the file is written: .tflite has no words for explicit padding

    host = _host_model(graph, options, input_map)
    files: Files = {"model.tflite": model_bytes}
    for path, text in render_tables(smoothing).items():
        files[path] = text.encode()
    host_files = board_files(load_board("host"))
    _runtime(files, host, host_files)
    files |= _target_files("host", host, manifest, host_files)
    files["host/exports.map"] = _render("exports.map.j2").encode()
    manifest["host"] = _describe(host)
    on_board: Model | None = None
    parts: BoardFiles | None = None
    if board.id != "host":
        parts = board_files(board)
        on_board = _board_model(graph, options, board, input_map, sum(table_bytes(smoothing).values()))
        _runtime(files, on_board, parts)
        files |= _target_files("board", on_board, manifest, parts)
        for name, text in parts.generated.items():
            files[f"board/{name}"] = text.encode()
        manifest["target"] = _describe(on_board)
    files |= _build_files(files, host, host_files, board, on_board, parts, options.optimize)
    model = on_board or host
    sizes = _sizes(files, board, model, parts, smoothing, options.optimize)
    manifest["sizes"] = {**asdict(sizes), "flash": sizes.flash}
    first = model.levels[0]
    files["memory.svg"] = memory_text.svg(first.plan, step_names(first)).encode()
    files["project.json"] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    report = Report(str(target), board, model, sizes, manifest)
    files["README.md"] = _render("project_readme.j2", report=report, manifest=manifest, text=report.as_text()).encode()
    write_folder(target, files)
    return report


### models ###


def _host_model(graph: Graph, options: GenerateOptions, input_map: InputMap) -> Model:
    levels = host_levels(options.machine)
    return _batched_model(graph, levels, "speed", options.batch, input_map)


# flash and RAM of everything but the model: runtime code; link state besides frames and the image it holds
_CODE_RESERVE = 24 * 1024
_DATA_RESERVE = 1024


def _board_model(graph: Graph, options: GenerateOptions, board: Board, input_map: InputMap, tables: int) -> Model:
    levels = board_levels(board)
    if board.os == "linux":
        return _batched_model(graph, levels, options.optimize, options.batch, input_map)
    flash = max(board.flash_bytes - tables - _CODE_RESERVE, 0)
    ram = board.ram_bytes
    if board.workspace_memory == board.first("ram"):
        ram -= board.stack_bytes + 2 * board.frame_bytes + graph.tensors[graph.inputs[0]].bytes + _DATA_RESERVE
    level = plan_level(graph, levels[0], options.optimize, 1, flash, max(ram, 0))
    return build_model(graph, (level,), 1, input_map)


def _batched_model(graph: Graph, levels: tuple[Any, ...], optimize: str, batch: int, input_map: InputMap) -> Model:
    """A model of ``batch`` images where a kernel of any level takes them at once, else of one."""
    planned = tuple(plan_level(graph, level, optimize, batch, shared=len(levels) > 1) for level in levels)
    if batch > 1 and not any(c.emit.batched for m in planned for c in m.calls):
        return _batched_model(graph, levels, optimize, 1, input_map)
    return build_model(graph, planned, batch, input_map)


def _describe(model: Model) -> dict[str, Any]:
    return {
        "arena_bytes": model.arena_bytes,
        "batch": model.batch,
        "weights_bytes": model.weight_bytes,
        "kernels": {
            m.level.name: {c.site.name: c.kernel.name for c in sorted(m.choices, key=lambda c: c.site.ops)}
            for m in model.levels
        },
    }


### manifest ###


def make_manifest(
    graph: Graph, options: GenerateOptions, board: Board, smoothing: Smoothing, input_map: InputMap, model_hash: str
) -> dict[str, Any]:
    """The content of project.json; hashes are SHA-256 in hexadecimal."""
    classes = graph.tensors[graph.outputs[0]].elements
    names = class_names(graph, classes)
    source = graph.tensors[graph.inputs[0]]
    assert source.quant is not None
    return {
        "format": FORMAT,
        "board": board.id,
        "model_hash": model_hash,
        "table_hash": smoothing.table_hash,
        "image_shape": list(image_shape(graph)),
        "classes": names,
        "input": {"scale": float(source.quant.scale[0]), "zero_point": int(source.quant.zero_point[0])},
        "input_map": {
            "mul": list(input_map.mul),
            "add": list(input_map.add),
            "shift": input_map.shift,
            "reach": input_map.reach,
            "exact": input_map.exact,
        },
        "settings": {
            "sigma": str(options.sigma),
            "n0": options.n0,
            "n": options.n,
            "alpha": str(options.alpha),
            "seed": options.seed,
            "noise": options.noise,
            "rng": options.rng,
            "certificate": options.certificate,
            "optimize": options.optimize,
            "target_radius": None if options.target_radius is None else str(options.target_radius),
            "precision": None if options.precision is None else str(options.precision),
        },
    }


def class_names(graph: Graph, classes: int) -> list[str]:
    """Names from the metadata, or the numbers."""
    text = graph.metadata.get("intrs.classes")
    if text is not None:
        try:
            names = json.loads(text)
        except ValueError:
            names = None
        if isinstance(names, list) and len(names) == classes and all(isinstance(n, str) for n in names):
            return names
        raise IntrsError(f"metadata intrs.classes is not a JSON list of {classes} names: write it again")
    return [str(i) for i in range(classes)]


### files ###


def _render(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(shipped("templates"))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(template).render(**values)


def _library_sources(model: Model) -> tuple[str, ...]:
    """Runtime sources of a target below firmware/, besides its port."""
    smoothing = sorted(p.name for p in (shipped("firmware") / "smoothing").glob("*.c"))
    return tuple(sorted({"model/intrs_infer.c", *(f"smoothing/{name}" for name in smoothing), *model.sources}))


def _runtime(files: Files, model: Model, parts: BoardFiles) -> None:
    """Copies what a target needs of firmware/ to runtime/, headers of the same folders included, public ones to include/."""
    firmware = shipped("firmware")
    sources = {*_library_sources(model), *parts.library_sources, *parts.program_sources}
    headers = {
        f"{folder}/{h.name}"
        for folder in {s.rsplit("/", 1)[0] for s in (*sources, "kernels/")}
        for h in (firmware / folder).glob("*.h")
    }
    for name in sorted({*sources, *headers, *parts.headers}):
        files[f"runtime/{name}"] = (firmware / name).read_bytes()
    for header in sorted((firmware / "include").glob("*.h")):
        files[f"include/{header.name}"] = header.read_bytes()


def _target_files(folder: str, model: Model, manifest: Mapping[str, Any], parts: BoardFiles) -> Files:
    height, width, channels = manifest["image_shape"]
    settings = manifest["settings"]
    macros = {
        "INTRS_CLASSES": len(manifest["classes"]),
        "INTRS_IMAGE_BYTES": height * width * channels,
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
        **{sampler.macro: 1 for sampler in model.samplers},
        **parts.config,
    }
    config = _render("intrs_config.h.j2", target=folder, macros=macros.items())
    return {f"{folder}/intrs_config.h": config.encode(), f"{folder}/intrs_model.c": model.text.encode()}


_MACHINES = {
    "kernels/x86": "x86_64|AMD64|amd64",
    "kernels/neon": "aarch64|arm64|arm",
    "smoothing/x86": "x86_64|AMD64|amd64",
    "smoothing/neon": "aarch64|arm64|arm",
}


def _flags(model: Model) -> list[tuple[str, dict[str, Any]]]:
    """Compiler options of single sources, with the processors that they are for."""
    found = []
    for source, options in sorted(model.cflags.items()):
        machine = next((m for prefix, m in _MACHINES.items() if source.startswith(prefix)), ".*")
        found.append((f"runtime/{source}", {"options": options, "machine": machine}))
    return found


_OPTIMIZATION = {"speed": "-O3", "balanced": "-O2", "size": "-Os"}


def _folders(files: Files) -> list[str]:
    """Include folders, beside the target's own."""
    return sorted({"include"} | {p.rsplit("/", 1)[0] for p in files if p.startswith("runtime/") and p.endswith(".h")})


def _board_sources(model: Model, parts: BoardFiles) -> list[str]:
    """Everything that is compiled for a board."""
    sources = [f"runtime/{s}" for s in (*_library_sources(model), *parts.program_sources)]
    sources += ["board/intrs_model.c", "common/intrs_tables.c"]
    return sources + [f"board/{name}" for name in sorted(parts.generated) if name.endswith((".c", ".S"))]


def _build_files(
    files: Files,
    host: Model,
    host_parts: BoardFiles,
    board: Board,
    on_board: Model | None,
    parts: BoardFiles | None,
    optimize: str,
) -> Files:
    view = {
        "runtime": [f"runtime/{s}" for s in _library_sources(host)],
        "library": [f"runtime/{s}" for s in host_parts.library_sources],
        "program": [f"runtime/{s}" for s in host_parts.program_sources],
        "folders": _folders(files),
        "flags": _flags(host),
        "libraries": host_parts.libraries,
    }
    built: Files = {}
    board_view: dict[str, Any] | None = None
    if on_board is not None and parts is not None:
        sources = _board_sources(on_board, parts)
        board_view = {**parts.__dict__, "sources": sources, "folders": _folders(files), "flags": _flags(on_board)}
        values = {
            "board": board_view,
            "board_id": board.id,
            "optimization": _OPTIMIZATION[optimize],
            "processor": _processor(board),
        }
        built["board/CMakeLists.txt"] = _render("board_cmake.j2", **values).encode()
        built["board/toolchain.cmake"] = _render("toolchain_cmake.j2", **values).encode()
    built["CMakeLists.txt"] = _render("project_cmake.j2", host=view, board=board_view, board_id=board.id).encode()
    return built


def _sizes(
    files: Files, board: Board, model: Model, parts: BoardFiles | None, smoothing: Smoothing, optimize: str
) -> Sizes:
    """Sizes on the target, against the board's limits: IntrsError where something does not fit."""
    tables = sum(table_bytes(smoothing).values())
    if parts is None or not parts.bare_metal or parts.linker_script is None:
        texts = [files[f"runtime/{s}"] for s in _library_sources(model)]
        return estimate(texts, model.weight_bytes, tables, model.arena_bytes)
    sources = _board_sources(model, parts)
    build = Build(
        parts.toolchain,
        (_OPTIMIZATION[optimize], *parts.cflags),
        parts.ldflags,
        parts.libraries,
        tuple(sources),
        ("board", *_folders(files)),
        {f"runtime/{s}": flags for s, flags in model.cflags.items()},
        f"board/{parts.linker_script}",
    )
    guess = estimate(
        [files[s] for s in sources if s.startswith("runtime/")], model.weight_bytes, tables, model.arena_bytes
    )
    fixed = model.weight_bytes + tables
    if fixed > board.flash_bytes:
        raise IntrsError(
            f"board {board.id} is too small: weights and tables alone take {fixed} bytes of flash, it has "
            f"{board.flash_bytes}: use a smaller model or a larger board"
        )
    if model.arena_bytes > board.ram_bytes:
        raise IntrsError(
            f"board {board.id} is too small: the arena takes {model.arena_bytes} bytes of RAM, it has {board.ram_bytes}: "
            "use a smaller model or a larger board"
        )
    try:
        sizes = measure(files, build, model.weight_bytes, tables, model.arena_bytes) or guess
    except Overflow as over:
        limits = {m.name: m.size for m in board.memory}
        what = ", ".join(
            f"{name} needs {limits.get(name, 0) + n} bytes and has {limits.get(name, 0)}"
            for name, n in over.regions.items()
        )
        raise IntrsError(
            f"board {board.id} is too small: {what} (weights {model.weight_bytes}, tables {tables}, arena {model.arena_bytes}): "
            "use a smaller model, --optimize size or a larger board"
        ) from None
    problems = []
    if sizes.flash > board.flash_bytes:
        problems.append(f"flash {sizes.flash} of {board.flash_bytes}")
    if sizes.arena + sizes.ram > board.ram_bytes:
        problems.append(f"RAM {sizes.arena + sizes.ram} of {board.ram_bytes}")
    if sizes.stack > board.stack_bytes:
        problems.append(f"stack {sizes.stack} of {board.stack_bytes}")
    if problems and (sizes.measured or not _fits_estimated(sizes, board)):
        raise IntrsError(
            f"board {board.id} is too small: {', '.join(problems)} bytes: use a smaller model, --optimize size or a larger board"
        )
    return sizes


def _fits_estimated(sizes: Sizes, board: Board) -> bool:
    """Whether what is known for sure fits: an estimate of code must not refuse a board that may do."""
    return sizes.weights + sizes.tables < board.flash_bytes and sizes.arena < board.ram_bytes


def _processor(board: Board) -> str:
    if board.os == "linux":
        return "aarch64" if board.toolchain.startswith("aarch64") else "arm"
    return "arm"


### the folder ###


def check_replaceable(target: Path) -> None:
    """Raises IntrsError unless the path is free, an empty folder or an earlier generated project."""
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise IntrsError(f"{target} exists and is not a folder: give another output folder")
    if any(target.iterdir()):
        try:
            content = json.loads((target / "project.json").read_text(encoding="utf-8"))
            generated = isinstance(content, dict) and "format" in content and "model_hash" in content
        except (OSError, ValueError):
            generated = False
        if not generated:
            raise IntrsError(
                f"{target} is not empty and not a generated project: give another output folder, or empty it"
            )


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Writes beside the target, then renames; a failure leaves what was there."""
    target = target.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise IntrsError(f"{target} cannot be written ({error.strerror}): give another output folder") from error
    try:
        fresh = draft / "new"
        for name, content in sorted(files.items()):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if target.exists():
            target.rename(draft / "old")
        fresh.rename(target)
    except OSError as error:
        if (draft / "old").exists() and not target.exists():
            (draft / "old").rename(target)
        raise IntrsError(
            f"{target} cannot be written ({error.strerror}): free some space or give another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
