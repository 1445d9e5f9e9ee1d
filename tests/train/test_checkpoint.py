"""A float checkpoint of the public CIFAR kind, made here from a plain torch module."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.errors import IntrsError
from intrs_edge.train import TrainConfig, build_network, calibrate
from intrs_edge.train.checkpoint import load_float_checkpoint
from intrs_edge.train.factory import network_of


class Block(nn.Module):
    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.extra, self.stride = o - i, stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        half = self.extra // 2
        return F.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half)))


class Cifar(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.layer1, self.layer2 = nn.Sequential(Block(8, 8, 1)), nn.Sequential(Block(8, 16, 2))
        self.linear = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.linear(x.mean((2, 3)))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cifar, Path]:
    torch.manual_seed(0)
    net = Cifar()
    for _ in range(20):  # settle the batch statistics
        net(torch.randn(32, 3, 16, 16))
    path = tmp_path_factory.mktemp("float") / "net.th"
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, path)
    return net.eval(), path


OPTIONS = {"blocks": (1, 1), "widths": (8, 16), "shortcut": "pad"}


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_it_computes_what_the_checkpoint_does_at_the_border_too(source: tuple[Cifar, Path]):
    net, path = source
    network = build_network("resnet20", (16, 16, 3), 10, options=OPTIONS, mean=MEAN, std=STD).eval()
    load_float_checkpoint(network, path)
    network.quantise(False)
    codes = network.quantise_input(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)))
    normal = (codes - network.input_quant.zero_point) * float(network.input_quant.scale)
    with torch.no_grad():
        assert torch.allclose(network(codes), net(normal), atol=1e-4)


def test_a_checkpoint_without_a_word_of_its_normalisation_is_refused(source: tuple[Cifar, Path]):
    _, path = source
    settings = {"sigma": 0.25, "options": OPTIONS, "start": path}
    with pytest.raises(IntrsError, match="give --mean and --std as it was trained"):
        network_of("resnet20", (16, 16, 3), tuple("abcdefghij"), **settings)
    network = network_of("resnet20", (16, 16, 3), tuple("abcdefghij"), **settings, mean=(0.0,), std=(1.0,))
    assert str(network.input_quant.reads) == "0..1 (pixel / 255)"


def test_quantised_logits_follow_the_checkpoint(source: tuple[Cifar, Path]):
    net, path = source
    network = build_network("resnet20", (16, 16, 3), 10, options=OPTIONS, mean=MEAN, std=STD)
    load_float_checkpoint(network, path)
    pixels = np.random.default_rng(1).integers(0, 256, (64, 16, 16, 3))
    calibrate(network, pixels)
    real = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float() / 255
    normal = (real - torch.tensor(MEAN).reshape(1, -1, 1, 1)) / torch.tensor(STD).reshape(1, -1, 1, 1)
    net.train()  # the statistics of these images, as calibration took them
    with torch.no_grad():
        theirs = net(normal).numpy()
    net.eval()
    ours = network.predict(pixels)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9


def test_misfits_are_named(source: tuple[Cifar, Path], tmp_path: Path):
    _, path = source
    with pytest.raises(IntrsError, match="choose the network it was trained as"):
        load_float_checkpoint(build_network("resnet20", (16, 16, 3), 7, options=OPTIONS), path)
    with pytest.raises(IntrsError, match="shortcut=pad"):
        load_float_checkpoint(build_network("resnet20", (16, 16, 3), 10, options={**OPTIONS, "shortcut": "conv"}), path)
    (tmp_path / "x").write_bytes(b"no checkpoint")
    with pytest.raises(IntrsError, match="cannot be read"):
        load_float_checkpoint(build_network("resnet8", (16, 16, 3), 10), tmp_path / "x")
    assert TrainConfig(start=path).fingerprint().count("net.th") == 1
