"""The examples that a project takes along: every compiler takes them without a warning, and they say what is true."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from known import IMAGE, OPTIONS, expected, said
from library import compile_all, includes, run
from networks import tiny

from intrs_edge.children import guarded, patient
from intrs_edge.codegen import generate
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Stream

C = ("certify_image.c", "slices.c", "rtos_task.c", "camera_frame.c")
CPP = "cpp_caller.cpp"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
M4 = ("-mcpu=cortex-m4+nofp", "-mthumb", "-mfloat-abi=soft")
COMPILERS = [
    ("gcc", "g++", "host", ()),
    ("clang", "clang++", "host", ()),
    ("arm-none-eabi-gcc", "arm-none-eabi-g++", "board", M4),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "p"
    generate(tiny(), OPTIONS, folder)
    return folder


@pytest.fixture(scope="module")
def objects(project: Path) -> list[Path]:
    """The host's library."""
    return compile_all(project, "host", "gcc", project.parent / "o", "-O2")


def test_they_are_those_of_the_repository(project: Path) -> None:
    found = {p.name: p.read_bytes() for p in (project / "examples").iterdir()}
    assert set(found) == {*C, CPP}
    for name, text in found.items():
        assert text.endswith((shipped("examples") / "c" / name).read_bytes()), name


@pytest.mark.parametrize("level", ["-Os", "-O3"])
@pytest.mark.parametrize(("c", "cpp", "target", "flags"), COMPILERS, ids=lambda v: v if isinstance(v, str) else "")
def test_no_compiler_complains(
    project: Path, tmp_path: Path, c: str, cpp: str, target: str, flags: tuple[str, ...], level: str
) -> None:
    if shutil.which(c) is None or shutil.which(cpp) is None:
        pytest.skip(f"{c} or {cpp} is not installed")
    common = (*flags, level, *STRICT, *includes(project, target), "-c", "-o", tmp_path / "o")
    for name in C:
        run(c, "-std=c11", *common, project / "examples" / name, cwd=tmp_path)
    run(cpp, "-std=c++17", "-fno-exceptions", "-fno-rtti", *common, project / "examples" / CPP, cwd=tmp_path)


def test_certify_image_prints_the_known_certificate(project: Path, objects: list[Path], tmp_path: Path) -> None:
    certificate = expected(IMAGE, Stream(1, 0))
    assert (certificate.label, certificate.count, certificate.samples) == (0, 94, 100)
    assert certificate.radius_squared == 549
    program = tmp_path / "certify_image"
    source = project / "examples" / "certify_image.c"
    run("gcc", *includes(project, "host"), source, *objects, "-o", program, cwd=tmp_path)
    assert run(program, cwd=tmp_path) == said(certificate)


