"""Weights, tables and working memory in memories that the integrator chooses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from known import IMAGE, OPTIONS, expected, said
from library import compile_all, includes, run
from networks import tiny

from intrs_edge.cli.main import main
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Stream
from intrs_edge.targets.build import build_project

M4 = ("-mcpu=cortex-m4+nofp", "-mthumb", "-O2")
needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


def sections(objects: list[Path], tool: str = "size") -> dict[str, dict[str, int]]:
    """Object -> section -> bytes."""
    found = {}
    for item in objects:
        words = [line.split() for line in run(tool, "-A", item, cwd=item.parent).splitlines()]
        found[item.stem] = {w[0]: int(w[1]) for w in words if len(w) == 3 and w[1].isdigit()}
    return found


@needs_arm
def test_sections_by_option(tmp_path: Path) -> None:
    options = replace(OPTIONS, weights_section=".qspi", tables_section=".slow", arena_section=".ccm")
    report = generate(tiny(), options, tmp_path / "p")
    found = sections(
        compile_all(tmp_path / "p", "board", "arm-none-eabi-gcc", tmp_path / "o", *M4), "arm-none-eabi-size"
    )
    assert report.model.weight_bytes <= found["intrs_model"][".qspi"] <= report.model.weight_bytes + 64
    assert found["intrs_tables"][".slow"] > 1000
    assert found["intrs_jump_table"][".slow"] == 1024
    assert not any(".qspi" in s or ".slow" in s for s in sections(
        compile_all(tmp_path / "p", "host", "gcc", tmp_path / "h", "-O2")).values()
    )  # fmt: skip
    assert report.sizes.measured  # the board's own image takes them where they would be
    build_project(tmp_path / "p", 2)
    names = run("arm-none-eabi-nm", tmp_path / "p/build/board/intrs.elf", cwd=tmp_path)
    assert "conv0_" in names
    plain = generate(tiny(), OPTIONS, tmp_path / "q")
    assert abs(plain.sizes.flash - report.sizes.flash) <= 64
    assert plain.sizes.ram == report.sizes.ram


def test_sections_by_a_file_of_ones_own(tmp_path: Path) -> None:
    generate(tiny(), OPTIONS, tmp_path / "p")
    wanted = {"WEIGHTS": "far", "TABLES": "near"}
    text = "".join(f'#define INTRS_{n} __attribute__((section("{s}")))\n' for n, s in wanted.items())
    (tmp_path / "mine.h").write_text(text)
    flags = ("-O2", f"-I{tmp_path}", '-DINTRS_PLACEMENT="mine.h"')
    objects = compile_all(tmp_path / "p", "host", "gcc", tmp_path / "o", *flags)
    found = sections(objects)
    assert found["intrs_model"]["far"] > 100
    assert found["intrs_tables"]["near"] > 1000
    program = tmp_path / "certify_image"
    source = tmp_path / "p/examples/certify_image.c"
    run("gcc", *includes(tmp_path / "p", "host"), *flags, source, *objects, "-o", program, cwd=tmp_path)
    assert run(program, cwd=tmp_path) == said(expected(IMAGE, Stream(1, 0)))


CALLER = """
#include <stdio.h>
#include "intrs.h"
static struct intrs_workspace ws;
static _Alignas(16) uint8_t memory[INTRS_ARENA_BYTES + 16];
int main(void)
{
    uint8_t image[INTRS_IMAGE_BYTES];
    const struct intrs_stream stream = {1, 0};
    struct intrs_certificate c;
    uint32_t votes[INTRS_CLASSES] = {0};
    intrs_input input[INTRS_INPUT_BYTES] = {0};
    intrs_output output[INTRS_CLASSES];
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) image[i] = (uint8_t)i;
    uint8_t *const wrong[] = {NULL, memory + 4};
    for (int i = 0; i < 2; i++) {
        ws.arena = wrong[i];
        if (intrs_certify(&ws, image, &stream, INTRS_FIXED, NULL, NULL, &c) != INTRS_E_ARGUMENT) return 1;
        if (intrs_votes(&ws, image, &stream, 0, 1, votes, NULL, NULL) != INTRS_E_ARGUMENT) return 2;
        if (intrs_infer(&ws, input, output) != INTRS_E_ARGUMENT) return 3;
    }
    ws.arena = memory;
    if (intrs_certify(&ws, image, &stream, INTRS_FIXED, NULL, NULL, &c) != INTRS_OK) return 4;
    printf("%d %u %u %u\\n", (int)c.label, (unsigned)c.count, (unsigned)c.samples, (unsigned)c.radius_squared);
    return 0;
}
"""


def test_an_arena_that_the_caller_gives(tmp_path: Path) -> None:
    generate(tiny(), OPTIONS, tmp_path / "p")
    (tmp_path / "main.c").write_text(CALLER)
    flags = ("-O2", "-DINTRS_ARENA_BY_CALLER", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined")
    objects = compile_all(tmp_path / "p", "host", "gcc", tmp_path / "o", *flags)
    run("gcc", *includes(tmp_path / "p", "host"), *flags, "main.c", *objects, "-o", "main", cwd=tmp_path)
    c = expected(IMAGE, Stream(1, 0))
    assert run("./main", cwd=tmp_path).split() == [str(v) for v in (c.label, c.count, c.samples, c.radius_squared)]


@needs_arm
def test_the_server_gives_one(tmp_path: Path) -> None:
    model = str(shipped("models") / "digits-tiny.onnx")
    given = ["--arena-by-caller", "--arena-section", ".ccm", "--board", "mps2-an386", "--no-progress"]
    assert main(["generate", model, *given, "-o", str(tmp_path / "p")]) == 0
    assert "INTRS_ARENA_BY_CALLER" in (tmp_path / "p/board/intrs_config.h").read_text()
    assert "INTRS_ARENA_BY_CALLER" not in (tmp_path / "p/host/intrs_config.h").read_text()
    build_project(tmp_path / "p", 2)
    assert (tmp_path / "p/build/board/intrs.elf").is_file()


@pytest.mark.parametrize("name", ["", "a b", 'x"', "1a", "..", "é", "x" * 70, "a;b"])
def test_what_is_no_section_is_one_line(name: str) -> None:
    with pytest.raises(IntrsError, match="no name of a linker section"):
        GenerateOptions(weights_section=name)
