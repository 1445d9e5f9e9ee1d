"""Ordinary torch modules all the way: traced, trained with quantisation on digits, converted, generated; the emulated
Cortex-M4 counts what the host counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_project as project
import torch

from intrs_edge.convert import load_model
from intrs_edge.datasets import load_images
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.train import TrainConfig, train
from tests.train import torch_networks as networks

long = pytest.mark.long


@pytest.mark.parametrize(
    "make",
    [
        networks.MobileNetV3,
        pytest.param(networks.MobileNetV2, marks=long),
        pytest.param(networks.EfficientNetLite, marks=long),
        pytest.param(networks.SqueezeNet, marks=long),
        pytest.param(networks.DenseNet, marks=long),
        pytest.param(networks.ShuffleNet, marks=long),
    ],
)
def test_host_and_emulated_board_count_the_same(make: type, tmp_path: Path):
    data, test = load_images("digits:train"), load_images("digits:test")
    if make is networks.SqueezeNet:  # nothing is left of smaller images behind its pool
        data, test = (replace(v, images=v.images.repeat(2, 1).repeat(2, 2)) for v in (data, test))
    config = TrainConfig(
        make.__name__, 0.12, tmp_path / "run", epochs=12, batch=64, bank=1 << 18, threads=1, progress=False
    )
    config = replace(config, learning_rate=0.05, schedule="onecycle")
    torch.manual_seed(0)
    result = train(config, data, test, network=make(10, channels=1))
    assert result.noisy_accuracy > 0.3  # they are very narrow
    graph = load_model(result.model)
    built = project.build(graph, tmp_path / "project", "mps2-an386", n0=16, n=60)
    images = test.images[:3]
    with open_target(built, "host") as host, open_target(built, "emulator") as board:
        votes = []
        for number, image in enumerate(images):
            votes.append(host.votes(image, Stream(1, number), 0, 60).tolist())
            assert board.votes(image, Stream(1, number), 0, 60).tolist() == votes[-1]
            assert board.certify(image, Stream(1, number)) == host.certify(image, Stream(1, number))
        inputs = np.random.default_rng(0).integers(-128, 128, (20, *data.shape)).astype(np.int8)
        np.testing.assert_array_equal(host.infer(inputs), board.infer(inputs))
    assert len({tuple(v) for v in votes}) > 1  # it answers by what it sees
