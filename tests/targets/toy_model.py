"""Builds the toy model of firmware/tests/link for any board: links and ports are tested without a generated project."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from intrs_edge import __version__
from intrs_edge.boards import Board, load_board
from intrs_edge.codegen.board_files import board_files
from intrs_edge.codegen.front import FORMAT
from intrs_edge.codegen.manifest import digest, smoothing_of
from intrs_edge.paths import shipped

SHAPE = (10, 10, 3)
CLASSES = 10
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wconversion")


def compile_toy(
    board_id: str, out: Path, work: int = 0, cc: str = "", extra: tuple[str, ...] = (), board: Board | None = None
) -> Path:
    """The toy program of a board, in ``out``; for host also libintrs.so. Returns the program.

    board: one in the place of the id's.
    """
    board = board or load_board(board_id)
    files = board_files(board)
    compiler = cc or f"{files.toolchain}gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    firmware = shipped("firmware")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(firmware / "tests/link/toy_config.h", out / "intrs_config.h")
    (out / "toy_board.h").write_text("".join(f"#define {name} {text}\n" for name, text in files.config.items()))
    for name, text in files.generated.items():
        (out / name).write_text(text)
    includes = [f"-I{out}", *(f"-I{firmware / folder}" for folder in ("include", "link", "ports", "ports/host"))]
    own = [str(firmware / s) for s in ("tests/link/toy.c", "model/intrs_crc32.c")]
    sources = [*(str(firmware / s) for s in files.program_sources), *own]
    sources += [str(out / name) for name in files.generated if name.endswith((".c", ".S"))]
    toy = (f"-DINTRS_TOY_WORK={work}u", f"-DINTRS_TABLE_HASH=0x{table_hash():08x}u")
    command = [compiler, "-O2", *WARNINGS, *toy, *includes, *files.cflags, *extra]
    script = ["-T", str(out / files.linker_script)] if files.linker_script else []
    program = out / ("intrs.elf" if files.bare_metal else "intrs")
    libraries = [f"-l{name}" for name in files.libraries]
    subprocess.run([*command, *sources, *files.ldflags, *script, *libraries, "-o", str(program)], check=True)
    if files.bare_metal:
        subprocess.run([f"{files.toolchain}objcopy", "-O", "binary", str(program), str(out / "intrs.bin")], check=True)
    if board_id == "host":
        # the toy answers for itself what looks.c asks the model
        library = [*(str(firmware / s) for s in files.library_sources if not s.endswith("looks.c")), *own]
        subprocess.run([*command, "-shared", "-fPIC", *library, "-o", str(out / "libintrs.so")], check=True)
    return program


def toy_project(directory: Path, board_id: str = "host", work: int = 0) -> Path:
    """A project directory as `generate` and `build` would leave it."""
    compile_toy("host", directory / "build" / "host", work)
    if board_id != "host":
        compile_toy(board_id, directory / "build" / "board", work)
    (directory / "project.json").write_text(json.dumps(toy_manifest(board_id)))
    return directory


MODEL_HASH = 0x11223344
_SETTINGS = {
    "sigma": "0.25", "n0": 20, "n": 200, "alpha": "0.001", "noise": "discrete", "rng": "xoshiro128++",
    "certificate": "one-sided", "target_radius": None, "precision": None, "seed": 1,
}  # fmt: skip


def toy_manifest(board_id: str = "host") -> dict[str, object]:
    """What project.json says of it. Its tables are a function of its own, so their digest is as good as any."""
    manifest = {
        "format": FORMAT, "generator": __version__, "board": board_id,
        "model_hash": f"{MODEL_HASH:08x}" + "0" * 56, "tables": "0" * 64,
        "image_shape": list(SHAPE), "classes": [str(i) for i in range(CLASSES)], "settings": _SETTINGS,
        "reads": {"channels": "RGB"}, "input": {"dtype": "int8", "shape": [1, *SHAPE]}, "output": {"dtype": "int8"},
    }  # fmt: skip
    manifest["table_hash"] = smoothing_of(manifest).bound_hash("0" * 64)
    return manifest | {"digest": digest(manifest)}


def table_hash() -> int:
    """The prefix that the firmware holds."""
    return int(str(toy_manifest()["table_hash"])[:8], 16)


def _mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def image() -> np.ndarray:
    """One that the toy takes."""
    return (np.arange(np.prod(SHAPE)) % 251).astype(np.uint8).reshape(SHAPE)


def votes(image: np.ndarray, seed: int, number: int, first: int, count: int) -> np.ndarray:
    """What the toy's votes are."""
    flat = image.reshape(-1)
    out = np.zeros(CLASSES, np.int64)
    for i in range(first, first + count):
        x = _mix(seed & 0xFFFFFFFF ^ _mix(number ^ _mix(i)))
        x = (x + int(flat[x % flat.size])) & 0xFFFFFFFF
        out[1 if x % 4 else x // 4 % CLASSES] += 1
    return out


def infer(inputs: np.ndarray) -> np.ndarray:
    """What the toy's logits are."""
    return (inputs.reshape(len(inputs), -1)[:, :CLASSES] ^ np.arange(CLASSES, dtype=np.int8)).astype(np.int8)
