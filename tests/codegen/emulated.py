"""Many generated models in one ELF file for an emulated board, which compares their outputs and prints a line each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen.cwrite import array_body
from intrs_edge.codegen.model import Model
from tests.kernels.harness import Machine, build, run

GUARD = 64
CODE = 80 * 1024  # flash for kernels and what runs them

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A model (of one image), and what it shall make of the inputs: ``[K, input bytes]``, ``[K, output bytes]``."""

    name: str
    model: Model
    inputs: Bytes
    expected: Bytes


def machine_of(board: Board) -> Machine:
    """The board as the harness of tests/kernels knows it."""
    flash, ram = board.first("flash"), board.first("ram")
    options = tuple(f for f in board.cflags if f != "-mthumb")
    assert board.emulator is not None
    riscv = board.port == "riscv"
    options = tuple(f for f in options if f.startswith("-m"))
    return Machine(board.id, options, board.emulator.machine, flash.origin, ram.origin, ram.size, riscv)


def _apart(model: Model, number: int) -> str:
    """The model's text under names of its own, so that many share one translation unit."""
    found = re.findall(r"^(?:static )?(?:INTRS_WEIGHTS )?const .*?(\w+)(?:\[\d*\])? = ", model.text, re.MULTILINE)
    found += re.findall(r"^    (\w+) = \d+,", model.text, re.MULTILINE)
    found += re.findall(r"^(?:static )?void (\w+)", model.text, re.MULTILINE)
    return re.sub(rf"(?<!struct )(?<![.\w])(?:{'|'.join(map(re.escape, found))})\b", rf"m{number}_\g<0>", model.text)


def program(cases: Sequence[Case]) -> str:
    """The C source: for each case "case N equal", or what differs."""
    arena = max(c.model.arena_bytes for c in cases)
    data: dict[bytes, str] = {}
    arrays, calls, texts = [], [], []

    def array(values: Bytes) -> str:
        key = values.tobytes()
        if key not in data:
            data[key] = f"data{len(data)}"
            body = array_body(values.reshape(-1))
            arrays.append(f"static const uint8_t {data[key]}[] = {{\n{body}}};")
        return data[key]

    for i, c in enumerate(cases):
        texts.append(_apart(c.model, i))
        sizes = (c.model.arena_bytes, c.model.input_offset, c.inputs.shape[1], c.model.output_offset)
        numbers = ", ".join(map(str, (i, *sizes, c.expected.shape[1], len(c.inputs))))
        calls.append(f"    check({numbers}, {array(c.inputs)}, {array(c.expected)}, m{i}_intrs_model_run);")
    lines = "\n".join(calls)
    return "\n".join(texts + arrays) + f"""
#include "start.h"
static uint8_t memory[{arena + 2 * GUARD}] __attribute__((aligned(16)));
static void say(uint32_t number, const char *what, uint32_t image, uint32_t at) {{
    print("case "); print_number(number); print(what); print_number(image); print(" at ");
    print_number(at); print("\\n");
}}
static void check(uint32_t number, uint32_t arena, uint32_t in_offset, uint32_t in_bytes, uint32_t out_offset,
                  uint32_t out_bytes, uint32_t images, const uint8_t *in, const uint8_t *out, void (*model)(uint8_t *))
{{
    for (uint32_t k = 0; k < images; k++) {{
        for (uint32_t i = 0; i < arena + {2 * GUARD}; i++) {{ memory[i] = 0xC3; }}
        for (uint32_t i = 0; i < in_bytes; i++) {{ memory[{GUARD} + in_offset + i] = in[k * in_bytes + i]; }}
        model(memory + {GUARD});
        for (uint32_t i = 0; i < out_bytes; i++) {{
            if (memory[{GUARD} + out_offset + i] != out[k * out_bytes + i]) {{
                say(number, " differs in image ", k, i);
                return;
            }}
        }}
        for (uint32_t i = 0; i < {GUARD}; i++) {{
            if (memory[i] != 0xC3 || memory[{GUARD} + arena + i] != 0xC3) {{
                say(number, " leaves its arena in image ", k, i);
                return;
            }}
        }}
    }}
    print("case "); print_number(number); print(" equal\\n");
}}
int main(void);
int main(void)
{{
{lines}
    return 0;
}}
"""  # fmt: skip


def outcomes(folder: Path, board: str, cases: Sequence[Case]) -> list[str]:
    """What the board says of each case: "equal", or where it differs. As few runs as its flash allows."""
    room = load_board(board).first("flash").size - CODE
    parts: list[list[Case]] = [[]]
    taken = 0
    for case in cases:
        size = case.model.weight_bytes + case.inputs.size + case.expected.size + 300  # parameters and calls
        if taken + size > room and parts[-1]:
            parts.append([])
            taken = 0
        parts[-1].append(case)
        taken += size
    return [line for part in parts for line in _run(folder, board, part)]


def _run(folder: Path, board: str, cases: Sequence[Case]) -> list[str]:
    described = load_board(board)
    machine = machine_of(described)
    sources = sorted({s for c in cases for s in c.model.sources})
    (folder / "intrs_config.h").write_text("#define INTRS_CHANNELS 1\n")
    include = [str(folder), *sorted({str(Path(s).parent) for s in sources})]
    elf = build(folder, machine, program(cases), sources, include=include)
    size = subprocess.run([f"{described.toolchain}size", str(elf)], capture_output=True, text=True, check=True).stdout
    text, static, zero = map(int, size.splitlines()[1].split()[:3])
    assert text + static <= described.first("flash").size, f"{text + static} bytes do not fit {board}"
    assert static + zero + 2048 <= described.first("ram").size, f"{static + zero} bytes do not fit {board}"
    output = run(machine, elf)
    lines = output.splitlines()
    found = dict(line.removeprefix("case ").split(" ", 1) for line in lines if line.startswith("case "))
    assert lines[-1:] == ["done"], output[-500:]
    assert len(found) == len(cases), output[-500:]
    return [found[str(i)] for i in range(len(cases))]
