"""A network of one's own: in a loop of one's own, by the command line, and going on from what was trained."""

import dataclasses
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from intrs_edge.convert import load_model
from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.train import TrainConfig, build_network, calibrate, export, export_qdq, freeze, prepare, train
from intrs_edge.train.checkpoint import load_model_weights, load_module, match_statistics
from tests.train.torch_networks import Mlp, ResNet

SOURCE = """
from torch import nn

def small(num_classes, width=8):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, num_classes),
    )

def wrong(num_classes):
    return nn.Linear(3, 4)

def not_a_module():
    return {}
"""


def _data(n: int = 600, noise: int = 0) -> ImageSet:
    rng = np.random.default_rng(noise)
    labels = rng.integers(2, size=n)
    images = rng.integers(0, 60, (n, 8, 8, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 * label : 4 * label + 4] += 150
    return ImageSet("toy", images, labels.astype(np.int64), np.arange(n, dtype=np.uint32), ("left", "right"))


def _config(tmp_path: Path, name: str, out: str, **changes: object) -> TrainConfig:
    (tmp_path / "nets.py").write_text(SOURCE)
    config = TrainConfig(f"{tmp_path / 'nets.py'}:{name}", 0.1, tmp_path / out, epochs=3, batch=32, bank=1 << 14)
    settings = {"threads": 1, "progress": False, "learning_rate": 0.05, "schedule": "cosine", **changes}
    return dataclasses.replace(config, **settings)


def test_a_loop_of_ones_own(tmp_path: Path):
    torch.manual_seed(0)
    data = _data()
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    qat = prepare(module, (1, 8, 8), sigma=0.1, classes=data.classes)
    optimizer = torch.optim.Adam(qat.parameters(), 1e-2)
    for step in range(60):
        chosen = np.arange(32) + 32 * step
        images, labels = data.images[chosen % 600], torch.from_numpy(data.labels[chosen % 600])
        if step == 50:
            qat.freeze()
        loss = F.cross_entropy(qat(qat.noisy(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    graph = load_model(export(qat, tmp_path / "m.onnx"))
    assert json.loads(graph.metadata["intrs.sigma"]) == 0.1
    noisy = data.images.astype(np.int32) + np.random.default_rng(1).normal(0, 25, data.images.shape).astype(np.int32)
    assert (qat.predict(noisy).argmax(1) == data.labels).mean() > 0.95


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its very lines, with a module, a loader and an optimizer around them."""
    text = (Path(__file__).parents[2] / "docs/train.md").read_text()
    block = text.partition("In a loop of your own:\n")[2].partition("`noisy` adds")[0]
    lines = textwrap.dedent(block)
    assert 8 <= len(lines.strip().splitlines()) <= 20
    head, loop_ = lines.split("for step,")  # the optimizer needs the network that the first lines make
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(30, 32))
    images = rng.integers(0, 60, (30, 32, 3, 32, 32))
    for batch, wanted in zip(images, labels, strict=True):
        for image, label in zip(batch, wanted, strict=True):
            image[:, 16 * label : 16 * label + 16] += 150
    loader = [(torch.from_numpy(i).float() / 255, torch.from_numpy(n)) for i, n in zip(images, labels, strict=True)]
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 8, 8),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 2),
    )
    names = {"module": module, "names": ("top", "bottom"), "loader": loader, "last_steps": 25, "Path": Path,
             "criterion": F.cross_entropy}  # fmt: skip
    exec(head, names)
    names["optimizer"] = torch.optim.Adam(names["qat"].parameters(), 1e-2)
    monkeypatch.chdir(tmp_path)
    exec("for step," + loop_, names)
    assert load_model(tmp_path / "model.onnx").metadata["intrs.classes"] == '["top", "bottom"]'
    shown = images[0].transpose(0, 2, 3, 1).astype(np.int32)
    assert (names["qat"].predict(shown).argmax(1) == labels[0]).mean() > 0.9


def test_noisy_takes_arrays_and_what_loaders_give():
    network = build_network("resnet8", (8, 8, 3), 4, sigma=0.0, options={"widths": (4, 4), "blocks": (1, 1)})
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    codes = network.quantise_input(images.astype(np.int32))
    for given in (
        images,
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()),
        torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255,
    ):
        assert torch.equal(network.noisy(given), codes)
    for wrong in (images.astype(np.int64), torch.from_numpy(images.transpose(0, 3, 1, 2) / 127.5 - 1)):
        with pytest.raises(IntrsError, match="pixel / 255"):
            network.noisy(wrong)
    loud = build_network("resnet8", (8, 8, 3), 4, sigma=0.25, options={"widths": (4, 4), "blocks": (1, 1)})
    assert not torch.equal(loud.noisy(images), loud.noisy(images))


def test_a_file_and_a_factory(tmp_path: Path):
    data = _data()
    result = train(_config(tmp_path, "small", "a", network_options={"width": 6}), data, data)
    assert result.noisy_accuracy > 0.9
    assert result.network.modules_by_layer["_0"].weight.shape[0] == 6
    assert load_model(result.model).metadata["intrs.classes"] == '["left", "right"]'
    for name, says in (
        ("wrong", "does not run on an input of shape"),
        ("missing", "no function or class 'missing'"),
        ("not_a_module", "must give an nn.Module"),
    ):
        with pytest.raises(IntrsError, match=says):
            train(_config(tmp_path, name, "x"), data)
    with pytest.raises(IntrsError, match=r"no_file\.py does not exist"):
        train(dataclasses.replace(_config(tmp_path, "small", "x"), network="no_file.py:f"), data)
    for start in ("none.pt", "none.onnx"):
        with pytest.raises(IntrsError, match=f"{start} is no file; give --start a state_dict or a model"):
            train(_config(tmp_path, "small", "x", start=tmp_path / start), data)
    three = dataclasses.replace(data, classes=("a", "b", "c"))
    with pytest.raises(IntrsError, match="gives 2 classes, the images have 3"):
        train(_config(tmp_path, "small", "y"), three, network=linear_net(2))


def linear_net(classes: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))


def test_its_own_state_dict(tmp_path: Path):
    torch.manual_seed(3)
    source, target = ResNet(), ResNet()
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "a.pt")
    load_module(target, tmp_path / "a.pt")
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))
    state = source.state_dict()
    del state["fc.bias"]
    state["conv1.weight"] = state["conv1.weight"][:4]
    state["extra"] = torch.zeros(1)
    torch.save(state, tmp_path / "b.pt")
    with pytest.raises(IntrsError, match=r"conv1.weight has the shape .*fc.bias is missing.*no extra"):
        load_module(target, tmp_path / "b.pt")


def test_goes_on_from_a_model_that_train_wrote(tmp_path: Path):
    """Frozen, the loaded network is the model bit for bit; with statistics matched it computes the same, and can
    train."""
    shape = (8, 8, 3)
    options = {"widths": (4, 8), "blocks": (1, 1)}
    images = np.random.default_rng(0).integers(0, 256, (200, *shape))
    first = build_network("resnet8", shape, 5, sigma=0.25, seed=1, options=options)
    calibrate(first, images)
    path = export_qdq(first, tmp_path / "m.onnx")
    second = build_network("resnet8", shape, 5, sigma=0.25, seed=2, options=options)
    load_model_weights(second, path)
    second.freeze()
    a, b = freeze(first), freeze(second)
    for name, weights in a.weights.items():
        np.testing.assert_array_equal(weights.weight, b.weights[name].weight, name)
        np.testing.assert_array_equal(weights.bias, b.weights[name].bias, name)
    before = second.predict(images)
    np.testing.assert_array_equal(before, first.predict(images))
    match_statistics(second, images)
    # weights are rounded again with other factors: float rounding moves a few by one step of the logits
    assert np.abs(second.predict(images) - before).max() <= 6 * float(second.qparams("logits")[0])
    second.train()
    second.freeze(False)
    with torch.no_grad():
        batch = second(second.quantise_input(images)).numpy()
    assert np.abs(batch - before).mean() < 0.25 * before.std()
    third = build_network("resnet8", shape, 5, sigma=0.25, seed=2, options={**options, "widths": (4, 4)})
    with pytest.raises(IntrsError, match="another network"):
        load_model_weights(third, path)


def test_train_starts_from_its_own_model(tmp_path: Path):
    data = _data()
    first = train(_config(tmp_path, "small", "a"), data, data)
    second = train(_config(tmp_path, "small", "b", start=first.model, epochs=1, learning_rate=1e-4), data, data)
    assert second.noisy_accuracy >= first.noisy_accuracy - 0.02


def test_vectors_train_as_images_of_one_row(tmp_path: Path):
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=300)
    images = rng.integers(0, 50, (300, 1, 24, 1)).astype(np.uint8)
    images[np.arange(300), 0, labels] += 200
    data = ImageSet("rows", images, labels.astype(np.int64), np.arange(300, dtype=np.uint32), tuple("abcdefghij"))
    config = TrainConfig("mlp", 0.1, tmp_path / "r", epochs=12, batch=32, bank=1 << 14, threads=1, progress=False)
    assert train(config, data, data, network=Mlp()).noisy_accuracy > 0.9
