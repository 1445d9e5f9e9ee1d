"""Convolutions fused with an addition: equal to the portable fused kernel, bit for bit, on emulated M4 and M55."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.kernels import Emit, Site, registered
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from tests.kernels.harness import M0, M3, M4, M55, RV32, Call, Case, Machine, check, needs_emulator, needs_riscv

# in (h, w, c), filters, kernel, stride, padding: extents that no block divides, odd channels, stride 2, 1x1, one block
SHAPES = [
    ((8, 8, 16), 6, 3, 1, "SAME"),
    ((9, 7, 8), 4, 3, 1, "SAME"),
    ((13, 12, 4), 3, 3, 1, "VALID"),
    ((6, 17, 12), 2, 3, 1, "SAME"),
    ((5, 5, 7), 3, 3, 2, "SAME"),
    ((10, 9, 16), 8, 3, 2, "SAME"),
    ((7, 6, 5), 4, 1, 2, "VALID"),
    ((6, 7, 3), 9, 1, 1, "SAME"),
    ((9, 11, 2), 5, 5, 1, "SAME"),
    ((3, 1, 4), 2, 3, 1, "SAME"),
]

PORTABLE = "kernels/portable/intrs_conv2d_add_portable.c"


def _graph(number: int, rng: np.random.Generator) -> Graph:
    """A convolution and its sum with a second input: each operand has the larger scale, with and without ReLU."""
    (h, w, c), filters, kernel, stride, padding = SHAPES[number % len(SHAPES)]
    b = GraphBuilder("fused")
    zero = int(rng.integers(-128, 128))
    x = b.input((1, h, w, c), scale=0.02, zero_point=zero)
    scale = 0.02 * 0.01 * 75 * 70 * (kernel * kernel * c) ** 0.5 / 128
    relu = bool(rng.integers(2))
    y = b.conv_2d(
        x, rng.integers(-127, 128, (filters, kernel, kernel, c)), rng.integers(-20000, 20000, filters),
        weight_scale=rng.uniform(0.002, 0.02, filters), scale=scale,
        zero_point=-128 if relu else int(rng.integers(-128, 128)),
        stride=stride, padding=padding, activation="RELU" if relu else "NONE",
    )  # fmt: skip
    other = b.input(b.shape(y), scale=scale * (0.7, 1.4)[number % 2], zero_point=int(rng.integers(-128, 128)))
    operands = (y, other) if number // 2 % 2 else (other, y)
    relu = bool(number // 4 % 2)
    zero = -128 if relu else int(rng.integers(-128, 128))
    return b.build(b.add(*operands, scale=1.3 * scale, zero_point=zero, activation="RELU" if relu else "NONE"))


def _call(emit: Emit) -> Call:
    return Call(emit.function, emit.struct, emit.fields, emit.scratch_bytes)


def _cases(name: str) -> Iterator[tuple[Case, Emit]]:
    rng = np.random.default_rng(40)
    kernel, portable = registered()[name], registered()["conv2d_add.portable"]
    for number in range(3 * len(SHAPES)):
        site = Site(_graph(number, rng), (0, 1))
        if kernel.reject(site) is not None:
            continue
        emit, expected = kernel.emit(site), portable.emit(site)
        assert isinstance(emit, Emit)
        assert isinstance(expected, Emit)
        assert emit.inputs == expected.inputs
        assert emit.inplace == (1,)
        inputs = tuple(rng.integers(-128, 128, site.graph.tensors[t].elements).astype(np.int8) for t in emit.inputs)
        label = f"{number} {SHAPES[number % len(SHAPES)]}"
        over = bool(number % 3)
        yield Case(label, inputs, site.output().bytes, _call(expected), _call(emit), over, 1), emit


VARIANTS = [
    (M4, "conv2d_add.arm_dsp_w8", "intrs_arm_dsp_fused.h", 30),
    (M4, "conv2d_add.arm_dsp_w16", "intrs_arm_dsp_fused.h", 30),
    (M4, "conv2d_add.arm_dsp_winograd4", "intrs_arm_dsp_fused.h", 15),
    (M4, "conv2d_add.arm_dsp_winograd4_expand", "intrs_arm_dsp_fused.h", 9),
    (M4, "conv2d_add.arm_dsp_winograd4_expand2", "intrs_arm_dsp_fused.h", 9),
    (M55, "conv2d_add.arm_mve", "intrs_arm_mve_fused.h", 30),
    (M0, "conv2d_add.scalar_winograd4_thumb1", "intrs_scalar.h", 15),
    (M3, "conv2d_add.scalar_winograd4_thumb2", "intrs_scalar.h", 15),
    pytest.param(RV32, "conv2d_add.scalar_winograd4_rv32", "intrs_scalar.h", 15, marks=needs_riscv),
]


@needs_emulator
@pytest.mark.parametrize(("machine", "name", "header", "least"), VARIANTS)
def test_equals_the_portable_kernel(tmp_path: Path, machine: Machine, name: str, header: str, least: int) -> None:
    """In memory of its own, and over the other operand."""
    found = list(_cases(name))
    assert len(found) >= least
    seconds = {{**emit.fields, **emit.fields.get("blocks", {})}["second"] for _, emit in found}  # type: ignore[dict-item]
    assert seconds == {0, 1}, "one order of operands is not covered"
    sources = [PORTABLE, *found[0][1].sources]
    folders = [found[0][1].sources[0].rsplit("/", 1)[0]]
    check(tmp_path, machine, [case for case, _ in found], [header], sources, folders)


@needs_emulator
def test_the_check_can_fail(tmp_path: Path) -> None:
    """A block that lies one byte too far in scratch is seen, and so is the wrong operand."""
    case, emit = next(_cases("conv2d_add.arm_dsp_w8"))
    blocks = dict(emit.fields["blocks"])  # type: ignore[call-overload]

    def broken(**changes: int) -> Case:
        return replace(
            case, actual=replace(case.actual, fields={**case.actual.fields, "blocks": {**blocks, **changes}})
        )

    for changes, message in (
        ({"result": blocks["result"] + 1}, "writes past its scratch"),
        ({"second": 1 - blocks["second"]}, "differs at"),
    ):
        with pytest.raises(AssertionError, match=message):
            check(
                tmp_path, M4, [broken(**changes)], ["intrs_arm_dsp_fused.h"], [PORTABLE, *emit.sources],
                ["kernels/arm_dsp"],
            )  # fmt: skip
