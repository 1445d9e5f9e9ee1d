"""Every rule of the audit holds for a sound image and fails for a control."""

import json
import shutil
import subprocess

import pytest
import toy_model

from intrs_edge.boards import board_ids, load_board
from intrs_edge.codegen.board_files import board_files
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.targets.audit import audit_image, audit_project
from intrs_edge.targets.audit.floats import floating_attributes, floating_instructions
from intrs_edge.targets.audit.layout import flash_image, layout_faults
from intrs_edge.targets.audit.report import audit_library, audit_program
from intrs_edge.targets.uf2 import FAMILIES, boot_crc, from_uf2, to_uf2

BARE = [i for i in board_ids() if load_board(i).os == "none"]

SOUND = "volatile int x; int main(void) { x = x * 3; return 0; }"
CONTROLS = {
    "no soft-float helper": "volatile float x; int main(void) { x = x * 3.5f; return 0; }",
    "no allocation": "__attribute__((noinline)) void *malloc(unsigned n);\nvoid *malloc(unsigned n)"
    " { return (void *)n; } void *volatile p; int main(void) { p = malloc(4); return 0; }",
    "no recursion": "volatile int x; __attribute__((noinline)) int f(int n); int f(int n)"
    " { x = n; return n > 1 ? n * f(n - 1) + x : 1; } int main(void) { return f(x); }",
    "every frame is of known size": "volatile int n;\n void g(char *p);"
    " __attribute__((noinline)) void g(char *p) { p[0] = 1; } int main(void) { char a[n]; g(a); return a[0]; }",
    "stack bound": "void g(char *p); __attribute__((noinline)) void g(char *p) { p[0] = 1; }"
    " int main(void) { char a[3000]; g(a); return a[0]; }",
}


def build(board_id, text, out, flags=None):
    board = load_board(board_id)
    files = board_files(board)
    if shutil.which(f"{files.toolchain}gcc") is None:
        pytest.skip(f"{files.toolchain}gcc is not installed")
    stub = "void intrs_uart_init(void);\nvoid intrs_uart_init(void) {}\n"
    (out / "control.c").write_text(f"#include <stdint.h>\n{stub}{text}")
    for name, content in files.generated.items():
        (out / name).write_text(content)
    (out / "intrs_config.h").write_text("")
    firmware = shipped("firmware")
    ports = [name for name in files.program_sources if name.endswith(("startup.c", "bare/mem.c", "prepare.c"))]
    sources = [*(firmware / name for name in ports), out / "control.c", out / "intrs_startup_table.c"]
    gcc, core = f"{files.toolchain}gcc", flags or files.cflags
    folders = [f"-I{out}", f"-I{firmware}/ports", f"-I{firmware}/include"]
    compiler = [gcc, "-std=gnu11", "-O1", "-fstack-usage", *folders, *core]
    for source in sources:
        subprocess.run([*compiler, "-c", str(source), "-o", str(out / f"{source.stem}.o")], check=True)
    image = out / "intrs.elf"
    objects = [str(out / f"{s.stem}.o") for s in sources]
    script = ["-T", str(out / "intrs.ld"), "-lgcc", "-o", str(image)]
    subprocess.run([gcc, *core, *files.ldflags, *objects, *script], check=True)
    return audit_image(image, board, sorted(out.glob("*.su")))


def failing(report):
    return [rule.name for rule in report.rules if not rule.holds]


@pytest.mark.parametrize("board", ["mps2-an386", "microbit", "mps3-an547", "qemu-riscv32"])
def test_a_sound_image_holds(board, tmp_path):
    report = build(board, SOUND, tmp_path)
    assert report.holds, report.as_text()
    assert 0 < report.stack_bytes < 400
    assert json.loads(json.dumps(report.as_dict()))["holds"] is True


@pytest.mark.parametrize("rule", CONTROLS)
@pytest.mark.parametrize("board", ["mps2-an386", "microbit", "qemu-riscv32"])
def test_each_rule_fails_for_its_control(board, rule, tmp_path):
    assert failing(build(board, CONTROLS[rule], tmp_path)) == [rule]


def test_a_floating_point_unit_in_use_is_found(tmp_path):
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard")
    report = build("mps2-an386", CONTROLS["no soft-float helper"], tmp_path, flags)
    assert failing(report) == ["integer-only instructions", "built without a floating-point unit"]


