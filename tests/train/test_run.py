"""A run of training: stopped within an epoch, made longer, tried out, on another device, and in float."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.float_network import open_float_network
from intrs_edge.train import TrainConfig, build_network, from_torch, loop, train
from intrs_edge.train.batches import Noise
from tests.train.test_loop import _config, _data, _rows
from tests.train.torch_networks import MODULES, settled


@pytest.mark.parametrize("changes", [{}, {"plain_float": True}, {"float_epochs": 2, "flip": True}])
def test_stopped_within_an_epoch_it_goes_on_to_the_same_bits(
    changes: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = _data()
    config = _config(tmp_path / "whole", epochs=3, **changes)
    whole = train(config, data, data)
    save, places = loop.save_run, []

    def stop(config, network, optimizer, place, digest) -> None:
        save(config, network, optimizer, place, digest)
        places.append((place.epoch, place.batch))
        if len(places) in (3, 6, 10):
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_run", stop)
    parts = dataclasses.replace(config, out=tmp_path / "parts", checkpoint_minutes=0)
    for at in ((0, 3), (0, 6), (1, 3)):  # each epoch has six batches, and a place behind them
        with pytest.raises(KeyboardInterrupt):
            train(parts, data, data)
        assert places[-1] == at
        parts = dataclasses.replace(parts, resume=True)
    train(parts, data, data)
    assert (tmp_path / "parts/model.onnx").read_bytes() == whole.model.read_bytes()
    assert _rows(tmp_path / "parts") == _rows(tmp_path / "whole")


@pytest.mark.parametrize("plain_float", [False, True])
def test_a_run_that_is_done_is_resumed_without_a_change(plain_float: bool, tmp_path: Path):
    data = _data()
    config = _config(tmp_path / "r", plain_float=plain_float)
    first = train(config, data, data)
    model, log = first.model.read_bytes(), (tmp_path / "r/log.jsonl").read_text()
    again = train(dataclasses.replace(config, resume=True), data, data)
    assert again.noisy_accuracy == first.noisy_accuracy > 0.9
    assert (again.model.read_bytes(), (tmp_path / "r/log.jsonl").read_text()) == (model, log)


def test_epochs_may_grow(tmp_path: Path):
    """What remains follows the schedule of the new whole."""
    data, out = _data(), tmp_path / "r"
    train(_config(out, epochs=2, schedule="cosine"), data)
    longer = _config(out, epochs=4, schedule="cosine", resume=True)
    train(longer, data, data)
    rows = _rows(out)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert [row["learning_rate"] for row in rows[2:]] == [longer.rate(17 / 24), longer.rate(23 / 24)]
    said = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert {"epochs": 4, "from_epoch": 2, "from_batch": 0} in said
    with pytest.raises(IntrsError, match="epochs: 4 there, 3 now"):
        train(_config(out, epochs=3, schedule="cosine", resume=True), data)
    before = (out / "model.onnx").read_bytes()
    train(longer, data, data)  # nothing is left to do
    assert (out / "model.onnx").read_bytes() == before


def test_each_epoch_is_validated_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = _data()
    result = train(_config(tmp_path / "r", epochs=6, progress=True, validate=50), data, data)
    rows = _rows(tmp_path / "r")
    assert all(0 <= row["noisy_validation_accuracy"] <= 1 for row in rows)
    assert rows[-1]["noisy_validation_accuracy"] == pytest.approx(result.noisy_accuracy, abs=0.15)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("epoch 6/6 loss ")
    assert f"noisy test images {rows[-1]['noisy_validation_accuracy']:.4f}" in lines[-1]
    train(_config(tmp_path / "s", epochs=6, validate=0), data, data)
    assert not any("noisy_validation_accuracy" in row for row in _rows(tmp_path / "s"))
    assert (tmp_path / "s/model.onnx").read_bytes() == result.model.read_bytes()  # looking changes nothing


def test_a_fast_dev_run_tries_everything_and_is_in_nobodys_way(tmp_path: Path):
    data, out = _data(), tmp_path / "r"
    for _ in range(2):
        result = train(_config(out, epochs=50, float_epochs=20, fast_dev_run=True), data, data)
    assert result.model == out / "fast-dev-run/model.onnx"
    assert load_model(result.model).outputs
    assert len(_rows(out / "fast-dev-run")) == 2
    assert not (out / "checkpoint.pt").exists()
    train(_config(out, epochs=1), data)


def test_another_device(tmp_path: Path):
    if not torch.cuda.is_available():
        with pytest.raises(IntrsError, match="--device cuda: torch finds no CUDA GPU here"):
            train(_config(tmp_path / "r", device="cuda"), _data())
        assert not (tmp_path / "r").exists()
        return
    same = [train(_config(tmp_path / d, device=d, epochs=3), _data(), _data()) for d in ("cpu", "cuda")]
    assert same[0].noisy_accuracy == pytest.approx(same[1].noisy_accuracy, abs=0.1)


def _on_one_device(x, scale, zero, *rest):
    """In place of torch's own, which does not run without memory."""
    if not x.device == scale.device == zero.device:
        raise RuntimeError("two devices")
    return x + (scale * zero).sum()


