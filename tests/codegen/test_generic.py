"""``--board generic``: portable C that any 32-bit little-endian core compiles and that counts as the reference does."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from known import IMAGE, OPTIONS, expected
from library import includes, run
from networks import tiny

from intrs_edge.boards import load_board
from intrs_edge.children import guarded, patient
from intrs_edge.cli.main import main
from intrs_edge.codegen import generate
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Stream

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
CLANG = ("clang", "-ffreestanding", "-fsyntax-only")
COMPILERS = {
    "x86-64": ("gcc",),
    "aarch64": ("aarch64-linux-gnu-gcc",),
    "armhf": ("arm-linux-gnueabihf-gcc",),
    "cortex-m0": ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"),
    "rv32imc": ("riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding"),
    "rv64gc": ("riscv64-unknown-elf-gcc", "-march=rv64gc", "-mabi=lp64", "-mcmodel=medany", "-ffreestanding"),
    "xtensa": ("xtensa-lx106-elf-gcc", "-ffreestanding"),
    "clang-rv32": (*CLANG, "--target=riscv32", "-march=rv32imac"),
    "clang-i386": (*CLANG, "--target=i386"),
    "clang-mips": (*CLANG, "--target=mipsel"),
    "clang-hexagon": (*CLANG, "--target=hexagon"),
    "clang-wasm": (*CLANG, "--target=wasm32"),
}
REFUSED = {
    "big-endian": ((*CLANG, "--target=ppc32"), "a little-endian core is needed"),
    "16-bit int": ((*CLANG, "--target=msp430"), "an int of 32 bits is needed"),
}


def skip_without(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generic") / "p"
    generate(tiny(), dataclasses.replace(OPTIONS, board="generic"), folder)
    return folder


def sources(project: Path) -> list[Path]:
    return [project / line for line in (project / "board/sources.txt").read_text().split()]


# certifies the image of tests/codegen/known.py; put and end are the machine's
PROGRAM = """
#include "intrs.h"
static struct intrs_workspace workspace;
void put(char c);
static void number(uint32_t n)
{
    char digits[10];
    int k = 0;
    do digits[k++] = (char)('0' + n % 10u); while ((n /= 10u) > 0u);
    while (k > 0) put(digits[--k]);
    put(' ');
}
void program(void)
{
    static uint8_t image[INTRS_IMAGE_BYTES];
    const struct intrs_stream stream = {1, 0};
    struct intrs_certificate c = {0, 0, 0, 0, 0, 0};
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) image[i] = (uint8_t)i;
    if (intrs_check(0) != INTRS_OK) return;
    if (intrs_certify(&workspace, image, &stream, INTRS_FIXED, 0, 0, &c) != INTRS_OK) return;
    number((uint32_t)c.label);
    number(c.count);
    number(c.samples);
    number(c.radius_squared);
    for (uint32_t i = 0; i < INTRS_CLASSES; i++) number(workspace.votes[i]);
}
"""
LINUX = """
#include <stdio.h>
void put(char c) { putchar(c); }
int main(void) { program(); return 0; }
"""
ARM = """
#include "start.h"
void put(char c) { const char text[2] = {c, 0}; print(text); }
int main(void) { program(); return 0; }
"""
RISCV = """
__asm__(".pushsection .start, \\"ax\\"\\n.globl _start\\n_start: la sp, stack + 16384\\n call program\\n call stop\\n"
        ".popsection\\n");
uint8_t stack[16384] __attribute__((aligned(16)));
void put(char c) { *(volatile uint8_t *)0x10000000u = (uint8_t)c; }
void stop(void) { for (;;) *(volatile uint32_t *)0x100000u = 0x5555u; }
"""
XTENSA = """
__asm__(".pushsection .start, \\"ax\\"\\n.globl _start\\n_start: j begin\\n.literal_position\\n.align 4\\n"
        "begin: movi a1, stack + 16384\\n call0 program\\n call0 stop\\n.popsection\\n");
