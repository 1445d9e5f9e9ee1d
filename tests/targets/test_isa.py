"""A core without the extension that it may have runs the kernels that it can, and counts the same."""

import dataclasses
import shutil

import numpy as np
import pytest
from small_project import SHAPE, build_small

from intrs_edge.boards import load_board
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)
def test_a_cortex_m33_without_dsp(tmp_path):
    cflags = ("-mcpu=cortex-m33+nofp+nodsp", "-mthumb", "-mfloat-abi=soft")
    board = dataclasses.replace(load_board("mps2-an505"), isa=(), cflags=cflags)
    project = build_small(tmp_path, board)
    assert not list((project / "runtime/kernels").glob("arm_dsp"))
    assert list((project / "runtime/kernels").glob("arm_m0"))
    image = np.random.default_rng(3).integers(0, 256, SHAPE, dtype=np.uint8)
    with open_target(project, "host") as host, open_target(project, "emulator") as emulator:
        for number in range(2):
            assert emulator.certify(image, Stream(7, number)) == host.certify(image, Stream(7, number))
