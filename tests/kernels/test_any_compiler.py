"""The ARM kernels and samplers give the same at every level, with frame pointers, with link-time optimisation and by
clang: the tests of each kernel once more, compiled otherwise. (The assembly that takes all registers is gcc's alone.)
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernels import harness, test_arm_dsp, test_arm_m0, test_arm_mve, test_noise_arm, test_scalar
from tests.kernels.harness import COMPILER, M0, M3, M4, M55, Compiler, needs_emulator
from tests.kernels.test_clang import reason

COMPILERS = {
    "O0": Compiler(COMPILER, ("-O0",)),
    "Og": Compiler(COMPILER, ("-Og", "-g")),
    "frame": Compiler(COMPILER, ("-O2", "-fno-omit-frame-pointer")),
    "O0-frame": Compiler(COMPILER, ("-O0", "-fno-omit-frame-pointer", "-fno-inline")),
    "lto": Compiler(COMPILER, ("-O2", "-flto", "-ffat-lto-objects")),
    "clang": Compiler("clang", ("-O2",)),
    "clang-O0-frame": Compiler("clang", ("-O0", "-fno-omit-frame-pointer")),
}


DEFAULT = ("O0-frame", "lto", "clang", "clang-O0-frame")  # what the others do, these do and more


@pytest.fixture(params=[pytest.param(c, marks=() if c in DEFAULT else pytest.mark.long) for c in COMPILERS])
def other(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """Makes the harness compile otherwise."""
    compiler = COMPILERS[request.param]
    if compiler.command == "clang" and reason() is not None:
        pytest.skip(str(reason()))
    monkeypatch.setattr(harness, "COMPILE", compiler)
    return compiler


@needs_emulator
@pytest.mark.parametrize("style", ["random", pytest.param("up", marks=pytest.mark.long)])
def test_dsp(tmp_path: Path, other: Compiler, style: str) -> None:
    test_arm_dsp.test_direct_convolutions(tmp_path, style)
    test_arm_dsp.test_winograd(tmp_path, style)
    test_arm_dsp.test_depthwise(tmp_path, style)
    test_arm_dsp.test_average_pool(tmp_path)


@needs_emulator
def test_m0_m3_and_mve(tmp_path: Path, other: Compiler) -> None:
    for machine in (M0, M3):
        test_arm_m0.test_convolutions(tmp_path, machine, "random")
        test_scalar.test_winograd(tmp_path, machine, "random")
    test_arm_mve.test_convolutions(tmp_path, "random")
    test_arm_mve.test_add_every_pair(tmp_path)


# eight and sixteen bits of input map, and a search that splits cells
@needs_emulator
@pytest.mark.parametrize("number", [0, 5, 7, pytest.param(9, marks=pytest.mark.long)])
def test_samplers(tmp_path: Path, other: Compiler, number: int) -> None:
    case = test_noise_arm.CASES[number]
    test_noise_arm.test_sampler_equals_the_twin(tmp_path, M4, case)
    if number == 0:
        test_noise_arm.test_sampler_equals_the_twin(tmp_path, M55, case)


@needs_emulator
def test_a_wrong_word_is_seen(tmp_path: Path, other: Compiler) -> None:
    test_arm_dsp.test_the_check_can_fail(tmp_path)
