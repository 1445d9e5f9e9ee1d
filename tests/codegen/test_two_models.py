"""From an empty folder: the digits model and another in one program of one's own, by CMake, by a Makefile and in C++,
on the host and on an emulated Cortex-M4, each with the certificate that the reference computes.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from known import certificate_of
from library import run
from networks import tiny
from test_examples import SYSTEM

from intrs_edge import __version__
from intrs_edge.children import guarded, patient
from intrs_edge.cli.main import main
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.codegen.manifest import smoothing_of
from intrs_edge.codegen.prefix import check_prefix
from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.build import build_project
from intrs_edge.targets.manifest import read_manifest

ONE = """
static struct {name}_workspace {name};
static void {name}_once(void)
{{
    static uint8_t image[{upper}_IMAGE_BYTES];
    const struct intrs_stream stream = {{7, 3}};
    struct intrs_certificate c;
    for (uint32_t i = 0; i < {upper}_IMAGE_BYTES; i++) image[i] = (uint8_t)(i * 37u);
    if ({name}_check(NULL) != INTRS_OK) return;
    if ({name}_certify(&{name}, image, &stream, INTRS_FIXED, NULL, NULL, &c) != INTRS_OK) return;
    printf("{name} %d %u %u %u\\n", (int)c.label, (unsigned)c.count, (unsigned)c.samples, (unsigned)c.radius_squared);
}}
"""
MAIN = (
    '#include <stdio.h>\n#include "digits.h"\n#include "second.h"\n'
    + ONE.format(name="digits", upper="DIGITS")
    + ONE.format(name="second", upper="SECOND")
    + "int main(void) { digits_once(); second_once(); return 0; }\n"
)
CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(mine C CXX)
add_subdirectory(digits)
add_subdirectory(second)
add_executable(mine main.c ${START})
add_executable(mine_cpp main.cpp ${START})
target_compile_options(mine_cpp PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-std=c++17 -fno-exceptions -fno-rtti>)
set_target_properties(mine_cpp PROPERTIES LINKER_LANGUAGE C)  # nothing of C++'s library
target_link_libraries(mine PRIVATE digits second)
target_link_libraries(mine_cpp PRIVATE second digits)
"""
MAKEFILE = """
PLAIN := -std=c++17 -fno-exceptions -fno-rtti
DIGITS_DIR := digits
SECOND_DIR := second
include digits/$(TARGET)/Makefile.inc
include second/$(TARGET)/Makefile.inc
objects := $(addprefix $(TARGET)-o/,$(DIGITS_SOURCES:.c=.o) $(SECOND_SOURCES:.c=.o))
all: $(TARGET).out $(TARGET)-cpp.out
$(TARGET).out: $(TARGET)-o/main.o $(EXTRA) $(objects)
\t$(CC) $(CFLAGS) $(LINK) $^ -o $@
$(TARGET)-cpp.out: $(TARGET)-o/main-cpp.o $(EXTRA) $(objects)
\t$(CC) $(CFLAGS) $(LINK) $^ -o $@
$(TARGET)-o/main.o: main.c
\tmkdir -p $(@D) && $(CC) $(CFLAGS) $(DIGITS_CPPFLAGS) $(SECOND_CPPFLAGS) -c $< -o $@
$(TARGET)-o/main-cpp.o: main.cpp
\tmkdir -p $(@D) && $(CXX) $(CFLAGS) $(PLAIN) $(DIGITS_CPPFLAGS) $(SECOND_CPPFLAGS) -c $< -o $@
$(TARGET)-o/digits/%.o: digits/%.c
\tmkdir -p $(@D) && $(CC) $(CFLAGS) $(DIGITS_CPPFLAGS) -c $< -o $@
$(TARGET)-o/second/%.o: second/%.c
\tmkdir -p $(@D) && $(CC) $(CFLAGS) $(SECOND_CPPFLAGS) -c $< -o $@
"""
M4 = "-mcpu=cortex-m4+nofp -mthumb -mfloat-abi=soft -O2"
TOOLCHAIN = f"""
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_C_FLAGS_INIT "{M4}")
set(CMAKE_CXX_FLAGS_INIT "{M4}")
"""
BOARD = "mps2-an386"
needs_make = pytest.mark.skipif(
    shutil.which("cmake") is None or shutil.which("make") is None, reason="needs cmake and make"
)
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)


