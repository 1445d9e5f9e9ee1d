"""The rules of the audit for a microcontroller's library by itself, and for the programs of a whole project."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from small_project import build_small

from intrs_edge.boards import load_board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.audit import AuditReport, audit_project
from intrs_edge.targets.audit.archive import audit_archive

SOUND = """
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n);
void intrs_copy(void *to, const void *from, __SIZE_TYPE__ n) { memcpy(to, from, n); }
int intrs_asks(int (*progress)(int), int n) { return progress(n) / n; }
"""
FRAME = "void g(char *p); __attribute__((noinline)) void g(char *p) { p[0] = 1; } "
CONTROLS = {
    "no soft-float helper": "float f(float x) { return x * 3.5f; }",
    "no allocation": "void *malloc(unsigned n); void *f(void) { return malloc(4); }",
    "calls nothing outside but memory copies": 'int puts(const char *); int f(int n) { return puts("f") / n; }',
    "no variables": "int f(void) { static int calls = 3; return calls++; }",
    "no recursion": "__attribute__((noinline)) int f(volatile int *p, int n)"
    " { return n > 1 ? f(p, n - *p) * 3 + *p : 1; }",
    "every frame is of known size": FRAME + "int f(int n) { char a[n]; g(a); return a[0]; }",
    "stack bound": FRAME + "int f(void) { char a[3000]; g(a); return a[0]; }",
}


def audited(board_id: str, text: str, folder: Path) -> AuditReport:
    board = load_board(board_id)
    if shutil.which(f"{board.toolchain}gcc") is None:
        pytest.skip(f"{board.toolchain}gcc is not installed")
    (folder / "x.c").write_text(text)
    commands = [
        [f"{board.toolchain}gcc", *board.cflags, "-O1", "-fstack-usage", "-c", "x.c", "-o", "x.o"],
        [f"{board.toolchain}ar", "rcs", "libx.a", "x.o"],
    ]
    for command in commands:
        subprocess.run(command, cwd=folder, check=True)
    return audit_archive(folder / "libx.a", board, sorted(folder.glob("*.su")))


def failing(report: AuditReport) -> list[str]:
    return [rule.name for rule in report.rules if not rule.holds]


@pytest.mark.parametrize("board", ["mps2-an386", "microbit", "qemu-riscv32"])
def test_a_sound_library_holds(board: str, tmp_path: Path) -> None:
    report = audited(board, SOUND, tmp_path)
    assert report.holds, report.as_text()
    assert [r.name for r in report.rules if r.name in CONTROLS] == list(CONTROLS)  # each has a control
    (outside,) = (r.detail for r in report.rules if r.name == "calls nothing outside but memory copies")
    assert outside == "memcpy"


@pytest.mark.parametrize("rule", CONTROLS)
@pytest.mark.parametrize("board", ["mps2-an386", "qemu-riscv32"])
def test_each_rule_fails_for_its_control(board: str, rule: str, tmp_path: Path) -> None:
    assert failing(audited(board, CONTROLS[rule], tmp_path)) == [rule]


def test_floating_point_instructions_of_a_library_are_found(tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    hard = dataclasses.replace(board, cflags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard"))
    (tmp_path / "x.c").write_text("float f(float x) { return x * 3.5f; }")
    gcc = f"{board.toolchain}gcc"
    subprocess.run([gcc, *hard.cflags, "-O1", "-c", "x.c", "-o", "x.o"], cwd=tmp_path, check=True)
    subprocess.run([f"{board.toolchain}ar", "rcs", "libx.a", "x.o"], cwd=tmp_path, check=True)
    found = failing(audit_archive(tmp_path / "libx.a", hard, []))
    assert found == ["integer-only instructions", "built without a floating-point unit"]


def test_a_library_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntrsError, match=r"holds no code|no function"):
        audited("mps2-an386", "const int x = 3;", tmp_path)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_library_and_server_of_a_project_hold(tmp_path: Path) -> None:
    """Four reports: the host's library and program, the board's library and image; broken sources are seen in each."""
    project = build_small(tmp_path / "p", "mps2-an386")
    reports = {Path(r.image).relative_to(project / "build").as_posix(): r for r in audit_project(project)}
    assert list(reports) == ["host/libintrs.so", "host/intrs", "board/libintrs.a", "board/intrs.elf"]
    assert all(r.holds for r in reports.values()), "\n".join(r.as_text() for r in reports.values())
    assert 0 < reports["board/libintrs.a"].stack_bytes < reports["board/intrs.elf"].stack_bytes
    check = project / "runtime/model/intrs_check.c"
    check.write_text(
        check.read_text().replace("uint32_t all = 0;", "uint32_t all = (uint32_t)((double)(uintptr_t)crc * 1.5);")
    )
    server = project / "runtime/link/intrs_server.c"
    declared = "int intrs_again(volatile int *p)"
    recursion = f"__attribute__((noinline)) {declared} {{ return *p > 1 ? intrs_again(p) * 3 + *p : 1; }}"
    started = "void intrs_serve(void)\n{"
    assert server.read_text().count(started) == 1
    call = f"{declared};\n{recursion}\n{started}\n    static volatile int n = 3;\n    n = intrs_again(&n);"
    server.write_text(server.read_text().replace(started, call))
    subprocess.run(["cmake", "--build", str(project / "build")], check=True, capture_output=True)
    found = {Path(r.image).name: set(failing(r)) for r in audit_project(project)}
    assert "integer-only instructions" in found["libintrs.so"]
    assert {"integer-only instructions", "no recursion, every frame of known size"} <= found["intrs"]
    assert "no soft-float helper" in found["libintrs.a"]
    assert {"no soft-float helper", "no recursion"} <= found["intrs.elf"]
