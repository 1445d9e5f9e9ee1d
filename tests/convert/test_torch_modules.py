"""Own torch modules to the end of the compiler: traced, calibrated, exported, converted; torch, the contract and the
reference interpreter agree."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from intrs_edge.convert import compare_logits, load_model
from intrs_edge.graph.input_map import image_shape
from intrs_edge.train import calibrate, export_qdq, from_torch
from tests.train.torch_networks import MODULES, settled

from .conftest import check_contract


@pytest.mark.parametrize("name", MODULES)
def test_a_module_converts_and_agrees(name: str, tmp_path: Path):
    module, shape = settled(name)
    network = from_torch(module, shape, sigma=0.1)
    images = np.random.default_rng(0).integers(0, 256, (96, *network.arch.input_shape))
    calibrate(network, images, 32)
    graph = load_model(export_qdq(network, tmp_path / "m.onnx"))
    check_contract(graph, 8)
    codes = network.input_quant.quantise(images).reshape(len(images), *graph.tensors[graph.inputs[0]].shape[1:])
    assert image_shape(graph) == network.arch.input_shape
    found = compare_logits(graph, codes, network.predict(images))
    assert found.top1 >= 0.9
    assert found.max_steps <= 12


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "more"),
    [(2, 2, 0, 0), (3, 2, 1, 1), (4, 2, 1, 0), (3, 1, 1, 0), (3, 2, 0, 1), (5, 3, 2, 2), ((3, 2), (2, 1), (1, 0), 0)],
)
def test_transposed_convolutions(kernel, stride, pad, more, tmp_path: Path):
    """Cropped as TFLite's SAME does, otherwise, at the end only, and with rows behind the end."""
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(2, 3, kernel, stride, pad, more)
    network = from_torch(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), up, nn.Flatten()), (1, 6, 7), sigma=0.1)
    images = np.random.default_rng(0).integers(0, 256, (64, 6, 7, 1))
    calibrate(network, images, 32)
    graph = load_model(export_qdq(network, tmp_path / "m.onnx"))
    assert "TRANSPOSE_CONV" in {op.kind for op in graph.ops}
    check_contract(graph, 8)
    found = compare_logits(graph, network.input_quant.quantise(images), network.predict(images))
    assert found.max_steps <= 2
