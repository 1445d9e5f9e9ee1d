"""The noise samplers of Cortex-M write what the Python twin draws, byte for byte, on emulated cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from intrs_edge.codegen.samplers import map_macros
from intrs_edge.codegen.tables import render_tables
from intrs_edge.graph.input_map import InputMap
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.sampler import Sampler
from tests.kernels.harness import FIRMWARE, M0, M4, M55, Machine, build, needs_emulator, run

SAMPLES = 3
PROGRAM = """
#include "start.h"
#include "intrs_model.h"
#include "intrs_noise.h"

const struct intrs_input_map intrs_input_map = {{{{{mul}}}, {{{add}}}, {shift}}};
static const uint8_t image[] = {{{image}}};
static const int8_t expected[] = {{{expected}}};
static const struct intrs_rng states[] = {{{states}}};
static int8_t out[{size} + 16];
int main(void);
int main(void)
{{
    for (uint32_t i = 0; i < {samples}; i++) {{
        for (uint32_t j = 0; j < {size} + 16; j++) out[j] = 77;
        intrs_noise_fill(&states[i], image, out + 8);
        for (uint32_t j = 0; j < {size} + 16; j++) {{
            if (out[j] == (j < 8 || j >= {size} + 8 ? 77 : expected[i * {size} + j - 8])) continue;
            print("sample "); print_number(i); print(" differs at "); print_number(j); print("\\n");
            return 0;
        }}
    }}
    print("equal\\n");
    return 0;
}}
"""


def numbers(values: npt.ArrayLike) -> str:
    return ",".join(str(v) for v in np.asarray(values).reshape(-1).tolist())


def program(
    folder: Path,
    machine: Machine,
    smoothing: Smoothing,
    mul: Sequence[int],
    add: Sequence[int],
    shift: int,
    wrong: int | None = None,
) -> Path:
    """An ELF file that compares the sampler with the twin; ``wrong``: a byte of the expectation that is changed."""
    for name, text in render_tables(smoothing).items():
        (folder / Path(name).name).write_text(text)
    size = smoothing.dimension
    config = {
        "INTRS_CONFIG_FORMAT": "INTRS_RUNTIME_FORMAT",
        "INTRS_CLASSES": 2, "INTRS_IMAGE_BYTES": size, "INTRS_CHANNELS": smoothing.shape[2], "INTRS_INPUT_BYTES": size,
        "INTRS_BATCH": 1, "INTRS_ARENA_BYTES": 64, "INTRS_INPUT_OFFSET": 0, "INTRS_OUTPUT_OFFSET": 0,
        "INTRS_N0": smoothing.n0, "INTRS_N": smoothing.n,
        **map_macros({"mul": mul, "add": add, "shift": shift}),
    }  # fmt: skip
    sources = [
        "smoothing/intrs_noise_fill.c",
        "smoothing/intrs_jump_table.c",
        os.path.relpath(folder / "intrs_tables.c", FIRMWARE),
    ]
    if machine is not M0:
        config["INTRS_NOISE_ARM_DSP"] = 1
        sources.append("smoothing/arm_dsp/intrs_noise_blocks_arm_dsp.c")
    (folder / "intrs_config.h").write_text("".join(f"#define {k} {v}\n" for k, v in config.items()))
    image = np.random.default_rng(3).integers(0, 256, smoothing.shape, dtype=np.uint8)
    states = smoothing.generator.states(5, 7, 0, SAMPLES).T
    drawn = Sampler(smoothing.distribution, smoothing.generator).draw(5, 7, 0, SAMPLES, size)
    noisy = image.astype(np.int64) + drawn.reshape(SAMPLES, *smoothing.shape)
    expected = InputMap(tuple(mul), tuple(add), shift, 0, True).apply(noisy)
    if wrong is not None:
        expected.reshape(-1)[wrong] ^= 1
    source = PROGRAM.format(
        mul=numbers(mul), add=numbers(add), shift=shift, image=numbers(image), expected=numbers(expected), size=size,
        states=",".join("{{" + numbers(row) + "}}" for row in states), samples=SAMPLES,
    )  # fmt: skip
    return build(folder, machine, source, sources, include=["smoothing", os.path.relpath(folder, FIRMWARE)])


def smoothing_of(sigma: str, rng: str, shape: tuple[int, int, int]) -> Smoothing:
    return Smoothing(shape=shape, sigma=Decimal(sigma), n0=10, n=1000, alpha=Decimal("0.001"), seed=1, rng=rng)


# sigma in [0,1] pixels: from half a lattice step to 510; tails of 31, 30, 17, 9 and no coordinates; split cells in all
CASES = [
    ("0.25", "xoshiro128++", (16, 16, 3), (1,) * 3, (-126,) * 3, 2),
    ("0.25", "xoshiro128++", (7, 9, 1), (1,), (-128,), 0),
    ("0.12", "lfsr113", (5, 5, 2), (1,) * 2, (-255,) * 2, 1),
    ("0.002", "xoshiro128++", (3, 5, 3), (1,) * 3, (-128,) * 3, 0),
    ("1.0", "xoshiro128++", (10, 25, 3), (1,) * 3, (-1016,) * 3, 3),
    ("2", "xoshiro128++", (8, 33, 4), (1,) * 4, (-2032,) * 4, 4),
    ("2", "lfsr113", (8, 16, 4), (1,) * 4, (-0x18000,) * 4, 9),  # no room in 16 bits
    ("0.25", "xoshiro128++", (11, 13, 3), (257,) * 3, (-257,) * 3, 9),
    ("0.5", "lfsr113", (3, 3, 1), (55,), (-7000,), 6),
    ("0.5", "xoshiro128++", (9, 9, 2), (65537,) * 2, (-8421504,) * 2, 16),  # no halfword multiplication
    ("0.25", "xoshiro128++", (9, 15, 3), (3,) * 3, (-300,) * 3, 0),
    ("2", "xoshiro128++", (8, 17, 4), (1,) * 4, (-0x18000,) * 4, 9),
    ("0.25", "xoshiro128++", (9, 11, 3), (11, 12, 13), (-900, -1000, -1100), 5),
    ("1.0", "lfsr113", (7, 5, 4), (1, 1, 1, 2), (-128, -100, 0, 0), 2),
]


@needs_emulator
@pytest.mark.parametrize("machine", [M0, M4, M55], ids=lambda m: m.name)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}-{c[3][0]}")
def test_sampler_equals_the_twin(
    tmp_path: Path, machine: Machine, case: tuple[str, str, tuple[int, int, int], tuple[int, ...], tuple[int, ...], int]
) -> None:
    sigma, rng, shape, mul, add, shift = case
    elf = program(tmp_path, machine, smoothing_of(sigma, rng, shape), mul, add, shift)
    assert run(machine, elf).splitlines()[0] == "equal"


@needs_emulator
@pytest.mark.parametrize(("wrong", "at"), [(40, "sample 0 differs at 48"), (2 * 99 + 98, "sample 2 differs at 106")])
def test_a_wrong_byte_is_seen(tmp_path: Path, wrong: int, at: str) -> None:
    """The control: a difference in a block, and one in the tail of the last sample."""
    elf = program(tmp_path, M4, smoothing_of("0.25", "xoshiro128++", (11, 3, 3)), (1,) * 3, (-126,) * 3, 2, wrong)
    assert run(M4, elf).splitlines()[0] == at
