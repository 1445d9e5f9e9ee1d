"""Kernel variants against the portable kernels on emulated cores: many cases in one ELF, guards round each buffer."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from intrs_edge.children import guarded, patient

HERE = Path(__file__).parents[2] / "firmware" / "tools"
FIRMWARE = HERE.parent
COMPILER, RISCV = "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"

needs_riscv = pytest.mark.skipif(
    shutil.which("riscv64-unknown-elf-gcc") is None or shutil.which("qemu-system-riscv32") is None,
    reason="needs riscv64-unknown-elf-gcc and qemu-system-riscv32",
)
needs_emulator = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)


@dataclass(frozen=True)
class Machine:
    """An emulated core: compiler options, QEMU machine, where flash and RAM lie."""

    name: str
    options: tuple[str, ...]
    qemu: str
    flash: int
    ram: int
    ram_bytes: int
    riscv: bool = False


M0 = Machine("m0", ("-mcpu=cortex-m0",), "mps2-an385", 0, 0x20000000, 0x400000)
M3 = Machine("m3", ("-mcpu=cortex-m3",), "mps2-an385", 0, 0x20000000, 0x400000)
M4 = Machine("m4", ("-mcpu=cortex-m4+nofp",), "mps2-an386", 0, 0x20000000, 0x400000)
RV32 = Machine("rv32", ("-march=rv32imc", "-mabi=ilp32"), "virt", 0x80000000, 0x80400000, 0x400000, riscv=True)
M55 = Machine("m55", ("-mcpu=cortex-m55+nofp", "-mfloat-abi=hard"), "mps3-an547", 0, 0x30000000, 0x80000)


@dataclass(frozen=True)
class Compiler:
    """What compiles the programs; GCC links them. ``options``: level and the like."""

    command: str = COMPILER
    options: tuple[str, ...] = ("-O2", "-fomit-frame-pointer")

    def words(self, machine: Machine) -> list[str]:
        """The command line up to the warnings."""
        core = machine.options
        if machine.riscv:
            return [
                RISCV,
                *core,
                "-ffreestanding",
                "-fbuiltin",
                "-fno-tree-loop-distribute-patterns",
                *(x for x in self.options if x != "-flto"),
            ]
        if self.command == "clang":
            newlib = next(p for p in ("/usr/include/newlib", "/usr/lib/arm-none-eabi/include") if Path(p).is_dir())
            core = tuple(option.replace("cortex-m4+nofp", "cortex-m4") for option in core)
            core += ("--target=arm-none-eabi", "-isystem", newlib, "-ffreestanding")
            core += () if any(option.startswith("-mfloat-abi") for option in core) else ("-mfloat-abi=soft",)
        return [self.command, *core, "-mthumb", *self.options]


COMPILE = Compiler()  # test_any_compiler.py puts others here


@dataclass(frozen=True)
class Call:
    """A kernel call: ``function(&struct, inputs, output[, scratch])``."""

    function: str
    struct: str
    fields: Mapping[str, object]
    scratch: int | None = None


@dataclass(frozen=True)
class Case:
    """The same inputs through the portable kernel and through a variant; outputs must be equal bytes."""

    name: str
    inputs: tuple[npt.NDArray[np.int8], ...]
    out_bytes: int
    expected: Call
    actual: Call
    inplace: bool = field(default=False)  # the output takes an input's memory:
    over: int = 0  # that of this one


def _numbers(values: npt.NDArray[np.generic]) -> str:
    return ",".join(str(int(v)) for v in values.reshape(-1))


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[tuple[str, bytes], str] = {}

    def array(self, data: npt.NDArray[np.generic]) -> str:
        key = (data.dtype.name, data.tobytes())
        if key in self.names:
            return self.names[key]
        name = self.names[key] = f"a{len(self.names)}"
        ctype = f"{data.dtype.name}_t"
        # INT32_MIN has no literal of its own type
        text = _numbers(data).replace("-2147483648", "INT32_MIN")
        self.lines.append(f"static const {ctype} {name}[] __attribute__((aligned(16))) = {{{text}}};")
        return name

    def value(self, value: object) -> str:
        if isinstance(value, np.ndarray):
            return self.array(value)
        if value is None:
            return "0"
        if isinstance(value, Mapping):
            return "{" + ",".join(f".{k}={self.value(v)}" for k, v in value.items()) + "}"
        if isinstance(value, (list, tuple)):
            return "{" + ",".join(self.value(v) for v in value) + "}"
        if hasattr(value, "data"):  # intrs_edge.codegen.kernels.Array
            return self.array(value.data)
        return str(value)


def program(cases: Sequence[Case], headers: Sequence[str]) -> str:
    """The C source of a program that runs the cases and prints one line for each that differs."""
    w = _Writer()
    body = []
    guard = 64
    for i, case in enumerate(cases):
        ins = [w.array(x.reshape(-1).view(np.int8)) for x in case.inputs]
        calls = []
        for tag, call in (("e", case.expected), ("v", case.actual)):
            literal = w.value(call.fields)
            w.lines.append(f"static const struct {call.struct} p{i}{tag} = {literal};")
            arguments = [f"&p{i}{tag}", *ins, "expected" if tag == "e" else f"actual + {guard}"]
            if call.scratch is not None:
                arguments.append(f"scratch + {guard}")
            if tag == "v" and case.inplace:
                arguments[1 + case.over] = arguments[1 + len(ins)]
                calls.append(f"__builtin_memcpy(actual + {guard}, {ins[case.over]}, {case.out_bytes});")
            calls.append(f"{call.function}({', '.join(arguments)});")
        n, s = case.out_bytes, case.actual.scratch or 0
        body.append(f"static void case{i}(void) {{ before({n}, {s}); {' '.join(calls)} after({i}, {n}, {s}); }}")
    largest = max(c.out_bytes for c in cases)
    scratch = max(max(c.actual.scratch or 0, c.expected.scratch or 0) for c in cases)
    includes = "\n".join(f'#include "{h}"' for h in ("start.h", "intrs_kernels.h", *headers))
    run = "\n".join(f"    case{i}();" for i in range(len(cases)))
    support = f"""
