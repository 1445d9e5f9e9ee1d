"""docs/your-network.md: every recipe as it stands there, from the other tool's network to certificates on the host."""

from __future__ import annotations

import copy
import importlib.util
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from intrs_edge.children import patient
from intrs_edge.convert import compare_logits, load_model
from intrs_edge.datasets import load_images
from intrs_edge.evaluate import read_log
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import normalize
from intrs_edge.graph.preprocessing import Preprocessing, described

from .conftest import run_builtin_ref
from .qdq.net import Qdq, steps

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "your-network.md").read_text(encoding="utf-8")
BLOCKS = {
    title: code
    for title, code in re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
}
FIRST = "The network of this page"
TORCH = {
    "PT2E (torchao), XNNPACK-like quantiser": "torchao",
    "PT2E (torchao), x86 quantiser": "torchao",
    "FX quantisation": "torch",
    "Eager quantisation": "torch",
    "Brevitas": "brevitas",
    "ONNX Runtime, quantised after training": "onnxruntime",
}
KERAS = "Keras: tfmot and the TensorFlow converter"
Run = Callable[..., tuple[int, str, str]]


def test_every_recipe_of_the_page_is_run():
    assert set(BLOCKS) == {FIRST, KERAS, *TORCH}


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'intrs-edge[exporters]'")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """These networks are too small to be shared: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(_one_thread: None) -> dict[str, Any]:
    """What the page's first block leaves."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(BLOCKS[FIRST], "your-network.md", "exec"), names)
    return names


def without_batch_norms(trained: dict[str, Any]) -> dict[str, Any]:
    """The same with the batch norms folded into the convolutions."""
    net = copy.deepcopy(trained["net"]).eval()
    for block in (net.stem, net.body):
        block[0], block[1] = fuse_conv_bn_eval(block[0], block[1]), torch.nn.Identity()
    return {**trained, "net": net}


def to_the_end(run_cli: Run, model: Path, folder: Path) -> list[int]:
    """convert, generate, build, certify, as the page says: the classes of four images."""
    small, project, log = folder / "small.tflite", folder / "project", folder / "log.tsv"
    assert run_cli("convert", model, "-o", small, "--input-range", "0..1", "--check", "digits:test[0:50]")[0] == 0
    chosen = ["--sigma", 0.12, "--n0", 10, "--n", 100, "--seed", 5]
    assert run_cli("generate", small, *chosen, "-o", project)[0] == 0
    assert run_cli("build", project)[0] == 0
    assert run_cli("certify", project, "digits:test[0:4]", "--log", log)[0] == 0
    rows = read_log(log)
    assert len(rows) == 4
    return [row.predict for row in rows]


def recipe(title: str, names: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is deprecated is the recipe's own
        exec(compile(BLOCKS[title], "your-network.md", "exec"), names)
    return next(p for p in (folder / "model.pt2", folder / "model.onnx") if p.exists())


def agrees(graph: Graph, source: Callable[[torch.Tensor], torch.Tensor], steps: int) -> None:
    test = load_images("digits:test")
    graph = described(graph, Preprocessing("0..1"))
    with torch.no_grad():
        real = torch.from_numpy(test.images).permute(0, 3, 1, 2) / 255.0
        logits = torch.cat([torch.as_tensor(source(image[None])) for image in real]).numpy()
    codes = derive_input_map(graph, 0).apply(test.images.astype(np.int64))
    found = compare_logits(graph, codes, logits.astype(np.float32), test.labels)
    assert found.top1 >= 0.95, str(found)
    assert found.max_steps <= steps, str(found)
    assert found.accuracy >= 0.75, str(found)  # a network that learned something
    np.testing.assert_array_equal(reference.run(graph, codes[:8]), run_builtin_ref(graph, codes[:8]))


def check(title: str, trained: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Run) -> None:
    needs(TORCH[title])
    names = dict(trained)
    model = recipe(title, names, folder, monkeypatch)
    agrees(load_model(model), names["source"], 12 if title.startswith("ONNX") else 3)
    assert len(set(to_the_end(run_cli, model, folder))) > 1


@pytest.mark.parametrize("title", [t for t in TORCH if "PT2E" not in t])
def test_recipe(title: str, trained, tmp_path: Path, monkeypatch, run_cli):
    check(title, trained, tmp_path, monkeypatch, run_cli)


@pytest.mark.parametrize("title", [t for t in TORCH if "PT2E" in t])
def test_pt2e_recipe_without_batch_norms(title: str, trained, tmp_path: Path, monkeypatch, run_cli):
    """torchao searches for batch norms for minutes: the page's network as it stands is the long test below."""
    check(title, without_batch_norms(trained), tmp_path, monkeypatch, run_cli)


