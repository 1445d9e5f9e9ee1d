"""Every core's sources compile for it, at two levels, with every warning an error; a board's isa is obeyed."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from known import OPTIONS
from library import includes, run
from networks import tiny

from intrs_edge.boards import Board, load_board
from intrs_edge.boards.cores import CORES
from intrs_edge.codegen import generate
from intrs_edge.codegen.isa import PORTABLE, board_levels, levels

needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")

# gcc knows M52 and M85 by name from version 14 and 13 on; by architecture every version does
HELIUM, NO_HELIUM = "-march=armv8.1-m.main+mve", "-march=armv8.1-m.main+dsp"
EVERY = [
    ("cortex-m0", (), "-mcpu=cortex-m0"),
    ("cortex-m0plus", (), "-mcpu=cortex-m0plus"),
    ("cortex-m23", (), "-mcpu=cortex-m23"),
    ("cortex-m3", (), "-mcpu=cortex-m3"),
    ("cortex-m4", ("dsp",), "-mcpu=cortex-m4+nofp"),
    ("cortex-m4", (), "-mcpu=cortex-m4+nofp"),
    ("cortex-m7", ("dsp",), "-mcpu=cortex-m7+nofp"),
    ("cortex-m33", ("dsp",), "-mcpu=cortex-m33+nofp"),
    ("cortex-m33", (), "-mcpu=cortex-m33+nofp+nodsp"),
    ("cortex-m35p", ("dsp",), "-mcpu=cortex-m35p+nofp"),
    ("cortex-m35p", (), "-mcpu=cortex-m35p+nofp+nodsp"),
    ("cortex-m52", ("dsp", "mve"), HELIUM),
    ("cortex-m52", ("dsp",), NO_HELIUM),
    ("cortex-m55", ("dsp", "mve"), "-mcpu=cortex-m55+nofp"),
    ("cortex-m55", ("dsp",), "-mcpu=cortex-m55+nofp+nomve"),
    ("cortex-m85", ("dsp", "mve"), HELIUM),
    ("generic", (), "-mcpu=cortex-m3"),
    ("rv32imc", (), "-march=rv32imc"),
    ("rv32imac", (), "-march=rv32imac"),
]


def board_of(cpu: str, isa: tuple[str, ...], core: str) -> Board:
    if cpu.startswith("rv32"):
        riscv = load_board("qemu-riscv32")
        return dataclasses.replace(riscv, id="every", cpu=cpu, cflags=(core, *riscv.cflags[1:]))
    abi = "-mfloat-abi=hard" if "mve" in isa else "-mfloat-abi=soft"
    return dataclasses.replace(load_board("mps2-an386"), id="every", cpu=cpu, isa=isa, cflags=(core, "-mthumb", abi))


def test_every_core_is_in_the_list() -> None:
    assert {cpu for cpu, _, _ in EVERY} == set(CORES) - {"aarch64", "armhf"}
    for core in CORES.values():
        assert set(core.optional) <= set(core.may)


@needs_arm
@pytest.mark.parametrize(("cpu", "isa", "core"), EVERY)
def test_all_sources_compile(cpu: str, isa: tuple[str, ...], core: str, tmp_path: Path) -> None:
    board = board_of(cpu, isa, core)
    if shutil.which(f"{board.toolchain}gcc") is None:
        pytest.skip(f"{board.toolchain}gcc is not installed")
    options = dataclasses.replace(OPTIONS, board=board)
    report = generate(tiny(), options, tmp_path / "p")
    assert report.sizes.measured  # compiled at -O3 and linked with the server
    sources = (tmp_path / "p/board/sources.txt").read_text().split()
    strict = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", *includes(tmp_path / "p", "board"))
    run(
        f"{board.toolchain}gcc",
        *board.cflags,
        "-Os",
        *strict,
        "-c",
        *(tmp_path / "p" / s for s in sources),
        cwd=tmp_path,
    )


def test_isa_decides_which_kernels_stand() -> None:
    def features(board: Board) -> set[str]:
        (level,) = board_levels(board)
        return set(level.features)

    assert features(board_of("cortex-m33", ("dsp",), "-mcpu=cortex-m33")) == {"armv7m", "dsp"}
    assert features(board_of("cortex-m33", (), "-mcpu=cortex-m33+nodsp")) == {"armv6m", "armv7m"}
    assert features(board_of("cortex-m4", (), "-mcpu=cortex-m4")) == {"armv6m", "armv7m"}
    assert features(board_of("cortex-m55", ("dsp",), "-mcpu=cortex-m55+nomve")) == {"armv7m", "dsp"}
    assert features(board_of("cortex-m85", ("dsp", "mve"), HELIUM)) == {"armv7m", "dsp", "mve"}
    assert features(board_of("cortex-m23", (), "-mcpu=cortex-m23")) == {"armv6m", "thumb1"}
    assert levels("generic") == (PORTABLE,)
    assert [x.name for x in board_levels(load_board("rpi-4b"))] == ["neon", "portable"]
    assert [x.name for x in board_levels(load_board("rpi-5"))] == ["dotprod", "neon", "portable"]


@needs_arm
def test_kernels_of_another_core_do_not_compile(tmp_path: Path) -> None:
    """Somebody else's build with the wrong core ends at one line that says why."""
    for board, flag, word in (
        ("mps2-an386", "-mcpu=cortex-m3", "DSP extension"),
        ("mps3-an547", "-mcpu=cortex-m33", "MVE"),
    ):
        generate(tiny(), dataclasses.replace(OPTIONS, board=board), tmp_path / board)
        kernels = [s for s in (tmp_path / board / "board/sources.txt").read_text().split() if "/kernels/arm_" in s]
        told = []
        for source in kernels:
            command = ["arm-none-eabi-gcc", flag, "-mthumb", *includes(tmp_path / board, "board"), "-fsyntax-only"]
            done = subprocess.run(
                [*command, str(tmp_path / board / source)], capture_output=True, text=True, check=False
            )
            told += [line for line in done.stderr.splitlines() if "#error" in line and word in line]
        assert told, board
