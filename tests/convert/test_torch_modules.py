"""Own torch modules to the end of the compiler: traced, calibrated, exported, converted; torch, the contract and the
reference interpreter agree."""

from pathlib import Path

import numpy as np
import pytest

from intrs_edge.convert import compare_logits, load_model
from intrs_edge.train import calibrate, export_qdq, from_torch
from tests.train.torch_networks import MODULES, settled

from .conftest import check_contract

# not yet read by `convert`: HardSigmoid, Conv1d, PRelu, ConvTranspose, Resize
WAITING = ("mobilenet_v3", "mixed", "keywords")


@pytest.mark.parametrize("name", [n for n in MODULES if n not in WAITING])
def test_a_module_converts_and_agrees(name: str, tmp_path: Path):
    module, shape = settled(name)
    network = from_torch(module, shape, sigma=0.1)
    images = np.random.default_rng(0).integers(0, 256, (96, *network.arch.input_shape))
    calibrate(network, images, 32)
    graph = load_model(export_qdq(network, tmp_path / "m.onnx"))
    check_contract(graph, 8)
    codes = network.input_quant.quantise(images).reshape(len(images), *graph.tensors[graph.inputs[0]].shape[1:])
    found = compare_logits(graph, codes, network.predict(images))
    assert found.top1 >= 0.9
    assert found.max_steps <= 12