static int8_t expected[{largest}] __attribute__((aligned(16)));
static int8_t actual[{largest + 2 * guard}] __attribute__((aligned(16)));
static uint8_t scratch[{scratch + 2 * guard}] __attribute__((aligned(16)));
static void before(int32_t n, int32_t s) {{
    for (int32_t i = 0; i < n + {2 * guard}; i++) {{ actual[i] = 0x55; }}
    for (int32_t i = 0; i < s + {2 * guard}; i++) {{ scratch[i] = 0xAA; }}
}}
static void report(int32_t number, const char *what, int32_t at) {{
    print("case "); print_number((uint32_t)number); print(what); print_number((uint32_t)at); print("\\n");
}}
static void after(int32_t number, int32_t n, int32_t s) {{
    for (int32_t i = 0; i < n; i++) {{
        if (actual[i + {guard}] != expected[i]) {{ report(number, " differs at ", i); return; }}
    }}
    for (int32_t i = 0; i < {guard}; i++) {{
        if (actual[i] != 0x55 || actual[n + {guard} + i] != 0x55) {{
            report(number, " writes past its output at ", i);
            return;
        }}
        if (scratch[i] != 0xAA || scratch[s + {guard} + i] != 0xAA) {{
            report(number, " writes past its scratch at ", i);
            return;
        }}
    }}
    print("case "); print_number((uint32_t)number); print(" equal\\n");
}}
"""
    return "\n".join(
        [includes, *w.lines, support, *body, "int main(void);", "int main(void) {", run, "    return 0;", "}", ""]
    )


def build(
    folder: Path,
    machine: Machine,
    source: str,
    sources: Sequence[str],
    include: Sequence[str] = (),
) -> Path:
    """Compiles a program with firmware sources into an ELF file."""
    main = folder / "main.c"
    main.write_text(source)
    elf = folder / "main.elf"
    script = folder / "link.ld"
    text = (HERE / "start.ld").read_text()
    for name, value in (
        ("FLASH_ORIGIN", machine.flash),
        ("RAM_ORIGIN", machine.ram),
        ("RAM_LENGTH", machine.ram_bytes),
    ):
        text = text.replace(name, hex(value))
    script.write_text(text)
    folders = [
        HERE,
        FIRMWARE / "include",
        FIRMWARE / "kernels/common",
        FIRMWARE / "kernels/portable",
        *(FIRMWARE / i for i in include),
    ]
    words = [*COMPILE.words(machine), "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
    words += [f"-I{f}" for f in folders]
    texts = [HERE / "start.c", main, *(FIRMWARE / s for s in sources)]
    if machine.riscv:
        texts.append(FIRMWARE / "ports" / "bare" / "mem.c")
    elif COMPILE.command != COMPILER:
        objects = []
        for i, text in enumerate(texts):
            objects.append(folder / f"{i}.o")
            _compiled([*words, "-c", str(text), "-o", str(objects[-1])])
        words, texts = [COMPILER, *machine.options, "-mthumb"], objects
    link = ["-nostdlib", "-T", str(script), "-o", str(elf)]
    _compiled([*words, *link, *map(str, texts), *(() if machine.riscv else ("-lc",)), "-lgcc"])
    return elf


def _compiled(command: Sequence[str]) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=patient(300))
    assert result.returncode == 0, result.stderr[:4000]


def qemu(machine: Machine, elf: Path) -> list[str]:
    """The command that runs an ELF file."""
    if machine.riscv:
        core = ("-bios", "none", "-cpu", "rv32,f=false,d=false,a=false")
        return ["qemu-system-riscv32", "-M", machine.qemu, *core, "-display", "none", "-serial", "stdio",
                "-monitor", "none", "-kernel", str(elf)]  # fmt: skip
    return [
        "qemu-system-arm", "-M", machine.qemu, "-display", "none", "-serial", "none", "-monitor", "none",
        "-semihosting-config", "enable=on,target=native", "-kernel", str(elf),
    ]  # fmt: skip


def run(machine: Machine, elf: Path) -> str:
    """What the program printed."""
    command = guarded(qemu(machine, elf))
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=patient(300), stdin=subprocess.DEVNULL
    )
    return result.stdout + result.stderr


def check(
    folder: Path,
    machine: Machine,
    cases: Sequence[Case],
    headers: Sequence[str],
    sources: Sequence[str],
    include: Sequence[str],
) -> None:
    """Fails with the names of the cases whose variant is not the portable kernel, bit for bit."""
    elf = build(folder, machine, program(cases, headers), sources, include=include)
    output = run(machine, elf)
    lines = output.splitlines()
    wrong = [
        f"{cases[int(line.split()[1])].name}: {line}"
        for line in lines
        if line.startswith("case") and "equal" not in line
    ]
    equal = sum(line.endswith("equal") for line in lines)
    assert not wrong, wrong[:20]
    assert equal == len(cases), output[-500:]
    assert lines[-1] == "done", output[-500:]
