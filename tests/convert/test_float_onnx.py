"""Float ONNX through onnx2tf. The conversion itself takes a minute, so one model goes the whole way."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest

from intrs_edge.convert import agreement
from intrs_edge.convert.float_onnx import calibration_samples, from_float_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph.preprocessing import Preprocessing, numbers
from intrs_edge.graph.reading import PixelOptions
from intrs_edge.train import choose_input_quant

from .conftest import check_contract
from .qdq.test_reader import Net

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 20, 16, 3)).astype(np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    net = Net((3, 20, 16))
    net.conv(3, 8)
    net.node("Relu")
    net.conv(8, 12, strides=[2, 2], pads=[0, 0, 0, 0])
    net.node("Relu")
    net.node("GlobalAveragePool")
    net.node("Flatten")
    net.node("Gemm", net.weight(12, 10), net.vector(10))
    net.node("Softmax")
    onnx.save(net.model(), tmp_path / "float.onnx")
    return tmp_path / "float.onnx"


@pytest.mark.skipif(importlib.util.find_spec("onnx2tf") is None, reason="the extra onnx2tf is not installed")
def test_the_whole_road(model: Path):
    graph = from_float_onnx(model, IMAGES, 0.25, pixels=PixelOptions("0..1"))
    quant, wanted = graph.tensors[graph.inputs[0]].quant, choose_input_quant(0.25)
    assert quant.scale[0] == wanted.scale
    assert quant.zero_point[0] == wanted.zero_point
    assert graph.ops[-1].kind == "FULLY_CONNECTED"  # the softmax is gone
    check_contract(graph, 20)
    found = agreement(graph, model, IMAGES[:20])
    assert found.top1 >= 0.9, str(found)
    assert found.max_steps <= 12, str(found)
    # a model that onnx2tf cannot convert: a line, no traceback
    net = Net((3, 12, 12))
    net.node("NotAnOp")
    onnx.save(net.model(), model.parent / "odd.onnx")
    with pytest.raises(IntrsError, match=r"odd.onnx: onnx2tf cannot convert it"):
        from_float_onnx(model.parent / "odd.onnx", IMAGES[:, :12, :12], 0.25)


@pytest.mark.parametrize("sigma", [0.0, 0.25, 0.5])
def test_samples_carry_the_noise_and_end_where_the_device_saturates(sigma: float):
    samples = calibration_samples(IMAGES, sigma, Preprocessing("0..1"), 1)
    quant = choose_input_quant(sigma)
    low, high = (float(quant.scale) * (q - quant.zero_point) for q in (-128, 127))
    assert samples.min() == pytest.approx(low)
    assert samples.max() == pytest.approx(high)
    steps = np.rint(samples * 255).astype(int) - IMAGES
    assert np.abs(samples * 255 - np.rint(samples * 255)).max() < 1e-3
    spread = steps.ravel()[2:].std()
    assert spread == pytest.approx(255 * sigma, rel=0.05, abs=1e-9)


def test_normalisation_is_per_channel():
    plain = calibration_samples(IMAGES, 0.25, Preprocessing("0..1"), 1)
    mean, std = (numbers(v) for v in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    normal = calibration_samples(IMAGES, 0.25, Preprocessing("0..1", mean, std), 1)
    np.testing.assert_allclose(normal, (plain - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4], atol=1e-5)
    turned = calibration_samples(IMAGES[..., ::-1], 0.25, Preprocessing("-1..1", bgr=True), 1)
    np.testing.assert_allclose(turned[1:], plain[1:] * 2 - 1, atol=1e-5)


def test_missing_extra(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(IntrsError, match=r"intrs-edge\[onnx2tf\]"):
        from_float_onnx(model, IMAGES, 0.25)
