"""Any torch module: in float the traced network computes the same; frozen, torch and the converted model agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.train import TrainConfig, calibrate, from_torch, train
from intrs_edge.train.tracing.tables import remedy

from .torch_networks import MODULES, Mlp, settled


@pytest.mark.parametrize("name", MODULES)
def test_in_float_it_computes_what_the_module_does(name: str):
    module, shape = settled(name)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    network = from_torch(module, shape).eval()
    network.quantise(False)
    scale, zero = float(network.input_quant.scale), network.input_quant.zero_point
    codes = torch.randint(-128, 128, (5, *shape)).float()
    with torch.no_grad():
        ours, theirs = network(codes), module((codes - zero) * scale)
    if name == "mixed":  # ends in a log-softmax, which is dropped
        ours = F.log_softmax(ours, 1)
    assert ours.std() > 0.01
    # constants are int8 in every phase, so `mixed` differs by their rounding
    assert torch.allclose(ours, theirs, atol=1e-4 if name != "mixed" else 2e-2)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


class Bad(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 8, 3, padding=1)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8))
        self.body = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "norm": nn.InstanceNorm2d(8)})
        self.circular = nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular")
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.circular(self.plain(x))
        z = self.body["norm"](self.plain(x)) + torch.erf(self.plain(x)) + self.stem(x)[:, :, :8, :8]
        x = y + z
        return self.fc(F.max_pool2d(x, 2).mean([2, 3]))


def test_everything_that_cannot_be_represented_is_named_at_once():
    with pytest.raises(IntrsError) as error:
        from_torch(Bad(), (3, 8, 8))
    text = str(error.value)
    assert text.startswith("Bad: ")
    assert "4 places cannot be quantised" in text  # what reads a refused value is not listed again
    assert "stem.1: GroupNorm has no quantised form; use BatchNorm2d" in text
    assert "circular: padding_mode 'circular' is not supported; use zeros" in text
    assert "erf() has no quantised form" in text
    assert "body.norm: InstanceNorm2d has no quantised form" in text
    assert len(text.splitlines()) == 1


class Batches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 3)


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (Batches(), (6,), "mixes the images of a batch"),
        (nn.Conv2d(3, 4, 3), (3, 2, 2), "does not run on an input of shape"),
        (nn.Flatten(), (3, 2, 2), None),
        (nn.Linear(4, 1), (4,), "at least 2 classes"),
        (nn.Conv2d(1, 2, 3), (1, 2, 3, 4), "is no image"),
        (nn.Softmax(1), (4,), "return the logits"),
        (nn.Identity(), (4,), "return the logits"),
    ],
)
def test_misuse_is_one_line(module: nn.Module, shape: tuple[int, ...], says: str | None):
    if says is None:
        assert from_torch(module, shape).arch.classes == 12
        return
    with pytest.raises(IntrsError, match=says):
        from_torch(module, shape)


def test_layers_are_folded_and_fused():
    network = from_torch(settled("resnet")[0], (3, 32, 32))
    kinds = [layer.kind for layer in network.arch.layers]
    assert set(kinds) == {"conv", "max_pool", "add", "global_average_pool", "reshape", "linear"}
    assert [layer.activation for layer in network.arch.layers if layer.kind == "add"] == ["relu", "relu"]
    lite = from_torch(settled("efficientnet_lite")[0], (3, 16, 16)).arch.layers[0]
    assert (lite.kind, lite.options["pad"], lite.activation) == ("conv", (0, 0, 1, 1), "relu6")


def test_gradients_reach_every_weight():
    module, shape = settled("densenet")
    network = from_torch(module, shape, sigma=0.1).train()
    network(torch.randint(-128, 128, (8, *shape)).float()).square().mean().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name


def test_a_vector_network_takes_images_of_one_row(tmp_path: Path):
    network = from_torch(Mlp(), (24,))
    assert network.arch.input_shape == (1, 24, 1)
    calibrate(network, np.random.default_rng(0).integers(0, 256, (32, 1, 24, 1)))
    assert network.predict(np.zeros((3, 1, 24, 1), np.int32)).shape == (3, 10)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(F.relu(self.conv(x))).mean((2, 3)))


def test_weights_that_are_used_twice_are_said():
    (note,) = from_torch(Twice(), (3, 8, 8)).notes
    assert note == "the weights of conv, conv_1 are one tensor in the module; here each is trained by itself"
    assert from_torch(settled("densenet")[0], MODULES["densenet"][1]).notes == ()


def test_what_the_module_has_frozen_stays_frozen(tmp_path: Path):
    module, shape = settled("mobilenet_v2")
    for parameter in module.features.parameters():
        parameter.requires_grad_(False)
    network = from_torch(module, shape, sigma=0.1)
    left = [name for name, p in network.named_parameters() if p.requires_grad]
    assert left == ["modules_by_layer.classifier_1.weight", "modules_by_layer.classifier_1.bias"]
    (note,) = network.notes
    assert "21 of 23 parameters are frozen in the module" in note
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
    data = ImageSet("d", images, np.arange(8) % 10, np.arange(8, dtype=np.uint32), tuple("abcdefghij"))
    config = TrainConfig(out=tmp_path / "r", sigma=0.1, epochs=1, batch=4, bank=1 << 12, threads=1, progress=False)
    before = {name: p.clone() for name, p in network.named_parameters()}
    result = train(config, data, network=network)
    changed = [name for name, p in result.network.named_parameters() if not torch.equal(before[name], p)]
    assert changed == left
    assert note in result.warnings
    with pytest.raises(IntrsError, match="all its parameters are frozen"):
        train(replace(config, out=tmp_path / "s"), data, network=module.requires_grad_(False))


@pytest.mark.parametrize(
    ("module", "example", "says"),
    [
        (lambda x: x, (3, 8, 8), "it is a function; give a torch.nn.Module"),
        (nn.Linear(3, 4), None, "None is no shape of an input"),
        (nn.Linear(3, 4), 3, "3 is no shape of an input"),
        (nn.Linear(3, 4), "3x8x8", "is no shape of an input"),
        (torch.jit.script(nn.Linear(3, 4)), (3,), "as it was before any script or export"),
    ],
)
def test_what_is_no_module_or_shape_is_one_line(module: object, example: object, says: str):
    with pytest.raises(IntrsError, match=says) as error:
        from_torch(module, example)
    assert len(str(error.value).splitlines()) == 1


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 1 else x * 2


def test_what_nobody_can_trace_is_one_line_and_nothing_else(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(IntrsError, match="take control flow that depends on the input out of forward") as error:
        from_torch(Branches(), (4,))
    assert len(str(error.value).splitlines()) == 1
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize(
    "name", ["abs", "maximum", "where", "exp", "flip", "cumsum", "Threshold", "sqrt_", "unheard_of"]
)
def test_each_remedy_says_what_to_use(name: str):
    assert remedy(name).split()[0] in ("use", "replace", "flip")
    assert len(remedy(name).split()) > 1