def test_floating_point_of_a_riscv_core_is_found(tmp_path):
    report = build(
        "qemu-riscv32",
        CONTROLS["no soft-float helper"],
        tmp_path,
        ("-march=rv32imfc", "-mabi=ilp32f", "-ffreestanding"),
    )
    assert failing(report) == ["integer-only instructions", "built without a floating-point unit"]


def test_recursion_through_a_pointer_is_found_on_riscv(tmp_path):
    text = """int f(int n); static int (*volatile kept)(int); volatile int x;
    __attribute__((noinline)) int f(int n) { x = n; return n > 1 ? kept(n - 1) + x : 1; }
    int main(void) { kept = f; return f(x); }"""
    assert failing(build("qemu-riscv32", text, tmp_path)) == ["no recursion"]


def test_floating_point_vectors_are_found(tmp_path):
    flags = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")
    text = """#include <arm_mve.h>
    float x[4]; int main(void) { vst1q_f32(x, vaddq_f32(vld1q_f32(x), vld1q_f32(x))); return 0; }"""
    assert failing(build("mps3-an547", text, tmp_path, flags)) == [
        "integer-only instructions",
        "built without a floating-point unit",
    ]


def test_an_image_too_large_is_named(tmp_path):
    # the linker refuses it before any audit could
    with pytest.raises(subprocess.CalledProcessError):
        build("microbit", "int a[8192]; int main(void) { a[1] = 2; return *(volatile int *)a; }", tmp_path)


@pytest.mark.parametrize("board", BARE)
def test_link_and_port_of_every_board_hold(board, tmp_path):
    image = toy_model.compile_toy(board, tmp_path, extra=())
    report = audit_image(image, load_board(board), [])
    assert report.holds, report.as_text()


@pytest.mark.parametrize("board", ["nucleo-f446re", "raspberry-pi-pico", "raspberry-pi-pico2"])
def test_a_damaged_layout_is_found(board, tmp_path):
    image, description = toy_model.compile_toy(board, tmp_path), load_board(board)
    data = flash_image("arm-none-eabi-", image)
    assert layout_faults(data, description) == []
    vectors = 256 if board == "raspberry-pi-pico" else 0
    damages = {0: "stack", 4: "vector 1", 12: "vector 3"}
    for at, words in damages.items():
        bad = bytearray(data)
        bad[vectors + at] ^= 1
        bad[vectors + at + 3] ^= 0x40
        assert words in layout_faults(bytes(bad), description)[0]
    if vectors:
        assert "CRC" in layout_faults(b"x" + data[1:], description)[0]
    if board == "raspberry-pi-pico2":
        assert "IMAGE_DEF" in layout_faults(data.replace(b"\x42\x01\x21\x10", b"\0\0\0\0"), description)[0]
    assert "shorter" in layout_faults(data[: vectors + 60], description)[-1]


def test_a_damaged_start_of_a_riscv_image_is_found(tmp_path):
    board = load_board("qemu-riscv32")
    data = flash_image(board.toolchain, toy_model.compile_toy(board.id, tmp_path))
    assert layout_faults(data, board) == []
    damages = {
        0: "word 0",
        2: "stack pointer",
        3: "stack pointer",
        6: "stack pointer",
        11: "trap handler",
        16: "word 4",
    }
    for at, words in damages.items():
        bad = bytearray(data)
        bad[at] ^= 0x40
        assert words in layout_faults(bytes(bad), board)[0], at
    assert "shorter" in layout_faults(data[:60], board)[0]


def test_the_boot_block_is_what_its_source_says(tmp_path):
    source = shipped("firmware") / "ports/rp2040/boot2.S"
    subprocess.run(["arm-none-eabi-as", source, "-o", tmp_path / "o"], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "b"], check=True)
    data = flash_image("arm-none-eabi-", toy_model.compile_toy("raspberry-pi-pico", tmp_path / "p"))
    assert data[:252] == (tmp_path / "b").read_bytes().ljust(252, b"\0")


def test_uf2_files_are_checked():
    data = bytes(range(256)) * 3
    uf2 = to_uf2(data[:700], 0x10000000, FAMILIES["rp2040"])
    assert len(uf2) == 3 * 512
    assert from_uf2(uf2) == (data[:700] + bytes(68), 0x10000000, FAMILIES["rp2040"])
    for bad in (b"", uf2[:-1], uf2[:512] + uf2[1024:], b"x" + uf2[1:], uf2[512:]):
        with pytest.raises(IntrsError, match="UF2"):
            from_uf2(bad)
    assert boot_crc(b"") != boot_crc(b"\1")


