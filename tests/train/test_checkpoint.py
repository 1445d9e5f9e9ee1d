"""A float checkpoint of the public CIFAR kind, made here from a plain torch module."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.errors import IntrsError
from intrs_edge.train import TrainConfig, build_network, calibrate
from intrs_edge.train.checkpoint import load_float_checkpoint, set_range
from intrs_edge.train.factory import network_of
from intrs_edge.train.quantise import ActivationQuant
from tests.train.published import EfficientNetLite0, MobileNetV2, random_state


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
    def __init__(self, blocks: tuple[int, ...] = (1, 1), widths: tuple[int, ...] = (8, 16)) -> None:
        super().__init__()
        before = (widths[0], *widths)
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        for stage, (count, i, o) in enumerate(zip(blocks, before, widths, strict=False)):
            rest = [Block(o, o, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(Block(i, o, 2 if stage else 1), *rest))
        self.linear, self.stages = nn.Linear(widths[-1], 10), len(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
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
    wider = {**OPTIONS, "widths": (8, 12)}
    with pytest.raises(IntrsError, match="choose the network it was trained as"):
        load_float_checkpoint(build_network("resnet20", (16, 16, 3), 10, options=wider), path)
    shallower = {**OPTIONS, "blocks": (1,), "widths": (8,)}
    with pytest.raises(IntrsError, match=r"the network has no module\.layer2|the network has no layer2"):
        load_float_checkpoint(build_network("resnet20", (16, 16, 3), 10, options=shallower), path)
    with pytest.raises(IntrsError, match="shortcut=pad"):
        load_float_checkpoint(build_network("resnet20", (16, 16, 3), 10, options={**OPTIONS, "shortcut": "conv"}), path)
    (tmp_path / "x").write_bytes(b"no checkpoint")
    with pytest.raises(IntrsError, match="cannot be read"):
        load_float_checkpoint(build_network("resnet8", (16, 16, 3), 10), tmp_path / "x")
    assert TrainConfig(start=path).fingerprint().count("net.th") == 1


@pytest.mark.parametrize(
    ("name", "make", "shape"),
    [
        ("mobilenet_v2", MobileNetV2, (32, 48, 3)),
        ("efficientnet_lite0", EfficientNetLite0, (32, 32, 3)),
        ("efficientnet_lite0", EfficientNetLite0, (45, 38, 3)),
    ],
)
def test_public_layouts_compute_what_their_own_definitions_do(name: str, make: type, shape: tuple, tmp_path: Path):
    """Half precision kernels too, as some are published."""
    source, state = random_state(make, 7)
    torch.save({k: v.half() if v.dim() == 4 else v for k, v in state.items()}, tmp_path / "w.pth")
    source.load_state_dict({k: v.half().float() if v.dim() == 4 else v for k, v in state.items()})
    network = network_of(
        name, shape, tuple("abcdefg"), sigma=0.25, start=tmp_path / "w.pth", mean=(127 / 255,), std=(128 / 255,)
    ).eval()
    network.quantise(False)
    codes = network.quantise_input(np.random.default_rng(0).integers(-60, 300, (2, *shape)))
    normal = (codes - network.input_quant.zero_point) * float(network.input_quant.scale)
    with torch.no_grad():
        ours, theirs = network(codes), source(normal)
    assert theirs.std() > 0.01
    assert torch.allclose(ours, theirs, atol=1e-3)
    assert network.notes == ()


def test_a_last_layer_for_other_classes_begins_anew_and_that_is_said(tmp_path: Path):
    _, state = random_state(MobileNetV2, 10)
    torch.save(state, tmp_path / "w.pth")
    settings = {"sigma": 0.1, "start": tmp_path / "w.pth", "mean": (0.0,), "std": (1.0,)}
    network = network_of("mobilenet_v2", (32, 32, 3), tuple("abcd"), **settings)
    (note,) = network.notes
    assert note == f"the last layer of {tmp_path / 'w.pth'} is for other classes: it begins anew"
    assert torch.equal(network.modules_by_layer["head"].weight, state["features.18.0.weight"])
    assert network.modules_by_layer["logits"].weight.shape == (4, 1280)
    with pytest.raises(IntrsError, match="choose the network it was trained as"):
        network_of("efficientnet_lite0", (32, 32, 3), tuple("abcd"), **settings)
    with pytest.raises(IntrsError, match="choose the network it was trained as"):
        network_of("mobilenet_v2", (32, 32, 3), tuple("abcd"), options={"percent": 50}, **settings)


def test_a_range_from_a_file_gives_the_files_scale_to_the_last_bit():
    rng = np.random.default_rng(0)
    for low, high in rng.uniform(0, 30, (400, 2)) * rng.integers(0, 2, (400, 2)):
        seen, loaded = ActivationQuant(), ActivationQuant()
        seen.low.fill_(-low)
        seen.high.fill_(high)
        scale, zero = seen.qparams()
        set_range(loaded, float(scale), int(zero))
        assert loaded.qparams() == (scale, zero)
