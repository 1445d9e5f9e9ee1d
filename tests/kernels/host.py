"""Runs a graph through chosen host kernels: generated model, this machine's compiler, ctypes, a guarded arena."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from intrs_edge.children import guarded, patient
from intrs_edge.codegen.isa import Level
from intrs_edge.codegen.model import Model, build_model, plan_level
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.ir import Graph

FIRMWARE = Path(__file__).parents[2] / "firmware"
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wconversion")
GUARD = 64

Int8s = npt.NDArray[np.int8]


def has_feature(name: str) -> bool:
    """Whether this machine's CPU names a feature."""
    try:
        return name in Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False


needs_avx2 = pytest.mark.skipif(not has_feature("avx2"), reason="this CPU has no AVX2")


def model_of(graph: Graph, level: Level, batch: int, only: Collection[str] | None = None) -> Model:
    """The generated model of one level, whose probe is not asked."""
    bare = Level(level.name, level.features)
    plan = plan_level(graph, bare, "speed", batch, only=only, shared=True)
    channels = graph.tensors[graph.inputs[0]].shape[-1]
    return build_model(graph, (plan,), batch, InputMap((1,) * channels, (0,) * channels, 0, 0, True))


def compile_model(
    folder: Path, graph: Graph, model: Model, compiler: str = "cc", options: Collection[str] = ()
) -> list[Path]:
    """Objects of the model and its kernels."""
    name = f"{graph.name}"
    source = folder / f"{name}.c"
    source.write_text(model.text)
    inputs, outputs = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    (folder / "intrs_config.h").write_text(
        f"#define INTRS_CHANNELS {inputs.shape[-1]}\n#define INTRS_CLASSES {outputs.elements}\n"
        f"#define INTRS_BATCH {model.batch}\n#define INTRS_ARENA_BYTES {model.arena_bytes}\n"
    )
    include = [f"-I{folder}", *(f"-I{FIRMWARE / s}" for s in _folders(model.sources))]
    target = folder / f"{source.stem}.o"
    command = [compiler, *STRICT, "-O1", "-fPIC", *options, *include, "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True, timeout=patient(120))
    return [target, *(kernel_object(s, compiler, tuple(options)) for s in model.sources)]


_OBJECTS = tempfile.TemporaryDirectory()


def _folders(sources: Collection[str]) -> list[str]:
    return sorted({"include", "kernels/common", *(str(Path(s).parent) for s in sources)})


@functools.cache
def kernel_object(source: str, compiler: str, options: tuple[str, ...]) -> Path:
    """A kernel source's object, compiled once a test run."""
    target = Path(_OBJECTS.name) / f"{Path(source).stem}-{abs(hash((compiler, options))):x}.o"
    include = [f"-I{FIRMWARE / s}" for s in _folders([source])]
    path = str(FIRMWARE / source)
    command = [compiler, *STRICT, "-O2", "-fPIC", *options, *include, "-c", path, "-o", str(target)]
    subprocess.run(command, check=True, timeout=patient(120))
    return target


def _arena(model: Model, graph: Graph) -> str:
    """A program: inputs from standard input (zeros without), outputs to standard output, a guarded arena."""
    inputs, outputs = (graph.tensors[i].elements * model.batch for i in (graph.inputs[0], graph.outputs[0]))
    return f"""#include <stdio.h>
#include <string.h>
#include "intrs_model.h"
static _Alignas(16) unsigned char memory[{model.arena_bytes} + 2 * {GUARD}];
int main(void)
{{
    unsigned char *arena = memory + {GUARD};
    memset(memory, 0x5A, sizeof memory);
    memset(arena + {model.input_offset}, 0, {inputs});
    if (fread(arena + {model.input_offset}, 1, {inputs}, stdin) == 1) return 2;
    intrs_model_run(arena);
    for (int i = 0; i < {GUARD}; i++) {{
        if (memory[i] != 0x5A || arena[{model.arena_bytes} + i] != 0x5A) return 3;
    }}
    return fwrite(arena + {model.output_offset}, 1, {outputs}, stdout) == {outputs} ? 0 : 4;
}}
"""


STATIC = ("-static", "-no-pie")


def program(
    folder: Path, graph: Graph, model: Model, compiler: str, options: Collection[str], link: Collection[str] = STATIC
) -> Path:
    """A program of the model, static for another architecture."""
    main, elf = folder / "main.c", folder / "main.elf"
    main.write_text(_arena(model, graph))
    objects = compile_model(folder, graph, model, compiler, options)
    include = [f"-I{folder}", f"-I{FIRMWARE / 'include'}"]
    command = [compiler, *STRICT, *options, *link, *include, "-o", str(elf), str(main), *map(str, objects)]
    subprocess.run(command, check=True, timeout=patient(120))
    return elf


def run_program(elf: Path, model: Model, inputs: Int8s, runner: Collection[str]) -> Int8s:
    """Outputs ``[batch, elements]`` of the program under an emulator; exit code 3 is a write outside the arena."""
    result = subprocess.run(
        guarded([*runner, str(elf)]), input=inputs.tobytes(), capture_output=True, timeout=patient(120), check=False
    )
    assert result.returncode == 0, f"exit code {result.returncode}: {result.stderr.decode()[:300]}"
    return np.frombuffer(result.stdout, np.int8).reshape(model.batch, -1)


def run_model(folder: Path, graph: Graph, model: Model, inputs: Int8s) -> Int8s:
    """Outputs ``[batch, elements]`` of one intrs_model_run; asserts that it kept to its arena."""
    library = folder / "model.so"
    objects = compile_model(folder, graph, model)
    subprocess.run(["cc", "-shared", "-o", str(library), *map(str, objects)], check=True, timeout=patient(60))
    run = ctypes.CDLL(str(library)).intrs_model_run
    memory = np.full(model.arena_bytes + 2 * GUARD + 64, 0x5A, np.uint8)
    start = GUARD + (-(memory.ctypes.data + GUARD)) % 16
    arena = memory[start : start + model.arena_bytes]
    flat = inputs.reshape(model.batch, -1).view(np.uint8)
    arena[model.input_offset : model.input_offset + flat.size] = flat.reshape(-1)
    run(ctypes.c_void_p(arena.ctypes.data))
    assert (memory[:start] == 0x5A).all(), "wrote before the arena"
    assert (memory[start + model.arena_bytes :] == 0x5A).all(), "wrote past the arena"
    out = graph.tensors[graph.outputs[0]]
    n = model.batch * out.elements
    return arena[model.output_offset : model.output_offset + n].view(np.int8).reshape(model.batch, -1).copy()
