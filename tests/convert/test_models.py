"""The shipped models: what the README says of them holds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.convert import agreement, load_model
from intrs_edge.datasets import load_images
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.paths import shipped
from intrs_edge.train import build_architecture
from intrs_edge.train.noise import NoiseBank

from .conftest import check_contract

MODELS = {"digits-resnet": (133_696, 40_000, 0.95), "digits-tiny": (30_000, 12_000, 0.94)}


@pytest.fixture(scope="module")
def settings() -> dict[str, dict]:
    spec = importlib.util.spec_from_file_location("train_digits", shipped("models") / "train_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: {**module.COMMON, **own} for name, own in module.MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_shipped_model(name: str, settings: dict[str, dict]):
    macs, size, noisy = MODELS[name]
    path = shipped("models") / f"{name}.onnx"
    assert path.stat().st_size <= size
    graph = load_model(path)
    assert graph.metadata["intrs.sigma"] == "0.25"
    own = settings[name]
    assert build_architecture(own["network"], (8, 8, 1), 10, own["network_options"]).macs <= macs
    check_contract(graph, 100)

    data = load_images("digits:test")
    found = agreement(graph, path, data.images)
    assert found.top1 >= 0.99, str(found)
    assert found.max_steps <= 6, str(found)  # odd pixels are ties of the input rounding: up here, to even in ONNX

    bank = NoiseBank(0.25, data.images.size, 7)
    bank.start_epoch(0)
    noisy_images = data.images.astype(np.int64) + bank.take(data.images.shape)
    inputs = derive_input_map(graph, 10_000).apply(noisy_images)
    right = float((reference.run(graph, inputs).argmax(1) == data.labels).mean())
    assert right >= noisy - 0.015, right


def test_every_model_is_in_the_readme_with_its_command(settings: dict[str, dict]):
    text = (shipped("models") / "README.md").read_text()
    files = {p.stem for p in shipped("models").glob("*.onnx")}
    assert {name for name in files if f"`{name}.onnx`" in text} == files
    assert set(settings) == set(MODELS) <= files
    assert text.count("intrs-edge train cifar10:train") == len([name for name in files if name.startswith("cifar10")])


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_the_command_gives_a_network_as_good(name: str, tmp_path: Path, settings: dict[str, dict]):
    from intrs_edge.train import TrainConfig, train

    data, test = load_images("digits:train"), load_images("digits:test")
    result = train(TrainConfig(out=tmp_path, progress=False, **settings[name]), data, test)
    assert result.noisy_accuracy >= MODELS[name][2] - 0.015