uint8_t stack[16384] __attribute__((aligned(16)));
static void ask(int what, int a, const void *b, int c)
{
    register int a2 __asm__("a2") = what;
    register int a3 __asm__("a3") = a;
    register const void *a4 __asm__("a4") = b;
    register int a5 __asm__("a5") = c;
    __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
}
void put(char c) { ask(4, 1, &c, 1); }
void stop(void) { for (;;) ask(1, 0, 0, 0); }
/* what Debian's libgcc for this core lacks */
unsigned __udivsi3(unsigned n, unsigned d)
{
    unsigned q = 0, r = 0;
    for (int i = 31; i >= 0; i--) {
        r = r << 1 | (n >> i & 1u);
        if (r >= d) r -= d, q |= 1u << i;
    }
    return q;
}
unsigned __umodsi3(unsigned n, unsigned d) { return n - __udivsi3(n, d) * d; }
int __divsi3(int n, int d)
{
    const unsigned q = __udivsi3(n < 0 ? -(unsigned)n : (unsigned)n, d < 0 ? -(unsigned)d : (unsigned)d);
    return (int)((n < 0) != (d < 0) ? -q : q);
}
long long __muldi3(long long a, long long b)
{
    unsigned long long sum = 0;
    for (int i = 0; i < 64; i++) if ((unsigned long long)b >> i & 1u) sum += (unsigned long long)a << i;
    return (long long)sum;
}
"""
QUIET = ("-display", "none", "-monitor", "none")
BARE = ("-nostdlib", "-nostartfiles", "-static", "-fno-tree-loop-distribute-patterns")
MACHINES: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "x86-64": (LINUX, (), ()),
    "aarch64": (LINUX, ("-static",), ("qemu-aarch64",)),
    "armhf": (LINUX, ("-static",), ("qemu-arm",)),
    "rv32imc": (
        RISCV,
        (*BARE, "-Wl,--no-relax,--section-start=.start=0x80000000,-Ttext=0x80001000"),
        ("qemu-system-riscv32", "-M", "virt", "-bios", "none", *QUIET, "-serial", "stdio", "-kernel"),
    ),
    "xtensa": (
        XTENSA,
        (*BARE, "-mtext-section-literals", "-mlongcalls", "-Wl,--section-start=.start=0x50000000,-Ttext=0x50001000"),
        ("qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", *QUIET, "-semihosting", "-serial", "none", "-kernel"),
    ),
}


@pytest.mark.parametrize("core", [name for name in COMPILERS if name not in MACHINES])
def test_every_source_compiles(core: str, project: Path, tmp_path: Path) -> None:
    skip_without(COMPILERS[core][0])
    assert len(sources(project)) > 15
    run(*COMPILERS[core], "-O2", *STRICT, *includes(project, "board"), "-c", *sources(project), cwd=tmp_path)


@pytest.mark.parametrize("core", REFUSED)
def test_a_core_that_would_count_otherwise_is_refused(core: str, project: Path) -> None:
    command, told = REFUSED[core]
    skip_without(command[0])
    done = subprocess.run(
        [*command, *includes(project, "board"), str(project / "board/intrs_model.c")],
        capture_output=True, text=True, check=False, timeout=patient(60),
    )  # fmt: skip
    assert done.returncode != 0
    assert told in done.stderr


@pytest.mark.parametrize("level", [pytest.param("-O0", marks=pytest.mark.long), "-O3"])
@pytest.mark.parametrize("core", MACHINES)
def test_counts_are_the_references(core: str, level: str, project: Path, tmp_path: Path) -> None:
    start, link, machine = MACHINES[core]
    compiler = COMPILERS[core]
    skip_without(compiler[0], *machine[:1])
    (tmp_path / "main.c").write_text(PROGRAM + start)
    options = (*compiler, level, *includes(project, "board"))
    run(*options, *STRICT, "-c", *sources(project), cwd=tmp_path)
    objects = [tmp_path / f"{source.stem}.o" for source in sources(project)]
    extra = [shipped("firmware") / "ports/bare/mem.c", "-lgcc"] if BARE[0] in link else []
    elf = tmp_path / "elf"
    run(*options, "-w", tmp_path / "main.c", *objects, *extra, *link, "-o", elf, cwd=tmp_path)
    done = subprocess.run(
        guarded([*machine, str(elf)]), capture_output=True, text=True, timeout=patient(60), check=False
    )
    c = expected(IMAGE, Stream(1, 0))
    found = [int(word) for word in re.findall(r"\d+", done.stdout)]
    assert found[:4] == [c.label, c.count, c.samples, c.radius_squared], done.stdout + done.stderr
    assert sum(found[4:]) == c.samples
    assert found[4 + c.label] == c.count


### the rest of the project ###


def test_it_has_a_library_and_no_image(project: Path, tmp_path: Path) -> None:
    names = {str(p.relative_to(project)) for p in (project / "board").iterdir()}
    assert {name.split("/")[1] for name in names} == {
        "CMakeLists.txt", "Makefile.inc", "board.json", "intrs_config.h", "intrs_model.c", "sources.txt"
    }  # fmt: skip
    assert not [s for s in sources(project) if "/ports/" in str(s) or "/link/" in str(s)]
    assert "build/board" not in (project / "README.md").read_text()
    skip_without("cmake")
    run("cmake", "-S", project, "-B", tmp_path / "b", "-DINTRS_TARGET=board", "-DINTRS_WERROR=ON", cwd=tmp_path)
    run("cmake", "--build", tmp_path / "b", cwd=tmp_path)
    members = run("ar", "t", tmp_path / "b/board/libintrs.a", cwd=tmp_path).split()
    assert sorted(members) == sorted(f"{source.name}.o" for source in sources(project))


def test_what_it_cannot_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", str(project)]) == 2
    assert "not flashed" in capsys.readouterr().err
    for option in ("flash_budget", "ram_budget"):
        with pytest.raises(IntrsError, match="generic is none"):
            generate(tiny(), dataclasses.replace(OPTIONS, board="generic", **{option: "50%"}), project.parent / "q")
    assert load_board("generic").os == "any"
