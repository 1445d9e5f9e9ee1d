"""Cortex-M MVE kernels: every variant equals the portable kernel, bit for bit, on an emulated M55."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.kernels.arm_mve import pack
from tests.kernels.cases import Layer, layer, sums
from tests.kernels.harness import M55, Call, Case, check, needs_emulator
from tests.kernels.test_arm_dsp import SHAPES

FOLDER = "kernels/arm_mve"
SOURCES = [
    "kernels/portable/intrs_conv2d_portable.c",
    "kernels/portable/intrs_add_portable.c",
    *(f"{FOLDER}/intrs_{op}_arm_mve.c" for op in ("add", "clamp", "conv2d")),
]
# more steps than one round of eight, and the first of the next round
LONG_SHAPES = [((3, 4, 16), 4, (3, 3), 1, 1, 1), ((1, 1, 272), 7, (1, 1), 1, 0, 1), ((2, 3, 41), 5, (3, 3), 1, 1, 1)]


def _case(number: int, one: Layer) -> Case:
    w = one.window
    columns = (w["out_w"] - 1) * w["stride_w"] + w["filter_w"]
    fields = one.packed(
        out_zero_point=one.filters.out_zero_point, kind=pack.kind(one.filters), stream=pack.conv_stream(one.filters)
    )
    call = Call("intrs_conv2d_arm_mve", "intrs_conv2d_arm_mve", fields, columns * w["filter_h"] * w["in_c"] + 32)
    return Case(f"mve {number} {w}", (one.input,), one.out_bytes, one.portable(), call)


def _check(folder: Path, cases: list[Case]) -> None:
    check(folder, M55, cases, ["intrs_arm_mve.h"], SOURCES, [FOLDER])


@needs_emulator
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_convolutions(tmp_path: Path, style: str) -> None:
    rng = np.random.default_rng(30 + len(style))
    cases = []
    for i, (shape, out_c, kernel, stride, pad, dilation) in enumerate(SHAPES + LONG_SHAPES):
        if dilation > 1:
            continue
        one = layer(rng, shape, out_c, kernel, stride, pad, dilation, extreme=style == "extreme", up=style == "up")
        assert pack.mve_reason(one.filters) is None
        cases.append(_case(i, one))
    _check(tmp_path, cases)


@needs_emulator
def test_add_every_pair(tmp_path: Path) -> None:
    cases, formulas = [], 0
    for i, (operands, p, portable) in enumerate(sums(np.random.default_rng(7))):
        exact = 0 if p.multiplier[0] == 1 << 30 and p.shift[0] == 0 else 1
        other = 1 - exact
        n = int(str(portable["n"]))
        fields = {
            "n": n,
            "zero_point": [p.zero_point[other], p.zero_point[exact]],
            "multiplier": p.multiplier[other],
            "shift": p.shift[other],
            "out_multiplier": int(p.q.multiplier[0]),
            "out_shift": int(p.q.shift[0]),
            "out_zero_point": p.q.zero_point,
            "min": p.q.min,
            "max": p.q.max,
        }
        for formula in (pack.sum_formula(p, other), {"down": 0, "up": int(pack.halves_up(p))}, {"down": 0, "up": 0}):
            formulas += formula["down"] != 0
            call = Call("intrs_add_arm_mve", "intrs_add_arm_mve", fields | formula)
            cases.append(Case(f"add {i}", operands, n, Call("intrs_add_portable", "intrs_add", portable), call, i == 2))
    assert formulas > 0
    _check(tmp_path, cases)


def test_ranges_are_proved_from_the_weights() -> None:
    one = layer(np.random.default_rng(4), (4, 4, 8), 4).filters
    assert pack.mve_reason(one) is None
    assert "more than 31 bits" in str(pack.mve_reason(replace(one, bias=one.bias + (1 << 31))))
    assert "below 2^-31" in str(pack.mve_reason(replace(one, shift=one.shift * 0 - 32)))
    wide = layer(np.random.default_rng(4), (1, 1, 1), 65533, (1, 1), 1, 0).filters
    assert "65533 channels" in str(pack.mve_reason(wide))
