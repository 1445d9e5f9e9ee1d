"""Kernels for cores without SIMD equal the portable ones bit for bit, on each emulated core that they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.codegen.kernels.common.sums import sum_table
from intrs_edge.codegen.kernels.scalar.pack import depthwise_stream, direct_stream, winograd4_stream
from tests.kernels.cases import Layer, layer, sums
from tests.kernels.harness import M0, M3, RV32, Call, Case, Machine, check, needs_emulator, needs_riscv
from tests.kernels.test_arm_dsp import DEPTHWISE_SHAPES, SHAPES, WINOGRAD4_SHAPES

FOLDER = "kernels/scalar"
SOURCES = [
    "kernels/portable/intrs_conv2d_portable.c",
    "kernels/portable/intrs_add_portable.c",
    f"{FOLDER}/intrs_conv2d_scalar_winograd4.c",
    f"{FOLDER}/intrs_add_scalar.c",
    f"{FOLDER}/intrs_conv2d_scalar.c",
    f"{FOLDER}/intrs_depthwise2d_scalar.c",
    "kernels/portable/intrs_depthwise2d_portable.c",
]
TILES = {"m0": 1, "m3": 2, "rv32": 4}  # INTRS_SCALAR_TILES
# in (h, w, c), filters, pad: besides those, channels that are no words, one channel, one filter
WINOGRAD_SHAPES = [*WINOGRAD4_SHAPES, ((6, 9, 3), 7, 1), ((5, 4, 1), 1, 1), ((6, 6, 7), 9, 0)]

machines = pytest.mark.parametrize(
    "machine",
    [
        pytest.param(M0, marks=needs_emulator, id="m0"),
        pytest.param(M3, marks=needs_emulator, id="m3"),
        pytest.param(RV32, marks=needs_riscv, id="rv32"),
    ],
)


def _check(folder: Path, machine: Machine, cases: list[Case]) -> None:
    check(folder, machine, cases, ["intrs_scalar.h"], SOURCES, [FOLDER])


def _winograd(machine: Machine, number: int, one: Layer) -> Case:
    channels, tiles = -(-one.window["in_c"] // 4) * 4, TILES[machine.name]
    fields = one.packed(linear=int(one.filters.linear), stream=winograd4_stream(one.filters))
    scratch = 72 * channels * tiles + max(36 * channels, 576 * tiles)
    call = Call("intrs_conv2d_scalar_winograd4", "intrs_conv2d_scalar_winograd4", fields, scratch)
    return Case(f"winograd {number} {one.window}", (one.input,), one.out_bytes, one.portable(), call)


@machines
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_winograd(tmp_path: Path, machine: Machine, style: str) -> None:
    rng = np.random.default_rng(60 + len(style))
    cases = []
    for i, (shape, out_c, pad) in enumerate(WINOGRAD_SHAPES):
        one = layer(rng, shape, out_c, pad=pad, extreme=style == "extreme", up=style == "up")
        assert requant_reason(one.filters, 6) is None
        cases.append(_winograd(machine, i, one))
    _check(tmp_path, machine, cases)


def _direct(number: int, one: Layer) -> Case:
    fields = one.packed(linear=int(one.filters.linear), stream=direct_stream(one.filters))
    taps = -(-one.filters.flat.shape[1] // 4) * 4
    call = Call("intrs_conv2d_scalar", "intrs_conv2d_scalar", fields, 4 * taps)
    return Case(f"direct {number} {one.window}", (one.input,), one.out_bytes, one.portable(), call)


@machines
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_direct_convolutions(tmp_path: Path, machine: Machine, style: str) -> None:
    rng = np.random.default_rng(70 + len(style))
    cases = []
    for i, (shape, out_c, kernel, stride, pad, dilation) in enumerate(SHAPES):
        one = layer(rng, shape, out_c, kernel, stride, pad, dilation, extreme=style == "extreme", up=style == "up")
        assert requant_reason(one.filters, 6) is None
        cases.append(_direct(i, one))
    _check(tmp_path, machine, cases)


def _depthwise(number: int, one: Layer) -> Case:
    w = one.window
    rows, columns = (
        (w[f"out_{e}"] - 1) * w[f"stride_{e}"] + (w[f"filter_{e}"] - 1) * w[f"dilation_{e}"] + 1 for e in "hw"
    )
    fields = one.packed(linear=int(one.filters.linear), stream=depthwise_stream(one.filters))
    call = Call(
        "intrs_depthwise2d_scalar", "intrs_depthwise2d_scalar", fields, 4 * max(w["out_h"], w["out_w"]) + rows * columns
    )
    over = one.out_bytes == one.input.size and bool(number % 2)
    return Case(f"depthwise {number} {w}", (one.input,), one.out_bytes, one.portable(True), call, over)


# besides those, the tails of four outputs in a row with either stride, and rows that the windows do not reach
ROWS = [((3, width, 3), (3, 3), stride, 1, 1) for width in range(4, 12) for stride in (1, 2)]
TALL = [((height, width, 3), (3, 3), stride, 1, 1) for height, width, stride in ((9, 4, 1), (11, 3, 2), (7, 1, 1))]


@machines
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_depthwise(tmp_path: Path, machine: Machine, style: str) -> None:
    rng = np.random.default_rng(80 + len(style))
    cases = []
    for i, (shape, kernel, stride, pad, dilation) in enumerate(
        [*DEPTHWISE_SHAPES, *ROWS, *TALL, ((6, 6, 2), (3, 3), 4, 0, 1)]
    ):
        one = layer(
            rng, shape, shape[2], kernel, stride, pad, dilation, True, extreme=style == "extreme", up=style == "up"
        )
        assert requant_reason(one.filters, 6) is None
        cases.append(_depthwise(i, one))
    assert any(c.inplace for c in cases)
    _check(tmp_path, machine, cases)


@machines
def test_add_every_pair(tmp_path: Path, machine: Machine) -> None:
    cases = []
    for i, (operands, p, portable) in enumerate(sums(np.random.default_rng(9))):
        table, words = sum_table(p)
        n = int(str(portable["n"]))
        fields = {
            "n": n, "table": table, "multiplier": words[0], "addend": words[1], "shift": words[2],
            "linear": int(p.q.zero_point != -128), "min": p.q.min, "max": p.q.max,
        }  # fmt: skip
        call = Call("intrs_add_scalar", "intrs_add_scalar", fields)
        cases.append(Case(f"add {i}", operands, n, Call("intrs_add_portable", "intrs_add", portable), call, i == 2))
    _check(tmp_path, machine, cases)


@machines
def test_the_check_can_fail(tmp_path: Path, machine: Machine) -> None:
    """One weight off by one is seen, and so is scratch that is too short."""
    one = layer(np.random.default_rng(3), (6, 6, 8), 4)
    depthwise = layer(np.random.default_rng(3), (9, 9, 8), 8, depthwise=True)
    for good in (_winograd(machine, 0, one), _direct(0, one), _depthwise(0, depthwise)):
        stream = np.array(good.actual.fields["stream"])
        stream[40] += 64
        wrong = replace(good, actual=replace(good.actual, fields={**good.actual.fields, "stream": stream}))
        with pytest.raises(AssertionError, match="differs at"):
            _check(tmp_path, machine, [wrong])
        assert good.actual.scratch is not None
        short = replace(good, actual=replace(good.actual, scratch=good.actual.scratch - 32))
        with pytest.raises(AssertionError, match="writes past its scratch"):
            _check(tmp_path, machine, [short])
