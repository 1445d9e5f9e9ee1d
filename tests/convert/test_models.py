"""The shipped models: what the README says of them holds."""

from __future__ import annotations

from dataclasses import replace
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
from intrs_edge.train.recipe import load_recipe

from .conftest import check_contract

MODELS = {"digits-resnet": (133_696, 40_000, 0.95), "digits-tiny": (30_000, 12_000, 0.94)}


@pytest.mark.parametrize("name", MODELS)
def test_shipped_model(name: str):
    macs, size, noisy = MODELS[name]
    path = shipped("models") / f"{name}.onnx"
    assert path.stat().st_size <= size
    graph = load_model(path)
    assert graph.metadata["intrs.sigma"] == "0.25"
    own = load_recipe(name).config
    assert build_architecture(own.network, (8, 8, 1), 10, own.network_options).macs <= macs
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


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_the_recipe_gives_a_network_as_good(name: str, tmp_path: Path):
    from intrs_edge.train import train

    data, test = load_images("digits:train"), load_images("digits:test")
    result = train(replace(load_recipe(name).config, out=tmp_path, progress=False, threads=1), data, test)
    assert result.noisy_accuracy >= MODELS[name][2] - 0.015