def _on_meta(network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "fake_quantize_per_tensor_affine", _on_one_device)
    monkeypatch.setattr(torch, "fake_quantize_per_channel_affine", _on_one_device)
    network.to("meta").train()
    for quantising, frozen in ((True, False), (True, True), (False, False)):
        network.quantise(quantising)
        network.freeze(frozen)
        out = network(torch.zeros(4, *network.arch.input, device="meta"))
        out.sum().backward()
        assert out.shape == (4, network.arch.classes)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_stays_on_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch):
    """On torch's device without memory, where a tensor that was left behind is an error."""
    module, shape = settled(name)
    _on_meta(from_torch(module, shape, sigma=0.1), monkeypatch)


def test_what_stays_on_the_cpu_is_found(monkeypatch: pytest.MonkeyPatch):
    network = build_network("resnet8", (8, 8, 3), 4, options={"widths": (4, 4), "blocks": (1, 1)})
    kept = network.input_scale
    monkeypatch.setattr(type(network), "input_scale", property(lambda self: kept), raising=False)
    network.quants["stem"].qparams = lambda: (kept, network.input_zero)
    with pytest.raises(RuntimeError, match="devices"):
        _on_meta(network, monkeypatch)


@pytest.mark.parametrize("changes", [{}, {"mean": (0.4,), "std": (0.25,), "consistency": 0.0}])
def test_a_network_that_stays_float(changes: dict, tmp_path: Path):
    data = _data()
    result = train(_config(tmp_path / "r", plain_float=True, **changes), data, data)
    assert result.noisy_accuracy > 0.95
    assert not any(bool(q.seen) for q in result.network.quants.values() if q.fixed is None)
    model = onnx.load(result.model)
    assert {"QuantizeLinear", "DequantizeLinear"}.isdisjoint({node.op_type for node in model.graph.node})
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == {"intrs.sigma": "0.1", "intrs.classes": '["left", "right"]', "intrs.input": '{"range": "0..1"}'}
    session = onnxruntime.InferenceSession(str(result.model), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).normal(0.5, 0.4, (20, 6, 6, 1)).astype(np.float32)
    (found,) = session.run(None, {"input": pixels.transpose(0, 3, 1, 2)})
    expected = result.network.logits(result.network.real_input(pixels))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    opened = open_float_network(result.model)  # what certify --method floatrs-fp takes
    np.testing.assert_allclose(opened.logits(pixels), expected, atol=1e-4)