@pytest.mark.long
@pytest.mark.parametrize("title", [t for t in TORCH if "PT2E" in t])
def test_pt2e_recipe(title: str, trained, tmp_path: Path, monkeypatch, run_cli):
    check(title, trained, tmp_path, monkeypatch, run_cli)


def test_keras_recipe(tmp_path: Path, run_cli):
    """In a process of its own, because Keras 2 is chosen before TensorFlow is imported."""
    needs("tensorflow_model_optimization")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[KERAS]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(500),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    test = load_images("digits:test")
    for name in ("after-training.tflite", "model.tflite"):
        graph = described(normalize(load_model(tmp_path / name)), Preprocessing("0..1"))
        codes = derive_input_map(graph, 0).apply(test.images.astype(np.int64))
        logits = reference.run(graph, codes)
        assert (logits.argmax(1) == test.labels).mean() >= 0.75
        np.testing.assert_array_equal(logits[:40], run_builtin_ref(graph, codes[:40]))
        (tmp_path / name[:5]).mkdir()
        assert len(set(to_the_end(run_cli, tmp_path / name, tmp_path / name[:5]))) > 1


### the patterns of tools that cannot be run here ###


def onnxruntime_qat() -> Qdq:
    """Q and DQ of Microsoft's domain, uint8, biases in float."""
    net = Qdq((1, 1, 8, 8))
    ms = {"domain": "com.microsoft"}
    net.quant(1 / 120, 100, np.uint8, **ms)
    net.node(
        "Conv", net.weight(16, 1, 3, 3, scale=0.01), net.const(np.linspace(-0.2, 0.2, 16), np.float32), pads=[1] * 4
    )
    net.node("Relu")
    net.quant(0.03, 0, np.uint8, **ms)
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.quant(0.03, 0, np.uint8, **ms)
    net.node("Flatten")
    net.node("Gemm", net.weight(10, 256), net.const(np.zeros(10), np.float32), transB=1)
    net.quant(0.08, 128, np.uint8, **ms)
    return net


def aimet() -> Qdq:
    """uint8 activations with zero points, a Q/DQ behind every operator, weights per channel, the last result too."""
    net = Qdq((1, 1, 8, 8))
    net.quant(1 / 150, 90, np.uint8)
    w = net.codes(net.rng.integers(-127, 128, (16, 1, 3, 3)), np.linspace(0.004, 0.012, 16), axis=0)
    net.node("Conv", w, net.const(np.linspace(-0.2, 0.2, 16), np.float32), pads=[1] * 4)
    net.node("Relu")
    skip = net.quant(0.02, 0, np.uint8)
    w = net.codes(net.rng.integers(-127, 128, (16, 16, 3, 3)), np.linspace(0.001, 0.003, 16), axis=0)
    net.node("Conv", w, net.const(np.linspace(0.1, -0.1, 16), np.float32), pads=[1] * 4)
    net.quant(0.03, 120, np.uint8)
    net.node("Add", skip)
    net.quant(0.04, 80, np.uint8)
    net.node("Relu")
    net.quant(0.025, 0, np.uint8)
    net.node("GlobalAveragePool")
    net.quant(0.01, 0, np.uint8)
    net.node("Flatten")
    net.node("Gemm", net.weight(10, 16, scale=0.01), net.const(np.zeros(10), np.float32), transB=1)
    net.quant(0.02, 128, np.uint8)
    return net


def tensorrt() -> Qdq:
    """Symmetric int8, Q/DQ in front of each convolution, one branch of the sum quantised, the last result in float."""
    net = Qdq((1, 1, 8, 8))
    net.quant(1 / 100)
    w = net.codes(net.rng.integers(-127, 128, (16, 1, 3, 3)), np.linspace(0.004, 0.012, 16), axis=0)
    net.node("Conv", w, net.const(np.linspace(-0.2, 0.2, 16), np.float32), pads=[1] * 4)
    net.node("Relu")
    skip = net.quant(0.04)
    w = net.codes(net.rng.integers(-127, 128, (16, 16, 3, 3)), np.linspace(0.001, 0.003, 16), axis=0)
    net.node("Conv", w, net.const(np.linspace(0.1, -0.1, 16), np.float32), pads=[1] * 4)
    net.node("Add", skip)
    net.node("Relu")
    net.quant(0.05)
    net.node("GlobalAveragePool")
    net.quant(0.02)
    net.node("Flatten")
    net.node("Gemm", net.weight(10, 16, scale=0.01), net.const(np.zeros(10), np.float32), transB=1)
    return net


@pytest.mark.parametrize(("pattern", "most"), [(onnxruntime_qat, 1), (aimet, 3), (tensorrt, 2)])
def test_pattern(pattern: Callable[[], Qdq], most: int, tmp_path: Path, run_cli):
    net = pattern()
    _, distance = steps(net)
    assert distance.max() <= most
    assert len(to_the_end(run_cli, net.save(tmp_path / "model.onnx"), tmp_path)) == 4
