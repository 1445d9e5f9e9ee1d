"""Without torch: the parts that do not need it work, the others say what to install."""

import subprocess
import sys

CODE = """
import sys
sys.modules["torch"] = None  # an import of it now raises ModuleNotFoundError
from intrs_edge.errors import IntrsError
from intrs_edge.train import TrainConfig, build_architecture, choose_input_quant
assert choose_input_quant(0.25).shift == 1
assert build_architecture("resnet8", (8, 8, 1), 10).macs
assert TrainConfig().epochs
try:
    from intrs_edge.train import train
except IntrsError as error:
    print(error)
"""


def test_without_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'intrs-edge[train]'" in done.stdout