def known(project: Path) -> str:
    """What a program prints of a project, by the reference."""
    shape = smoothing_of(read_manifest(project).raw).shape
    image = (np.arange(np.prod(shape)) * 37 % 256).astype(np.uint8).reshape(shape)
    c = certificate_of(project, image, Stream(7, 3))
    return f"{project.name} {c.label} {c.count} {c.samples} {c.radius_squared}"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two projects and a program that uses both."""
    folder = tmp_path_factory.mktemp("mine")
    model = str(shipped("models") / "digits-tiny.onnx")
    given = ["--board", BOARD, "--n", "200", "--prefix", "digits", "--no-progress"]
    assert main(["generate", model, *given, "-o", str(folder / "digits")]) == 0
    options = GenerateOptions(BOARD, n0=10, n=100, sigma=Decimal("0.1"), prefix="second", rng="lfsr113")
    generate(tiny(), options, folder / "second")
    (folder / "main.c").write_text(MAIN)
    (folder / "main.cpp").write_text(MAIN)
    (folder / "CMakeLists.txt").write_text(CMAKE)
    (folder / "Makefile").write_text(MAKEFILE)
    return folder


@pytest.fixture(scope="module")
def certificates(mine: Path) -> list[str]:
    """The two lines; neither is trivial."""
    lines = [known(mine / "digits"), known(mine / "second")]
    assert all(int(line.split()[2]) > 0 for line in lines)
    return lines


@needs_make
def test_cmake_in_c_and_cpp(mine: Path, certificates: list[str]) -> None:
    run("cmake", "-S", ".", "-B", "b", cwd=mine)
    run("cmake", "--build", "b", "--target", "mine", "mine_cpp", "-j2", cwd=mine)
    for program in ("b/mine", "b/mine_cpp"):
        assert run(program, cwd=mine).splitlines() == certificates


@needs_make
def test_a_makefile_of_ones_own_in_c_and_cpp(mine: Path, certificates: list[str]) -> None:
    run("make", "TARGET=host", "CFLAGS=-O2", "all", cwd=mine)
    for program in ("./host.out", "./host-cpp.out"):
        assert run(program, cwd=mine).splitlines() == certificates


@pytest.fixture(scope="module")
def bare(mine: Path) -> list[str]:
    """Start-up code of one's own: what the linker takes; system.c and start.c are to be compiled."""
    script = (shipped("firmware") / "tools" / "start.ld").read_text()
    for name, value in (("FLASH_ORIGIN", "0"), ("RAM_ORIGIN", "0x20000000"), ("RAM_LENGTH", "0x400000")):
        script = script.replace(name, value)
    (mine / "start.ld").write_text(script)
    (mine / "system.c").write_text(SYSTEM)
    for name in ("start.c", "start.h"):
        shutil.copy(shipped("firmware") / "tools" / name, mine)
    return ["-nostartfiles", "--specs=nano.specs", f"-T{mine / 'start.ld'}"]


