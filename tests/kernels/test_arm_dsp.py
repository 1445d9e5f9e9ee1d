"""Cortex-M DSP kernels: every variant equals the portable kernel, bit for bit, on an emulated M4."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.kernels.arm_dsp import pack
from intrs_edge.codegen.kernels.common.filters import Filters
from intrs_edge.codegen.kernels.common.requant import requant_reason, requant_words
from intrs_edge.codegen.kernels.common.sums import sum_table, table_reason
from tests.kernels.cases import Layer, layer, sums
from tests.kernels.harness import M4, Call, Case, check, needs_emulator

FOLDER = "kernels/arm_dsp"
SOURCES = [
    *(f"kernels/portable/intrs_{op}_portable.c" for op in ("conv2d", "depthwise2d", "add", "average_pool2d")),
    *(f"{FOLDER}/intrs_{op}_arm_dsp.c" for op in ("add", "average_pool2d", "clamp", "depthwise2d", "stage")),
    *(f"{FOLDER}/intrs_conv2d_arm_dsp_{variant}.c" for variant in ("w8", "w16", "winograd4")),
]

# in (h, w, c), filters, kernel, stride, pad, dilation: odd channels, 1x1, stride 2, tails of every loop, dilation,
# rows that are no words
SHAPES = [
    ((6, 6, 16), 8, (3, 3), 1, 1, 1),
    ((5, 7, 3), 5, (3, 3), 1, 1, 1),
    ((5, 5, 7), 3, (3, 3), 2, 1, 1),
    ((7, 7, 8), 6, (3, 3), 2, 0, 1),
    ((6, 6, 8), 9, (1, 1), 1, 0, 1),
    ((7, 6, 5), 4, (1, 1), 2, 0, 1),
    ((1, 1, 37), 10, (1, 1), 1, 0, 1),
    ((1, 3, 64), 1, (1, 1), 1, 0, 1),
    ((9, 8, 4), 3, (5, 5), 1, 2, 1),
    ((9, 5, 1), 8, (10, 4), 2, 5, 1),
    ((8, 9, 4), 5, (3, 3), 1, 2, 2),
    ((8, 9, 6), 2, (3, 2), 2, 1, 2),
    ((3, 3, 2), 2, (3, 3), 1, 2, 1),
    ((4, 4, 36), 4, (3, 3), 1, 1, 1),
]
WINOGRAD4_SHAPES = [
    ((8, 8, 16), 6, 1),
    ((5, 7, 4), 3, 1),
    ((9, 6, 8), 4, 0),
    ((3, 3, 12), 2, 0),
    ((4, 13, 64), 2, 1),
    ((7, 5, 20), 5, 2),
    ((1, 1, 4), 2, 1),
    ((12, 12, 32), 4, 1),
]
DEPTHWISE_SHAPES = [
    ((6, 7, 8), (3, 3), 1, 1, 1),
    ((7, 5, 6), (3, 3), 2, 1, 1),
    ((5, 5, 4), (3, 3), 1, 0, 1),
    ((6, 6, 13), (5, 3), 1, 2, 1),
    ((8, 8, 5), (3, 3), 1, 2, 2),
    ((3, 2, 12), (1, 1), 1, 0, 1),
    ((9, 4, 7), (3, 3), 2, 2, 1),
]


def _direct(number: int, one: Layer, wide: bool) -> Case:
    steps = -(-one.filters.flat.shape[1] // 4)
    fields = one.packed(linear=int(one.filters.linear), stream=pack.direct_stream(one.filters, wide))
    name = "intrs_conv2d_arm_dsp_w16" if wide else "intrs_conv2d_arm_dsp_w8"
    call = Call(name, "intrs_conv2d_arm_dsp", fields, 24 * steps + one.filters.out_c)
    return Case(f"{name} {number} {one.window}", (one.input,), one.out_bytes, one.portable(), call)


def _winograd4(number: int, one: Layer, pairs: int, expand: bool) -> Case:
    c = one.window["in_c"]
    fields = one.packed(
        linear=int(one.filters.linear),
        pairs=pairs,
        stream=pack.winograd4_stream(one.filters, not expand),
        weights=one.filters.weights if expand else 0,
    )
    scratch = 144 * c * pairs + (144 * c + 576 if expand else 144 + 36 * c if c > 16 else 720)
    call = Call("intrs_conv2d_arm_dsp_winograd4", "intrs_conv2d_arm_dsp_winograd4", fields, scratch)
    return Case(f"winograd4 {number} {pairs} {expand} {one.window}", (one.input,), one.out_bytes, one.portable(), call)


def _depthwise(number: int, one: Layer) -> Case:
    fields = one.packed(linear=int(one.filters.linear), stream=pack.depthwise_stream(one.filters))
    call = Call("intrs_depthwise2d_arm_dsp", "intrs_conv2d_arm_dsp", fields, one.filters.flat.size)
    return Case(f"depthwise {number} {one.window}", (one.input,), one.out_bytes, one.portable(True), call)


def _check(folder: Path, cases: list[Case]) -> None:
    check(folder, M4, cases, ["intrs_arm_dsp.h"], SOURCES, [FOLDER])


@needs_emulator
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_direct_convolutions(tmp_path: Path, style: str) -> None:
    rng = np.random.default_rng(len(style))
    cases = []
    for i, (shape, out_c, kernel, stride, pad, dilation) in enumerate(SHAPES):
        one = layer(rng, shape, out_c, kernel, stride, pad, dilation, extreme=style == "extreme", up=style == "up")
        assert requant_reason(one.filters, 1) is None
        cases += [_direct(i, one, wide) for wide in (False, True)]
    _check(tmp_path, cases)


@needs_emulator
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_winograd(tmp_path: Path, style: str) -> None:
    rng = np.random.default_rng(10 + len(style))
    cases = []
    for i, (shape, out_c, pad) in enumerate(WINOGRAD4_SHAPES):
        one = layer(rng, shape, out_c, pad=pad, extreme=style == "extreme", up=style == "up")
        assert requant_reason(one.filters, 6) is None
        cases.append(_winograd4(i, one, 1, False))
        if out_c % 2 == 0:
            cases += [_winograd4(i, one, pairs, True) for pairs in (1, 3)]
    _check(tmp_path, cases)


@needs_emulator
@pytest.mark.parametrize("style", ["random", "extreme", "up"])
def test_depthwise(tmp_path: Path, style: str) -> None:
    rng = np.random.default_rng(20 + len(style))
    cases = []
    for i, (shape, kernel, stride, pad, dilation) in enumerate(DEPTHWISE_SHAPES):
        one = layer(
            rng, shape, shape[2], kernel, stride, pad, dilation, True, extreme=style == "extreme", up=style == "up"
        )
        assert requant_reason(one.filters, 1) is None
        cases.append(_depthwise(i, one))
    _check(tmp_path, cases)


@needs_emulator
def test_add_every_pair(tmp_path: Path) -> None:
    cases = []
    for i, (operands, p, portable) in enumerate(sums(np.random.default_rng(5))):
        assert table_reason(p) is None
        table, words = sum_table(p)
        n = int(str(portable["n"]))
        fields = {
            "n": n, "table": table, "multiplier": words[0], "addend": words[1], "shift": words[2],
            "linear": int(p.q.zero_point != -128), "min": p.q.min, "max": p.q.max,
        }  # fmt: skip
        call = Call("intrs_add_arm_dsp", "intrs_add_arm_dsp", fields)
        cases.append(Case(f"add {i}", operands, n, Call("intrs_add_portable", "intrs_add", portable), call, i == 2))
    _check(tmp_path, cases)


@needs_emulator
def test_average_pool(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    cases = []
    for shape, kernel, stride, pad in [
        ((8, 8, 64), 8, 1, 0),
        ((5, 6, 4), 3, 2, 1),
        ((15, 17, 8), 15, 2, 0),
        ((3, 3, 12), 2, 1, 1),
    ]:
        one = layer(rng, shape, shape[2], (kernel, kernel), stride, pad, extreme=kernel == 15)
        for low, high in ((-128, 127), (-5, 9)):
            call = Call("intrs_average_pool2d_portable", "intrs_pool2d", {"w": one.window, "min": low, "max": high})
            variant = replace(call, function="intrs_average_pool2d_arm_dsp")
            cases.append(Case(f"pool {shape} {kernel} {low}", (one.input,), one.out_bytes, call, variant))
    same = np.full(15 * 17 * 8, -128, np.int8)
    cases.append(replace(cases[4], name="pool of the lowest value", inputs=(same,)))
    _check(tmp_path, cases)


@needs_emulator
def test_the_check_can_fail(tmp_path: Path) -> None:
    """One weight off by one is seen, and so is a scratch buffer that is one pixel short."""
    rng = np.random.default_rng(3)
    one = layer(rng, (6, 6, 8), 4)
    good = _direct(0, one, True)
    stream = np.array(good.actual.fields["stream"])
    stream[10] += 2
    wrong = replace(good, actual=replace(good.actual, fields={**good.actual.fields, "stream": stream}))
    with pytest.raises(AssertionError, match="differs at"):
        _check(tmp_path, [wrong])
    narrow = layer(rng, (6, 6, 7), 4)
    case = _direct(0, narrow, True)
    assert case.actual.scratch is not None
    short = replace(case, actual=replace(case.actual, scratch=case.actual.scratch - 32))
    with pytest.raises(AssertionError, match="writes past its scratch"):
        _check(tmp_path, [short])


def test_ranges_are_proved_from_the_weights() -> None:
    """Reasons name what breaks, and the bound is reached by some input: one more and it would be wrong."""
    rng = np.random.default_rng(4)
    one = layer(rng, (4, 4, 8), 4).filters
    low, high = one.bounds
    worst = np.where(one.flat > 0, 127, -128) - one.in_zero_point
    assert np.array_equal((one.flat * worst).sum(axis=1) + one.bias, high)
    best = np.where(one.flat > 0, -128, 127) - one.in_zero_point
    assert np.array_equal((one.flat * best).sum(axis=1) + one.bias, low)
    assert requant_reason(one, 1) is None
    loud = replace(one, bias=one.bias + (1 << 25), shift=one.shift * 0 - 17, out_zero_point=-128)
    assert requant_reason(loud, 1) is None
    assert "accumulators reach" in str(requant_reason(loud, 6))
    assert "scaled up" in str(requant_reason(replace(one, shift=one.shift * 0, linear=True), 1))
    assert "multiplier is below" in str(requant_reason(replace(loud, shift=loud.shift - 1), 6))


def test_requantisation_words_equal_double_rounding() -> None:
    """The formula of intrs_arm_dsp.h in wide integers against gemmlowp's, over accumulators around every rounding
    boundary.
    """
    from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier

    rng = np.random.default_rng(6)
    for t in (1, 6):
        for right in range(-2 if t == 1 else -4, 18):
            linear = right >= 1 and bool(rng.integers(2))
            multiplier = rng.integers(1 << 30, 1 << 31, 64)
            zero = int(rng.integers(-128, 128)) if linear else -128
            weights = np.full((64, 300), 127, np.int8)  # sums reach 2^22
            f = Filters(weights, np.zeros(64, np.int64), 0, multiplier, np.full(64, -right), zero, linear)
            words = requant_words(f, t)
            y = rng.integers(-(1 << 22), 1 << 22, (4096, 64)) >> max(0, 4 - right)
            acc = y << (t + (int(f.up[0]) if t == 1 else 0))
            h = (acc * words[:, 0] + (1 << 31 if t == 1 else 0)) >> 32
            h = h + words[:, 1]
            if linear:
                h += (acc >> 63) * (1 << (t - 1))
            got = np.clip(h >> words[:, 2], -128, 127)
            scaled = multiply_by_quantized_multiplier(y << max(0, -right), multiplier, np.full(64, min(0, -right)))
            want = np.clip(scaled + zero, -128, 127)
            assert np.array_equal(got, want), (t, right, linear)
            assert np.abs(h).max() < 1 << 31
