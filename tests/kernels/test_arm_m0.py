"""Cortex-M0 and M3 kernels equal the portable ones bit for bit, under emulation (built for Armv6-M and Armv7-M)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.kernels.arm_m0.pack import conv_stream
from intrs_edge.codegen.kernels.common.requant import requant_reason
from tests.kernels.cases import layer
from tests.kernels.harness import M0, M3, Call, Case, Machine, check, needs_emulator
from tests.kernels.test_arm_dsp import SHAPES

FOLDER = "kernels/arm_m0"
SOURCES = [
    "kernels/portable/intrs_conv2d_portable.c",
    f"{FOLDER}/intrs_conv2d_arm_m0.c",
]


machines = pytest.mark.parametrize("machine", [M0, M3], ids=lambda m: m.name)


def _check(folder: Path, machine: Machine, cases: list[Case]) -> None:
    check(folder, machine, cases, ["intrs_arm_m0.h"], SOURCES, [FOLDER])


@needs_emulator
@machines
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_convolutions(tmp_path: Path, machine: Machine, style: str) -> None:
    rng = np.random.default_rng(40 + len(style))
    cases = []
    for i, (shape, out_c, kernel, stride, pad, dilation) in enumerate(SHAPES):
        one = layer(rng, shape, out_c, kernel, stride, pad, dilation, extreme=style == "extreme", up=style == "up")
        assert requant_reason(one.filters, 1) is None
        fields = one.packed(linear=int(one.filters.linear), stream=conv_stream(one.filters))
        taps = -(-one.filters.flat.shape[1] // 4) * 4
        call = Call("intrs_conv2d_arm_m0", "intrs_conv2d_arm_m0", fields, 8 * taps)
        cases.append(Case(f"m0 {i} {one.window}", (one.input,), one.out_bytes, one.portable(), call))
    _check(tmp_path, machine, cases)