def emulated(elf: Path) -> list[str]:
    """What a program says on the emulated board, and no kernel is in it twice."""
    command = ["qemu-system-arm", "-M", BOARD, "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    done = subprocess.run(guarded(command), capture_output=True, text=True, timeout=patient(120), check=False)
    names = [line.split()[-1] for line in run("arm-none-eabi-nm", elf, cwd=elf.parent).splitlines()]
    used = [n for n in names if n.startswith("intrs_")]
    assert len(used) == len(set(used)) > 3
    assert {"digits_certify", "second_certify"} <= set(names)
    return (done.stdout + done.stderr).splitlines()[:2]


@needs_make
@needs_arm
def test_an_emulated_cortex_m4_by_a_makefile(mine: Path, bare: list[str], certificates: list[str]) -> None:
    tools = ["CC=arm-none-eabi-gcc", "CXX=arm-none-eabi-g++", f"CFLAGS={M4}", f"LINK={' '.join(bare)}"]
    run("make", "TARGET=board", *tools, "EXTRA=system.c start.c", "all", cwd=mine)
    for name in ("board.out", "board-cpp.out"):
        assert emulated(mine / name) == certificates, name


@needs_make
@needs_arm
def test_an_emulated_cortex_m4_by_cmake(mine: Path, bare: list[str], certificates: list[str]) -> None:
    (mine / "m4.cmake").write_text(TOOLCHAIN)
    link = f"-DCMAKE_EXE_LINKER_FLAGS={' '.join(bare)}"
    start = "-DSTART=system.c;start.c"
    run("cmake", "-S", ".", "-B", "bm", "-DCMAKE_TOOLCHAIN_FILE=m4.cmake", link, start, cwd=mine)
    run("cmake", "--build", "bm", "--target", "mine", "mine_cpp", "-j2", cwd=mine)
    for name in ("mine", "mine_cpp"):
        assert emulated(mine / "bm" / name) == certificates, name


@needs_make
def test_a_project_of_another_version_is_refused(mine: Path, tmp_path: Path) -> None:
    for name in ("digits", "second"):
        shutil.copytree(mine / name, tmp_path / name)
    for name in ("main.c", "main.cpp", "CMakeLists.txt", "Makefile"):
        shutil.copy(mine / name, tmp_path)
    for name in ("CMakeLists.txt", "host/Makefile.inc"):
        path = tmp_path / "second" / name
        head, mark, body = path.read_text().partition("Do not edit")
        path.write_text(head + mark + body.replace(__version__, "9.9.9"))
    for command in (["cmake", "-S", ".", "-B", "b"], ["make", "TARGET=host"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert f"generated by intrs-edge {__version__}, this one by 9.9.9" in " ".join(done.stderr.split())


@needs_make
def test_the_tools_know_a_project_by_its_name(tmp_path: Path) -> None:
    options = GenerateOptions(n0=10, n=100, sigma=Decimal("0.1"), prefix="second", rng="lfsr113")
    generate(tiny(), options, tmp_path / "second")
    build_project(tmp_path / "second", 2)
    with open_target(tmp_path / "second", "host") as target:
        image = (np.arange(16) * 37 % 256).astype(np.uint8).reshape(4, 4, 1)
        c = target.certify(image, Stream(7, 3))
    assert f"second {c.label} {c.count} {c.samples} {c.radius_squared}" == known(tmp_path / "second")


@pytest.mark.parametrize(
    "prefix",
    ["", "Digits", "9a", "a-b", "a b", "a__b", "a_", "_a", "x" * 33, "int", "stdio", "string", "test", "board", "é",
     "intrs2", "intrs_conv2d", "class", "a\n", "../x"],
)  # fmt: skip
def test_what_is_no_prefix_is_one_line(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(IntrsError, match="give another") as caught:
        generate(tiny(), replace(GenerateOptions(), prefix=prefix), tmp_path / "p")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    check_prefix("digits2_b")


def test_all_layouts_take_a_prefix(tmp_path: Path) -> None:
    graph = load_model(shipped("models") / "digits-tiny.onnx")
    for layout in ("arduino", "zephyr", "esp-idf", "platformio", "cmsis-pack"):
        options = GenerateOptions(BOARD, n=200, prefix="digits", layout=layout)
        generate(graph, options, tmp_path / layout)
        assert (tmp_path / layout / "src" / "digits.h").is_file()
        assert not [p for p in (tmp_path / layout / "src").iterdir() if p.name in ("intrs.h", "intrs_config.h")]
        assert (tmp_path / layout / "src" / "intrs_kernels.h").is_file()