@pytest.mark.parametrize("name", MODULES)
def test_float_models_of_every_module(name: str, tmp_path: Path):
    module, shape = settled(name)
    network = from_torch(module, shape, sigma=0.1).eval()
    network.quantise(False)
    path = loop.export_float(network, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).random((4, *network.arch.input_shape)).astype(np.float32)
    (found,) = session.run(None, {"input": np.ascontiguousarray(network.arch.in_torch_order(pixels))})
    tolerance = 1e-4 if name != "mixed" else 2e-2  # torch rounds its constants to int8 in every phase
    np.testing.assert_allclose(found, network.logits(network.real_input(pixels)), atol=tolerance)


def test_its_noise_is_continuous():
    network = build_network("resnet8", (8, 8, 3), 4, sigma=0.5, options={"widths": (4, 4), "blocks": (1, 1)})
    noise = Noise(TrainConfig(sigma=0.5, plain_float=True), network)
    codes = noise.inputs(np.full((500, 8, 8, 3), 51, np.uint8))
    real = (codes - network.input_quant.zero_point) * float(network.input_quant.scale)
    assert len(np.unique(codes.numpy())) > 90_000
    assert float(real.mean()) == pytest.approx(0.2, abs=0.01)
    assert float(real.std()) == pytest.approx(0.5, abs=0.01)
    again = noise.inputs(np.full((500, 8, 8, 3), 51, np.uint8))
    assert not torch.equal(codes, again)
    noise.start_epoch(0)
    assert torch.equal(codes, noise.inputs(np.full((500, 8, 8, 3), 51, np.uint8)))


def test_the_command_line_has_it_all(run_cli, tmp_path: Path):
    network = ("--set", "widths=4,8", "--set", "blocks=1,1", "--set", "stem_stride=2", "--batch", 32, "--threads", 1)
    new = ("--fast-dev-run", "--float", "--validate", 20, "--checkpoint-minutes", 0.5, "--device", "cpu")
    code, text, err = run_cli("train", "digits:train", "-o", tmp_path / "r", "--bank", 4096, *network, *new)
    assert code == 0, err
    assert f"wrote {tmp_path / 'r/fast-dev-run/model.onnx'}" in text
    assert "epoch 1/1 loss" in err
    assert open_float_network(tmp_path / "r/fast-dev-run/model.onnx").classes == 10


@pytest.mark.parametrize(("size", "shape"), [("8x12", (8, 12, 3)), ("8x12x1", (8, 12, 1))])
@pytest.mark.parametrize("more", [(), ("--float",)])
def test_images_of_mixed_sizes(size: str, shape: tuple, more: tuple, run_cli, tmp_path: Path):
    """The model says how they came to its size."""
    rng = np.random.default_rng(0)
    for label in ("left", "right"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (20 + i, 30 - i, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{i}.png")
    command = ("train", f"{tmp_path / 'set'}:train", "--size", size, "--network", "ds-cnn", "--set", "width=4",
               "--set", "blocks=1", "--epochs", 1, "--batch", 4, "--bank", 4096, "--flip", "--shift", 1)  # fmt: skip
    code, _, err = run_cli(*command, *more, "-o", tmp_path / "r", "--resize", "crop")
    assert code == 0, err
    said = {p.key: p.value for p in onnx.load(tmp_path / "r/model.onnx").metadata_props}
    assert json.loads(said["intrs.input"])["resize"] == "crop"
    if not more:
        graph = load_model(tmp_path / "r/model.onnx")
        assert graph.tensors[graph.inputs[0]].shape == (1, *shape)
    code, _, err = run_cli("train", f"{tmp_path / 'set'}:train", "-o", tmp_path / "s", "--resize", "crop")
    assert (code, "--resize crop needs a size" in err) == (2, True)


@pytest.mark.parametrize("size", ["8", "8x", "8x8x2", "0x8", "8x5000", "8x8x3x1", "axb"])
def test_a_wrong_size_is_one_line(size: str, run_cli, tmp_path: Path):
    code, _, err = run_cli("train", "digits:train", "-o", tmp_path / "r", "--size", size)
    assert code == 2
    assert "is not HxW or HxWxC" in err
