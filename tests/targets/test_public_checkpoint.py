"""A public checkpoint of another's normalisation, in a plain torch module, to the compiled C: trained briefly with
quantisation, it is as good as it was, and torch, TFLite and C read pixels alike.

INTRS_EDGE_STUDY_DATA names a folder with weights/resnet20-12fca82f.th (github.com/akamaster/pytorch_resnet_cifar10),
INTRS_EDGE_DATA one with CIFAR-10.
"""

import os
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import small_project as project
import torch

from intrs_edge.convert import load_model
from intrs_edge.datasets import load_images
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.reference import votes
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.train import TrainConfig, train
from intrs_edge.train.checkpoint import load_module
from tests.train.test_checkpoint import MEAN, STD, Cifar

WEIGHTS = Path(os.environ.get("INTRS_EDGE_STUDY_DATA") or ".") / "weights/resnet20-12fca82f.th"
SIGMA = "0.012"
COUNT = 2000


@pytest.fixture(scope="module")
def images():
    if not WEIGHTS.is_file():
        pytest.skip("set INTRS_EDGE_STUDY_DATA to the folder that holds weights/resnet20-12fca82f.th")
    try:
        return load_images("cifar10:train"), load_images("cifar10:test")
    except IntrsError as error:
        pytest.skip(str(error))


@pytest.mark.long
def test_it_stays_as_good_and_pixels_mean_the_same(images, tmp_path: Path):
    data, test = images
    module = Cifar((3, 3, 3), (16, 32, 64))
    load_module(module, WEIGHTS)
    normal = (torch.from_numpy(test.images[:COUNT].transpose(0, 3, 1, 2)) / 255 - _channels(MEAN)) / _channels(STD)
    with torch.no_grad():
        logits = torch.cat([module.eval()(part) for part in normal.split(250)]).numpy()
    before = float((logits.argmax(1) == test.labels[:COUNT]).mean())

    some = np.random.default_rng(0).permutation(len(data))[:20_000]
    data = replace(data, images=data.images[some], labels=data.labels[some], ids=data.ids[some], files=())
    config = TrainConfig("resnet20", float(SIGMA), tmp_path / "run", epochs=1, learning_rate=0.0005, flip=True, shift=4)
    config = replace(config, schedule="cosine", mean=MEAN, std=STD, bank=1 << 20, progress=False, validate=0)
    result = train(config, data, network=module)
    file = write_tflite(load_model(result.model))
    (tmp_path / "model.tflite").write_bytes(file)
    graph = read_tflite(file)

    smoothing = Smoothing(shape=data.shape, sigma=Decimal(SIGMA), n=40)
    reach = smoothing.distribution.last
    noisy = np.arange(-reach, 256 + reach)[:, None, None, None] + np.zeros((1, *data.shape), np.int64)
    codes = result.network.quantise_input(noisy).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(derive_input_map(graph, reach).apply(noisy), codes)
    built = project.build(graph, tmp_path / "project", "host", sigma=Decimal(SIGMA), n=40)
    mul, add, shift = _map_in_c(built)
    np.testing.assert_array_equal(np.clip((noisy * mul + add) >> shift, -128, 127), codes)
    with open_target(built, "host") as host:
        clean = result.network.quantise_input(test.images[:COUNT].astype(np.int64)).numpy().astype(np.int8)
        answers = host.infer(np.ascontiguousarray(clean.transpose(0, 2, 3, 1))).argmax(1)
        after = float((answers == test.labels[:COUNT]).mean())
        print(f"fp32 {100 * before:.2f} %, int8 {100 * after:.2f} %")

        def classify(images: np.ndarray) -> np.ndarray:
            codes = result.network.quantise_input(images).numpy().astype(np.int8)
            return host.infer(np.ascontiguousarray(codes.transpose(0, 2, 3, 1))).argmax(1)

        for number in range(20):  # noise, and the map, in C: the same votes as with torch's map
            expected = votes(classify, test.images[number], Stream(1, number), smoothing, 0, 40, 10)
            assert host.votes(test.images[number], Stream(1, number), 0, 40).tolist() == expected.tolist()
    assert before > 0.9
    assert after > before - 0.01


def _map_in_c(built: Path) -> tuple[list[int], list[int], int]:
    text = (built / "host/intrs_model.c").read_text().partition("intrs_input_map = {")[2].partition("};")[0]
    mul, add, shift = ([int(n) for n in re.findall(r"-?\d+", line)] for line in text.strip().splitlines())
    return mul, add, shift[0]


def _channels(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)
