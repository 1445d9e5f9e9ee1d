"""The portable kernels as C programs with golden vectors from the numpy reference: gcc and clang, strict warnings, ASan
and UBSan.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from compiled import FIRMWARE, STRICT, model_of
from draws import inputs_for
from graph_cases import CASES, op_graph
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from intrs_edge.children import guarded, patient
from intrs_edge.codegen.cwrite import array_body
from intrs_edge.graph import reference

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
COMPILERS = ["gcc", "clang"]
RUNS = 3

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "intrs_kernels.h"
struct golden { void (*run)(uint8_t *arena); size_t arena, in_at, in_bytes, out_at, out_bytes; const int8_t *in, *out;
}; %(declarations)s static const struct golden all[] = { %(rows)s }; int main(void) {
    int bad = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct golden *g = &all[i];
        for (size_t k = 0; k < %(runs)d; k++) {
            uint8_t *arena = aligned_alloc(16, g->arena); /* its end is guarded by the sanitizer */
            if (!arena) return 2;
            memset(arena, 0xC3, g->arena);
            memcpy(arena + g->in_at, g->in + k * g->in_bytes, g->in_bytes);
            g->run(arena);
            if (memcmp(arena + g->out_at, g->out + k * g->out_bytes, g->out_bytes) != 0) {
                printf("case %%zu run %%zu differs\\n", i, k);
                bad = 1;
            }
            free(arena);
        }
    }
    printf("%%zu cases\\n", sizeof all / sizeof all[0]);
    return bad;
}
"""


def collect(kinds, per_kind: int):
    """The same graphs in every run."""
    found = []
    for kind in kinds:

        @settings(
            max_examples=1, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
        )  # fmt: skip
        @given(st.lists(op_graph(kind), min_size=per_kind, max_size=per_kind))
        def take(graphs) -> None:
            found.extend(graphs)

        take()
    return found


def build(folder: Path, compiler: str, graphs, spoil: bool = False) -> Path:
    """A program that runs every graph's model on golden inputs."""
    (folder / "intrs_config.h").write_text("#define INTRS_CHANNELS 1\n")
    declarations, rows, texts, sources = [], [], [], set()
    for i, graph in enumerate(graphs):
        model = model_of(graph)
        sources |= set(model.sources)
        path = folder / f"m{i}.c"
        path.write_text(
            f"#define intrs_model_run run_{i}\n#define intrs_input_map map_{i}\n"
            f"#define intrs_model_blocks blocks_{i}\n"
            f"void run_{i}(unsigned char *arena);\n{model.text}"
        )
        texts.append(str(path))
        x = inputs_for(graph, RUNS, i)
        y = np.ascontiguousarray(reference.run(graph, x)).reshape(-1).view(np.int8)
        if spoil:
            y = y.copy()
            y[-1] ^= 1
        for name, data in (("in", np.ascontiguousarray(x).reshape(-1).view(np.int8)), ("out", y)):
            declarations.append(f"static const int8_t {name}_{i}[] = {{\n{array_body(data)}}};")
        declarations.append(f"void run_{i}(uint8_t *arena);")
        a, b = graph.tensors[graph.inputs[0]].bytes, graph.tensors[graph.outputs[0]].bytes
        rows.append(
            f"    {{run_{i}, {model.arena_bytes}, {model.input_offset}, {a}, {model.output_offset}, {b}, "
            f"in_{i}, out_{i}}},"
        )
    main = folder / "main.c"
    main.write_text(MAIN % {"declarations": "\n".join(declarations), "rows": "\n".join(rows), "runs": RUNS})
    include = [f"-I{folder}", f"-I{FIRMWARE / 'include'}", f"-I{FIRMWARE / 'kernels'}"]
    program = folder / "program"
    command = [
        compiler,
        *STRICT,
        *SANITIZE,
        "-O0",
        *include,
        str(main),
        *texts,
        *(str(FIRMWARE / s) for s in sorted(sources)),
    ]
    done = subprocess.run(
        [*command, "-o", str(program)], capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    return program


def run(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(guarded([str(program)]), capture_output=True, text=True, timeout=patient(120), check=False)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_golden_vectors_under_sanitizers(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    graphs = collect(CASES, 2)
    done = run(build(tmp_path, compiler, graphs))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert f"{len(graphs)} cases" in done.stdout


def test_a_wrong_golden_value_is_seen(tmp_path: Path) -> None:
    done = run(build(tmp_path, "gcc", collect(["ADD"], 1), spoil=True))
    assert done.returncode == 1
    assert "case 0 run 2 differs" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("gcc", "-O3"), ("clang", "-O2"), ("arm-none-eabi-gcc", "-O2", "-mcpu=cortex-m0", "-mthumb"),
        ("aarch64-linux-gnu-gcc", "-O2"), ("arm-linux-gnueabihf-gcc", "-O2"),
    ],
    ids=lambda c: c[0],
)  # fmt: skip
def test_every_portable_kernel_compiles_without_warnings(command: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    sources = sorted((FIRMWARE / "kernels/portable").glob("*.c"))
    assert len(sources) >= 15
    flags = [*command, *STRICT, "-Wshadow", "-Wmissing-prototypes", "-pedantic", f"-I{FIRMWARE / 'include'}"]
    done = subprocess.run([*flags, "-c", *map(str, sources)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