def test_slices_and_cpp_say_the_same(project: Path, objects: list[Path], tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    c = expected(IMAGE, Stream(1, 0))
    line = f"class {c.label}, squared radius {c.radius_squared}, {c.count} of {c.samples} samples\n"
    for compiler, name in (("gcc", "slices.c"), ("g++", CPP)):
        source = project / "examples" / name
        run(compiler, *includes(project, "host"), source, *objects, "-o", tmp_path / "program", cwd=tmp_path)
        assert run(tmp_path / "program", cwd=tmp_path) == line


RTOS = """
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include "rtos_task.c"
enum { TASKS = 4 };
static struct certify_job jobs[TASKS];
static int told[TASKS];
void rtos_yield(void) { sched_yield(); }
void rtos_done(void *task) { ++*(int *)task; }
static void *start(void *argument) { certify_task(argument); return 0; }
int main(void)
{
    static uint8_t image[INTRS_IMAGE_BYTES];
    pthread_t threads[TASKS];
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) image[i] = (uint8_t)i;
    for (uint32_t i = 0; i < TASKS; i++) {
        jobs[i].image = image;
        jobs[i].stream = (struct intrs_stream){1, i};
        jobs[i].waiting_task = &told[i];
        jobs[i].stop = i == TASKS - 1;
        if (pthread_create(&threads[i], 0, start, &jobs[i])) return 1;
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        if (pthread_join(threads[i], 0)) return 1;
        struct intrs_certificate *c = &jobs[i].certificate;
        printf("%d %d %d %u %u\\n", told[i], jobs[i].status, (int)c->label, (unsigned)c->count, (unsigned)jobs[i].done);
    }
    return 0;
}
"""


def test_tasks_run_at_once_and_one_is_stopped(project: Path, objects: list[Path], tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(RTOS)
    flags = ("-pthread", *includes(project, "host"), f"-I{project / 'examples'}")
    run("gcc", *flags, tmp_path / "main.c", *objects, "-o", tmp_path / "program", cwd=tmp_path)
    lines = [tuple(map(int, line.split())) for line in run(tmp_path / "program", cwd=tmp_path).splitlines()]
    for i, line in enumerate(lines[:3]):
        c = expected(IMAGE, Stream(1, i))
        assert line == (1, 0, c.label, c.count, 110)
    assert lines[3] == (1, -3, 0, 0, 1)


CAMERA = """
#include <stdio.h>
#include "camera_frame.c"
int main(void)
{
    struct intrs_certificate c;
    for (uint32_t number = 0; number < 3; number++) {
        uint16_t *frame = camera_frame_to_fill();
        for (uint32_t i = 0; i < FRAME_WIDTH * FRAME_HEIGHT; i++) frame[i] = (uint16_t)(i * (number + 3));
        if (camera_poll(&c) != 0) return 1;
        camera_frame_done();
        if (camera_frame_to_fill() == frame) return 2;
        int told, polls = 0;
        while ((told = camera_poll(&c)) == 1) {
            if (++polls == 5) camera_frame_done(); /* a frame in between is waited for, not certified in parts */
            if (polls == 6) camera_frame_done();   /* and a third is dropped */
        }
        if (told != 2) return 3;
        printf("%d %u %u\\n", (int)c.label, (unsigned)c.count, (unsigned)polls);
        while (camera_poll(&c) == 1) { }
    }
    return 0;
}
"""


def test_camera_frames_are_taken_whole(project: Path, objects: list[Path], tmp_path: Path) -> None:
    """Pixels by the same rule in numpy; two frames a round, the second being the one that came between."""
    (tmp_path / "main.c").write_text(CAMERA)
    flags = (*includes(project, "host"), f"-I{project / 'examples'}")
    run("gcc", *flags, tmp_path / "main.c", *objects, "-o", tmp_path / "program", cwd=tmp_path)
    lines = [list(map(int, line.split())) for line in run(tmp_path / "program", cwd=tmp_path).splitlines()]
    assert len(lines) == 3
    for number, line in enumerate(lines):
        frame = (np.arange(160 * 120) * (number + 3)).astype(np.uint16).astype(np.int64).reshape(120, 160)
        at = (2 * np.arange(4) + 1) * 120 // 8
        p = frame[at][:, 20 + at]
        grey = (77 * ((p >> 11) * 255 // 31) + 150 * ((p >> 5 & 63) * 255 // 63) + 29 * ((p & 31) * 255 // 31)) >> 8
        c = expected(grey.astype(np.uint8).reshape(4, 4, 1), Stream(1, 2 * number))
        assert line == [c.label, c.count, 110]


SYSTEM = """
#include <errno.h>
#include <string.h>
#include "start.h"
int _write(int, const char *, int); int _read(int, char *, int); int _close(int); int _lseek(int, int, int);
int _fstat(int, void *); int _isatty(int); void *_sbrk(int); void _exit(int); int _kill(int, int); int _getpid(void);
int _write(int f, const char *p, int n) {
    char text[2] = {0, 0};
    (void)f;
    for (int i = 0; i < n; i++) { text[0] = p[i]; print(text); }
    return n;
}
int _read(int f, char *p, int n) { (void)f; (void)p; (void)n; return 0; }
int _close(int f) { (void)f; return -1; }
int _lseek(int f, int o, int w) { (void)f; (void)o; (void)w; return 0; }
int _fstat(int f, void *s) { (void)f; (void)s; return -1; }
int _isatty(int f) { (void)f; return 1; }
void *_sbrk(int n) { static char heap[4096]; static int used; char *p = heap + used; used += n; return p; }
void _exit(int c) { (void)c; for (;;) { } }
int _kill(int p, int s) { (void)p; (void)s; return -1; }
int _getpid(void) { return 1; }
"""


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)
def test_certify_image_on_an_emulated_cortex_m4(project: Path, tmp_path: Path) -> None:
    tools = shipped("firmware") / "tools"
    objects = compile_all(project, "board", "arm-none-eabi-gcc", tmp_path / "o", *M4, "-O2")
    (tmp_path / "system.c").write_text(SYSTEM)
    script = (tools / "start.ld").read_text()
    for name, value in (("FLASH_ORIGIN", "0"), ("RAM_ORIGIN", "0x20000000"), ("RAM_LENGTH", "0x400000")):
        script = script.replace(name, value)
    (tmp_path / "start.ld").write_text(script)
    sources = [project / "examples/certify_image.c", tools / "start.c", tmp_path / "system.c"]
    link = ["-nostartfiles", "--specs=nano.specs", "-T", tmp_path / "start.ld", f"-I{tools}"]
    elf = tmp_path / "image.elf"
    run(
        "arm-none-eabi-gcc", *M4, "-O2", *includes(project, "board"), *link, *sources, *objects, "-o", elf, cwd=tmp_path
    )
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    done = subprocess.run(guarded(command), capture_output=True, text=True, timeout=patient(120), check=False)
    assert said(expected(IMAGE, Stream(1, 0))) in done.stdout + done.stderr
