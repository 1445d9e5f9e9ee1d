"""Vector samplers write what the portable sampler writes, byte for byte, and change no stream."""

from __future__ import annotations

import ctypes
import subprocess
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.children import patient
from intrs_edge.codegen.tables import render_tables
from intrs_edge.smoothing import Smoothing
from tests.kernels.host import FIRMWARE, STRICT, needs_avx2

BATCH = 16
PROGRAM = """
#include "intrs_noise.h"
#include "intrs_model.h"
const struct intrs_input_map intrs_input_map = {.mul = {%s}, .add = {%s}, .shift = %d};
"""


def library(folder: Path, smoothing: Smoothing, shift: int, macros: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The sampler alone, for images of the smoothing's shape."""
    h, w, c = smoothing.shape
    folder.mkdir()
    for name, text in render_tables(smoothing).items():
        (folder / Path(name).name).write_text(text)
    config = {
        "INTRS_CONFIG_FORMAT": "INTRS_RUNTIME_FORMAT",
        "INTRS_CLASSES": 2, "INTRS_IMAGE_BYTES": h * w * c, "INTRS_CHANNELS": c, "INTRS_INPUT_BYTES": h * w * c,
        "INTRS_BATCH": BATCH, "INTRS_ARENA_BYTES": 64, "INTRS_INPUT_OFFSET": 0, "INTRS_OUTPUT_OFFSET": 0,
        "INTRS_N0": smoothing.n0, "INTRS_N": smoothing.n,
    }  # fmt: skip
    lines = [f"#define {k} {v}" for k, v in config.items()] + [f"#define {m} 1" for m in macros]
    (folder / "intrs_config.h").write_text("\n".join(lines) + "\n")
    mul, add = (", ".join(str(v) for v in values) for values in (range(3, 3 + c), range(-5, c - 5)))
    (folder / "map.c").write_text(PROGRAM % (mul, add, shift))
    objects = []
    own = [FIRMWARE / "smoothing" / name for name in ("intrs_noise_fill.c", "intrs_jump_table.c")]
    sources = [*own, folder / "map.c", folder / "intrs_tables.c"]
    variants = sorted((FIRMWARE / "smoothing/x86").glob("*.c")) if macros else []
    for source in (*sources, *variants):
        target = folder / f"{source.stem}.o"
        include = [
            f"-I{d}" for d in (folder, FIRMWARE / "include", FIRMWARE / "kernels/common", FIRMWARE / "smoothing")
        ]
        command = ["cc", *STRICT, "-O2", "-fPIC", *include, "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True, timeout=patient(60))
        objects.append(str(target))
    path = folder / "noise.so"
    subprocess.run(["cc", "-shared", "-o", str(path), *objects], check=True, timeout=patient(60))
    return ctypes.CDLL(str(path))


@needs_avx2
@pytest.mark.parametrize(
    ("sigma", "rng", "shape"),
    [
        ("0.25", "xoshiro128++", (8, 9, 3)),
        ("0.25", "lfsr113", (5, 7, 1)),
        ("0.003", "xoshiro128++", (5, 7, 1)),
        ("1.9", "lfsr113", (8, 9, 3)),
    ],
)
def test_avx2_sampler_equals_the_portable_one(
    tmp_path: Path, sigma: str, rng: str, shape: tuple[int, int, int]
) -> None:
    smoothing = Smoothing(shape=shape, sigma=Decimal(sigma), n0=10, n=1000, alpha=Decimal("0.001"), seed=1, rng=rng)
    shift = 2 if sigma != "1.9" else 5
    portable = library(tmp_path / "portable", smoothing, shift)
    vector = library(tmp_path / "vector", smoothing, shift, ("INTRS_NOISE_X86",))
    assert hasattr(vector, "intrs_noise_fill_x86")
    assert not hasattr(portable, "intrs_noise_fill_x86")
    draw = np.random.default_rng(7)
    size = int(np.prod(shape))
    differing = 0
    for _ in range(40):
        image = draw.integers(0, 256, size, dtype=np.uint8)
        lanes = draw.integers(200, 2**32, (BATCH, 4), dtype=np.uint32)
        kept = lanes.copy()
        out = np.full((2, BATCH * size + 64), 77, np.int8)
        for row, lib in zip(out, (portable, vector), strict=True):
            lib.intrs_noise_fill(
                ctypes.c_void_p(lanes.ctypes.data), ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(row.ctypes.data)
            )
        assert np.array_equal(out[0], out[1])
        assert (out[:, BATCH * size :] == 77).all()
        assert np.array_equal(lanes, kept)
        differing += int((out[0, :size] != out[0, size : 2 * size]).any())
    assert differing > 30 or sigma == "0.003"  # the lanes are different samples
