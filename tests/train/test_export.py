from pathlib import Path

import numpy as np
import onnx
import pytest

from intrs_edge.train import QatNetwork, build_network, calibrate, export_qdq


@pytest.fixture(scope="module")
def network() -> QatNetwork:
    net = build_network("resnet8", (12, 10, 3), 7, sigma=0.25, seed=4, options={"widths": (4, 8), "blocks": (1, 1)})
    calibrate(net, np.random.default_rng(0).integers(0, 256, (64, 12, 10, 3)))
    return net


def test_the_same_network_gives_the_same_bytes_and_nothing_is_left_over(network: QatNetwork, tmp_path: Path):
    first = export_qdq(network, tmp_path / "a.onnx").read_bytes()
    assert first == export_qdq(network, tmp_path / "b.onnx").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_runs_elsewhere_with_the_same_logits(network: QatNetwork, tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = runtime.InferenceSession(
        str(export_qdq(network, tmp_path / "m.onnx")), providers=["CPUExecutionProvider"]
    )
    pixels = np.random.default_rng(1).integers(-60, 315, (40, 12, 10, 3))
    q = network.input_quant.quantise(pixels).astype(np.float32)
    real = (q - network.input_quant.zero_point) * network.input_quant.scale
    logits = session.run(None, {"input": real.transpose(0, 3, 1, 2)})[0]
    steps = np.abs(logits - network.predict(pixels)) / float(network.qparams("logits")[0])
    assert steps.max() <= 4.5  # float sums in another order move a rounding here and there
    assert (steps < 0.5).mean() > 0.7


def test_scales_are_initialisers_bit_for_bit(network: QatNetwork, tmp_path: Path):
    model = onnx.load(export_qdq(network, tmp_path / "m.onnx"))
    values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for layer in network.arch.layers:
        scale, zero = network.qparams(layer.name)
        assert values[f"{layer.name}_scale"] == np.float32(scale.item())
        assert values[f"{layer.name}_zero"] == int(zero)
    assert {p.key: p.value for p in model.metadata_props}["intrs.sigma"] == "0.25"


def test_calibration_needs_no_training_and_is_repeatable():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1))
    nets = [build_network("ds-cnn", (8, 8, 1), 5, seed=9, options={"width": 8}) for _ in range(2)]
    for net in nets:
        calibrate(net, pixels)
        calibrate(net, pixels)  # a second time changes nothing
    np.testing.assert_array_equal(nets[0].predict(pixels), nets[1].predict(pixels))
    assert len(np.unique(nets[0].predict(pixels))) > 20
