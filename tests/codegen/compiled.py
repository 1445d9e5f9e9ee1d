"""Many generated models in one shared object, run through ctypes with guard bytes around the arena."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intrs_edge.children import patient
from intrs_edge.codegen.isa import PORTABLE, Level
from intrs_edge.codegen.model import Model, build_model, plan_level
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.ir import Graph

FIRMWARE = Path(__file__).parents[2] / "firmware"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion")
# undefined behaviour ends the process, so it cannot pass unseen
UNDEFINED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
GUARD = 64
_OBJECTS = tempfile.TemporaryDirectory()

Array = npt.NDArray[np.generic]


def model_of(
    graph: Graph, level: Level = PORTABLE, batch: int = 1, optimize: str = "speed", only: Collection[str] | None = None
) -> Model:
    """The generated model of one level without a probe."""
    bare = Level(level.name, level.features)
    plan = plan_level(graph, bare, optimize, batch, only=only)
    return build_model(graph, (plan,), batch, InputMap((1,), (0,), 0, 0, True))


@functools.cache
def kernel_object(source: str) -> Path:
    """A kernel's object, compiled once a test run."""
    target = Path(_OBJECTS.name) / f"{source.replace('/', '_')}.o"
    include = [f"-I{FIRMWARE / 'include'}", f"-I{(FIRMWARE / source).parent}", f"-I{FIRMWARE / 'kernels'}"]
    command = [
        "gcc",
        *STRICT,
        *UNDEFINED,
        "-O1",
        "-fPIC",
        *include,
        "-c",
        str(FIRMWARE / source),
        "-o",
        str(target),
    ]
    subprocess.run(command, check=True, timeout=patient(120))
    return target


class Library:
    """Models by number; `run` takes ``[K, *shape]`` and gives ``[K, *output shape]``."""

    def __init__(self, folder: Path, models: Sequence[Model]) -> None:
        self.models = models
        (folder / "intrs_config.h").write_text("#define INTRS_CHANNELS 1\n")
        texts = []
        for i, model in enumerate(models):
            path = folder / f"m{i}.c"
            path.write_text(
                f"#define intrs_model_run run_{i}\n#define intrs_input_map map_{i}\n"
                f"#define intrs_model_blocks blocks_{i}\n"
                f"void run_{i}(unsigned char *arena);\n{model.text}"
            )
            texts.append(str(path))
        sources = sorted({s for m in models for s in m.sources})
        include = [f"-I{folder}", f"-I{FIRMWARE / 'include'}", *{f"-I{(FIRMWARE / s).parent}" for s in sources}]
        objects = [str(kernel_object(s)) for s in sources]
        library = folder / "models.so"
        command = ["gcc", *STRICT, "-fsanitize=undefined", "-O0", "-fPIC", "-shared", *include, *texts, *objects]
        subprocess.run([*command, "-o", str(library)], check=True, timeout=patient(300))
        self.library = ctypes.CDLL(str(library))

    def run(self, number: int, inputs: Array) -> Array:
        """Images in batches of the model's; asserts that it kept to its arena."""
        model = self.models[number]
        graph = model.graph
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        memory = np.full(model.arena_bytes + 2 * GUARD + 64, 0x5A, np.uint8)
        start = GUARD + (-(memory.ctypes.data + GUARD)) % 16
        arena = memory[start : start + model.arena_bytes]
        step = model.batch
        found = []
        for first in range(0, len(inputs), step):
            part = np.zeros((step, source.bytes), np.uint8)
            given = np.ascontiguousarray(inputs[first : first + step]).reshape(-1, source.elements).view(np.uint8)
            part[: len(given)] = given
            arena[:] = 0xC3  # nothing may depend on what an earlier run left
            arena[model.input_offset : model.input_offset + part.size] = part.reshape(-1)
            getattr(self.library, f"run_{number}")(ctypes.c_void_p(arena.ctypes.data))
            end = model.output_offset + step * target.bytes
            found.append(arena[model.output_offset : end].reshape(step, -1)[: len(given)].copy())
        assert (memory[:start] == 0x5A).all(), "wrote before the arena"
        assert (memory[start + model.arena_bytes :] == 0x5A).all(), "wrote past the arena"
        return np.concatenate(found).view(target.dtype).reshape(len(inputs), *target.shape)
