"""A generated project inside somebody else's: one header, one library, a main of a few lines."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from networks import tiny

from intrs_edge.children import patient
from intrs_edge.codegen import GenerateOptions, generate

MAIN = """
#include <stdio.h>
#include "intrs.h"
static struct intrs_workspace workspace;
int main(void)
{
    static const uint8_t image[INTRS_IMAGE_BYTES] = {10, 200, 30, 40, 250, 60, 0, 80};
    const struct intrs_stream stream = {5, 1};
    struct intrs_certificate c;
    if (intrs_certify(&workspace, image, &stream, INTRS_FIXED, 0, 0, &c) != INTRS_OK) return 1;
    printf("%d %u %u %u\\n", (int)c.label, (unsigned)c.count, (unsigned)c.samples, (unsigned)c.radius_squared);
    return 0;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(mine C)
add_subdirectory(p)
add_executable(mine main.c)
target_link_libraries(mine PRIVATE intrs)
"""
MAKEFILE = """
INTRS_DIR := p
include p/host/Makefile.inc
objects := $(INTRS_SOURCES:.c=.o)
mine: main.c $(objects)
\t$(CC) $(INTRS_CPPFLAGS) $^ -o $@
%.o: %.c
\t$(CC) $(CFLAGS) $(INTRS_CPPFLAGS) -c $< -o $@
"""
BOARD = """
cmake_minimum_required(VERSION 3.16)
project(mine C)
add_compile_options(-mcpu=cortex-m4+nofp -mthumb -mfloat-abi=soft)
add_subdirectory(p)
"""
needs_tools = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project ``p`` and a main of its own."""
    folder = tmp_path_factory.mktemp("mine")
    options = replace(GenerateOptions(n0=10, n=100, sigma=Decimal("0.1")), board="mps2-an386")
    generate(tiny(), options, folder / "p")
    (folder / "main.c").write_text(MAIN)
    return folder


@needs_tools
def test_cmake_and_make_give_the_certificate_of_the_program(project: Path) -> None:
    (project / "CMakeLists.txt").write_text(CMAKE)
    (project / "Makefile").write_text(MAKEFILE)
    run("cmake", "-S", ".", "-B", "b", cwd=project)
    run("cmake", "--build", "b", "--target", "mine", cwd=project)
    found = run("b/mine", cwd=project)
    assert not list((project / "b").rglob("libintrs.so"))  # programs are for a project that stands alone
    run("make", "mine", cwd=project)
    assert run("./mine", cwd=project) == found
    run("cmake", "-S", "p", "-B", "alone", "-DINTRS_BOARD=OFF", cwd=project)
    run("cmake", "--build", "alone", "--target", "intrs_program", cwd=project)
    (project / "image").write_bytes(bytes([10, 200, 30, 40, 250, 60, 0, 80] + [0] * 8))
    told = run("alone/host/intrs", "certify", project / "image", "5", "1", cwd=project)
    assert all(number in told.split() for number in found.split()), (told, found)


@needs_tools
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_a_firmware_with_its_own_toolchain_gets_the_boards_library(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "p", tmp_path / "p", ignore=shutil.ignore_patterns("*.o"))
    (tmp_path / "CMakeLists.txt").write_text(BOARD)
    run("cmake", "-S", ".", "-B", "b", "-DCMAKE_TOOLCHAIN_FILE=p/board/toolchain.cmake", cwd=tmp_path)
    run("cmake", "--build", "b", "--target", "intrs", cwd=tmp_path)
    listed = set((tmp_path / "p" / "board" / "sources.txt").read_text().split())
    members = set(run("arm-none-eabi-ar", "t", tmp_path / "b/p/board/libintrs.a", cwd=tmp_path).split())
    assert members == {f"{Path(source).name}.obj" for source in listed}
    for source in listed:
        assert (tmp_path / "p" / source).is_file()