def library(tmp_path, text, *flags, cc="gcc"):
    (tmp_path / "x.c").write_text(text)
    subprocess.run(
        [cc, "-O2", "-shared", "-fPIC", *flags, str(tmp_path / "x.c"), "-o", str(tmp_path / "x.so")], check=True
    )
    return tmp_path / "x.so"


@pytest.mark.parametrize(
    "text",
    [
        "float f(float x) { return x * 3.5f; }",
        "double f(int x) { return x; }",
        "long double f(long double x) { return x + 1; }",
        "int f(float x, float y) { return x < y; }",
    ],
)
def test_floats_in_a_host_library_are_found(text, tmp_path):
    assert failing(audit_library(library(tmp_path, text))) == ["integer-only instructions"]


def test_a_host_library_may_call_memcpy_only(tmp_path):
    text = "#include <stdlib.h>\nvoid *f(int n) { return malloc((size_t)n); }"
    assert failing(audit_library(library(tmp_path, text))) == ["calls nothing outside but memcpy and memset"]


def test_toy_host_library_holds(tmp_path):
    toy_model.toy_project(tmp_path)
    (report,) = audit_project(tmp_path)
    assert report.holds, report.as_text()


@pytest.mark.parametrize(("cc", "architecture"), [("aarch64-linux-gnu", "aarch64"), ("arm-linux-gnueabihf", "arm")])
def test_floats_for_linux_boards_are_found(cc, architecture, tmp_path):
    if shutil.which(f"{cc}-gcc") is None:
        pytest.skip(f"{cc}-gcc is not installed")
    from intrs_edge.targets.audit.binary import disassemble

    for text, found in (("float f(float x) { return x * 3.5f; }", True), ("int f(int x) { return x * 3; }", False)):
        so = library(tmp_path, text, cc=f"{cc}-gcc")
        assert bool(floating_instructions(disassemble(f"{cc}-", so), architecture)) is found


PROGRAMS = {
    "": "int x; static int g(int n) { return n * x; } int main(void) { return g(x); }",
    "integer-only instructions": "float x; int main(void) { x = x * 3.5f; return 0; }",
    "no allocation": "#include <stdlib.h>\nvoid *volatile p; int main(void) { p = malloc(4); return 0; }",
    "no recursion": "volatile int x; __attribute__((noinline)) int f(int n); int f(int n)"
    " { x = n; return n > 1 ? n * f(n - 1) + x : 1; } int main(void) { return f(x); }",
    "every frame of known size": CONTROLS["every frame is of known size"],
}


@pytest.mark.parametrize("rule", PROGRAMS)
@pytest.mark.parametrize("board", ["rpi-4b", "rpi-armhf"])
def test_each_rule_of_a_linux_program_fails_for_its_control(board, rule, tmp_path):
    description = load_board(board)
    gcc = f"{description.toolchain}gcc"
    if shutil.which(gcc) is None:
        pytest.skip(f"{gcc} is not installed")
    (tmp_path / "x.c").write_text(PROGRAMS[rule])
    flags = [*description.cflags, "-O1", "-fcallgraph-info=su", "-c", "x.c", "-o", "x.c.o"]
    subprocess.run([gcc, *flags], cwd=tmp_path, check=True)
    subprocess.run([gcc, *description.cflags, "-static", "x.c.o", "-o", "intrs"], cwd=tmp_path, check=True)
    found = failing(audit_program(tmp_path / "intrs", description, [tmp_path / "x.c.o"]))
    assert len(found) == bool(rule)
    assert all(rule in name for name in found)
    (tmp_path / "x.c.ci").unlink()
    found = failing(audit_program(tmp_path / "intrs", description, [tmp_path / "x.c.o"]))
    assert "no recursion, every frame of known size" in found


def test_not_built_is_one_line(tmp_path):
    toy_model.toy_project(tmp_path)
    shutil.rmtree(tmp_path / "build")
    with pytest.raises(IntrsError, match="not built"):
        audit_project(tmp_path)
    with pytest.raises(IntrsError):
        floating_attributes("arm-none-eabi-", tmp_path / "nothing.elf")
