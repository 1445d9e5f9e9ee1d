import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.files import locked_folder
from intrs_edge.train import TrainConfig, build_network, freeze, loop, train


def _data(n: int = 96) -> ImageSet:
    """Two classes told apart by where the light is."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=n)
    images = rng.integers(0, 60, (n, 6, 6, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 150
    return ImageSet("toy", images, labels.astype(np.int64), np.arange(n, dtype=np.uint32), ("left", "right"))


def _config(out: Path, **changes: object) -> TrainConfig:
    options = {"widths": (4, 4), "blocks": (1, 1), "stem_stride": 2}
    base = TrainConfig(
        "resnet8",
        0.1,
        out,
        options,
        epochs=12,
        batch=16,
        bank=1 << 14,
        threads=1,
        progress=False,
        consistency=1.0,
        shift=1,
    )
    return dataclasses.replace(base, **changes)


def _rows(out: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows if "epoch" in row]


def test_learns_and_a_stopped_run_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = _data()
    whole = train(_config(tmp_path / "whole"), data, data)
    assert whole.noisy_accuracy > 0.95
    assert whole.model.exists()

    save, calls = loop.save_run, []

    def stop_in_the_third_epoch(*arguments: object) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        save(*arguments)

    monkeypatch.setattr(loop, "save_run", stop_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(_config(tmp_path / "parts"), data, data)
    monkeypatch.setattr(loop, "save_run", save)
    torch.rand(7)  # the global generator must not matter
    train(_config(tmp_path / "parts", resume=True), data, data)
    assert (tmp_path / "parts/model.onnx").read_bytes() == whole.model.read_bytes()
    assert _rows(tmp_path / "parts") == _rows(tmp_path / "whole")
    assert [row["epoch"] for row in _rows(tmp_path / "whole")] == list(range(12))


def test_another_seed_gives_another_network(tmp_path: Path):
    data = _data()
    a, b = (train(_config(tmp_path / str(seed), seed=seed, epochs=1), data).model.read_bytes() for seed in (0, 1))
    assert a != b


def test_last_part_is_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ranges = []
    save = loop.save_run

    def record(config: TrainConfig, network, *rest: object) -> None:
        ranges.append([(float(q.low), float(q.high)) for q in network.quants.values()])
        save(config, network, *rest)

    monkeypatch.setattr(loop, "save_run", record)
    train(_config(tmp_path / "r", freeze=0.5, epochs=6), _data())
    assert ranges[0] != ranges[1] != ranges[2]
    assert ranges[3] == ranges[4] == ranges[5]


def test_one_line_for_every_misuse(tmp_path: Path):
    data = _data()
    out = tmp_path / "r"
    train(_config(out, epochs=1), data)
    for config, says in (
        (_config(out, epochs=1), "is there already"),
        (_config(out, epochs=2, sigma=0.2, resume=True), "other settings .sigma: 0.1 there, 0.2 now"),
        (_config(tmp_path / "none", resume=True), "nothing to resume"),
        (_config(tmp_path / "x", batch=1), "'batch' is 1"),
        (_config(tmp_path / "x", steps=(2.0,)), "'steps'"),
        (_config(tmp_path / "x", network="nope"), "unknown network"),
    ):
        with pytest.raises(IntrsError, match=says):
            train(config, data)
    with locked_folder(out, "x"), pytest.raises(IntrsError, match=r"training run .*r is being written by process"):
        train(_config(out, epochs=1, resume=True), data)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "model.onnx").symlink_to("elsewhere")
    with pytest.raises(IntrsError, match=r"model.onnx is a symbolic link"):  # not after hours of training
        train(_config(tmp_path / "x"), data)
    (out / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(IntrsError, match="cannot be read"):
        train(_config(out, epochs=1, resume=True), data)
    unlabelled = dataclasses.replace(data, labels=np.full(len(data), -1, np.int64))
    with pytest.raises(IntrsError, match="label for every image"):
        train(_config(tmp_path / "x"), unlabelled)
    with pytest.raises(IntrsError, match="lower --learning-rate"):
        train(_config(tmp_path / "y", learning_rate=1e3, weight_decay=1.0, epochs=30), data)


def test_weights_that_are_exported_are_the_frozen_ones(tmp_path: Path):
    result = train(_config(tmp_path / "r", epochs=2), _data())
    frozen = freeze(result.network)
    assert all(np.abs(w.weight.astype(int)).max() <= 127 for w in frozen.weights.values())
    assert json.loads(frozen.metadata["intrs.classes"]) == ["left", "right"]
    assert frozen.metadata["intrs.sigma"] == "0.1"


def test_one_epoch_is_enough_to_learn_ranges_and_the_network_is_alive(tmp_path: Path):
    """Schedules count batches: with one epoch the observers see data before they freeze."""
    result = train(_config(tmp_path / "r", epochs=1, learning_rate=0.05, schedule="cosine"), _data(1600))
    assert all(bool(q.seen) and float(q.high) > float(q.low) for q in result.network.quants.values())
    assert result.warnings == ()


def test_a_batch_is_seen_before_observers_freeze():
    assert _config(Path("r"), epochs=1).first_frozen(1) == 1
    assert _config(Path("r"), epochs=1, freeze=1.0).first_frozen(10) == 1
    assert _config(Path("r"), epochs=4, float_epochs=3, freeze=0.5).first_frozen(10) == 35
    assert _config(Path("r"), epochs=4, freeze=0.0).first_frozen(10) == 40


def test_a_network_with_one_answer_is_said(tmp_path: Path):
    data = _data()
    result = train(_config(tmp_path / "r", epochs=1, learning_rate=1e-9), data)
    with torch.no_grad():
        logits = result.network.modules_by_layer["logits"]
        logits.weight.zero_()
        logits.bias.copy_(torch.tensor([-1.0, 1.0]))
    (line,) = loop._one_answer(_config(tmp_path), result.network, data)
    assert "'right' for each of 96 noisy training images" in line
    one_class = dataclasses.replace(data, labels=np.ones(len(data), np.int64))
    assert list(loop._one_answer(_config(tmp_path), result.network, one_class)) == []


def test_float_epochs_first_then_quantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    save = loop.save_run

    def record(config: TrainConfig, network, *rest: object) -> None:
        seen.append((network.quantising, [bool(q.seen) for q in network.quants.values()]))
        save(config, network, *rest)

    monkeypatch.setattr(loop, "save_run", record)
    data = _data(400)
    config = _config(tmp_path / "r", epochs=4, float_epochs=3, schedule="onecycle")
    result = train(config, data, data)
    assert [quantising for quantising, _ in seen] == [False, False, False, True]
    assert not any(seen[2][1])
    assert all(seen[3][1])
    assert result.noisy_accuracy > 0.95
    with pytest.raises(IntrsError, match="leave at least one"):
        train(dataclasses.replace(config, out=tmp_path / "x", float_epochs=4), data)


def test_resume_refuses_other_images(tmp_path: Path):
    data = _data()
    out = tmp_path / "r"
    train(_config(out, epochs=1), data)
    images = data.images.copy()
    images[5, 0, 0, 0] ^= 1
    labels = data.labels.copy()
    labels[3] = 1 - labels[3]
    for other in (dataclasses.replace(data, images=images), dataclasses.replace(data, labels=labels)):
        with pytest.raises(IntrsError, match="other images"):
            train(_config(out, epochs=1, resume=True), other)
    train(_config(out, epochs=1, resume=True), data)


@pytest.mark.parametrize(("schedule", "rates"), [
    ("steps", (0.1, 0.1, 0.01, 0.001)),
    ("cosine", (0.1, 0.0853553, 0.05, 0.0)),
    ("onecycle", (0.004, 0.084, 0.0811745, 0.0)),
])  # fmt: skip
def test_schedules(schedule: str, rates: tuple[float, ...]):
    config = _config(Path("r"), schedule=schedule, steps=(0.5, 0.75), learning_rate=0.1)
    assert [config.rate(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(rates, rel=1e-5, abs=1e-9)


def test_a_network_that_saw_no_data_is_not_exported():
    network = build_network("resnet8", (6, 6, 1), 2, options={"widths": (4, 4), "blocks": (1, 1)})
    with pytest.raises(IntrsError, match="'stem' has seen no data"):
        freeze(network)
