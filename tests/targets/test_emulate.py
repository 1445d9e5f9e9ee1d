"""An emulated board on a pseudo-terminal and on a TCP port, talked to as a user's serial program would."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import toy_model as toy

from intrs_edge.children import guarded, patient
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.emulate import emulate

SCRIPT = """
import sys
from intrs_edge.targets.emulate import emulate
try:
    emulate(sys.argv[1], None if sys.argv[2] == "pty" else 0, lambda name: print(name, flush=True))
except KeyboardInterrupt:
    pass
"""


@pytest.mark.parametrize("board", ["lm3s6965evb", "rpi-3b"])
@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_any_serial_program_can_talk_to_it(kind, board, tmp_path):
    built = toy.toy_project(tmp_path, board)
    process = subprocess.Popen(
        guarded([sys.executable, "-c", SCRIPT, str(built), kind]), stdout=subprocess.PIPE, text=True
    )
    try:
        name = process.stdout.readline().strip()
        image = np.zeros(toy.SHAPE, np.uint8)
        for _ in range(2):  # and a second client after the first
            with open_target(built, f"serial:{name}" if kind == "pty" else name) as target:
                right = toy.votes(image, 1, 2, 0, 50)
                np.testing.assert_array_equal(target.votes(image, Stream(1, 2), 0, 50), right)
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(patient(10)) == 0


def test_no_emulator_and_no_port_are_one_line(tmp_path):
    built = toy.toy_project(tmp_path / "a", "nrf52840dk")
    with pytest.raises(IntrsError, match="has no emulator"):
        emulate(built)
    built = toy.toy_project(tmp_path / "b", "rpi-3b")
    with pytest.raises(IntrsError, match=r"within 0\.\.65535"):
        emulate(built, 70000)
