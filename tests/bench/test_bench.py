"""The benchmark: peers compute the same network, an absent one is listed, figures add up, a board's counts repeat."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.bench import peers, speed
from intrs_edge.bench.peers import Absent, Engine, Workload, open_peer
from intrs_edge.cli.main import main
from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.summary import summarize
from intrs_edge.graph.tflite_writer import write_tflite


def small_graph() -> Graph:
    """Every operator that the comparison translates, on 8x8 images of 3 channels."""
    rng = np.random.default_rng(3)
    b = GraphBuilder("small")

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape)

    x = b.input((1, 8, 8, 3), scale=1 / 64, zero_point=-3)
    x = b.conv_2d(
        x,
        weights(16, 3, 3, 3),
        rng.integers(-99, 99, 16),
        weight_scale=0.004,
        scale=0.02,
        zero_point=-128,
        activation="RELU",
    )
    y = b.conv_2d(x, weights(16, 3, 3, 16), rng.integers(-99, 99, 16), weight_scale=[0.002] * 16, scale=0.03)
    x = b.add(x, y, scale=0.03, zero_point=-128, activation="RELU")
    x = b.depthwise_conv_2d(
        x, weights(1, 3, 3, 16), [7] * 16, weight_scale=0.01, scale=0.03, activation="RELU6", zero_point=-128
    )
    x = b.pad(x, [(0, 0), (1, 0), (0, 1), (0, 0)])
    x = b.max_pool_2d(x, 3, 2)
    x = b.average_pool_2d(x, 2)
    x = b.flatten(x)
    return b.build(b.fully_connected(x, weights(5, 64), rng.integers(-99, 99, 5), weight_scale=0.01, scale=0.05))


@pytest.fixture
def work() -> Workload:
    inputs = np.random.default_rng(0).integers(-128, 128, (64, 8, 8, 3)).astype(np.int8)
    return Workload(small_graph(), inputs, 1)


@pytest.mark.parametrize("name", list(peers.PEERS))
def test_a_peer_computes_the_same_network(work: Workload, name: str) -> None:
    engine = open_peer(name, work)
    if isinstance(engine, Absent):
        pytest.skip(engine.why)
    expected = reference.run(work.graph, work.inputs).argmax(1)
    assert len(set(expected)) > 1
    assert np.mean(engine.run() == expected) > 0.85  # float and other roundings, but the same network


def test_a_wrong_network_is_noticed(work: Workload) -> None:
    engine = open_peer("ONNX Runtime fp32", Workload(work.graph, -1 - work.inputs, 1))
    if isinstance(engine, Absent):
        pytest.skip(engine.why)
    assert np.mean(engine.run() == reference.run(work.graph, work.inputs).argmax(1)) < 0.85


def test_an_absent_peer_says_so(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(peers.importlib, "import_module", missing)
    found = open_peer("ONNX Runtime int8", work)
    assert isinstance(found, Absent)
    assert "pip install 'intrs-edge[bench]'" in found.why


def test_a_model_that_crashes_a_peer_does_not_crash_us() -> None:
    pytest.importorskip("tflite_runtime")
    with pytest.raises(IntrsError, match="crashed on this model"):
        peers._survives("tflite_runtime.interpreter", b"not a model")


def test_an_operator_without_a_counterpart_is_named(work: Workload) -> None:
    b = GraphBuilder("other")
    x = b.input((1, 4, 4, 1), scale=0.1)
    graph = b.build(b.unary("HARD_SWISH", x, scale=0.1))
    found = open_peer("ONNX Runtime fp32", Workload(graph, np.zeros((1, 4, 4, 1), np.int8), 1))
    assert isinstance(found, Absent)
    assert "HARD_SWISH" in found.why or "not installed" in found.why


def test_ratios_are_taken_round_by_round() -> None:
    fast, slow = speed.Speed("a", "", (4.0, 8.0, 2.0)), speed.Speed("b", "", (2.0, 4.0, 1.0))
    assert speed.Comparison(fast, (slow,), ()).ratio(slow) == 2.0
    assert fast.median == 4.0
    assert fast.spread == (2.0, 8.0)


def test_engines_take_turns() -> None:
    turns: list[str] = []

    def engine(name: str) -> Engine:
        return Engine(name, "", lambda: (turns.append(name), np.zeros(1, np.int64))[1], 1)

    found = speed.compare(engine("ours"), [engine("peer"), Absent("gone", "not here")], 3, 1e-9)
    assert turns[2:] == ["ours", "peer"] * 3
    assert [p.name for p in found.absent] == ["gone"]


def test_macs_of_a_known_network() -> None:
    assert summarize(small_graph()).macs == 64 * 16 * 27 + 64 * 16 * 144 + 64 * 16 * 9 + 320


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_the_command_reports_the_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "small.tflite"
    model.write_bytes(write_tflite(small_graph()))
    board = ["--board", "mps2-an386"] if shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc") else []
    chart = tmp_path / "chart.svg"
    command = [
        "bench",
        str(model),
        "--rounds",
        "2",
        "--seconds",
        "0.01",
        "--batch",
        "8",
        "--peers",
        "ONNX Runtime int8",
    ]
    assert main([*command, "--threads", "1", "--json", "--chart", str(chart), *board]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["macs"] == summarize(small_graph()).macs
    assert found["images_per_second"] > 0
    assert found["peers"][0]["name"] == "ONNX Runtime int8"
    assert chart.read_text().startswith("<svg")
    if board:
        assert found["instructions_per_inference"] > found["macs"] * 0.2
        assert 5 < found["instructions_per_noise_sample"] < 200
        total = sum(layer["instructions"] for layer in found["layers"])
        assert 0.5 * found["instructions_per_inference"] < total <= found["instructions_per_inference"]
        assert found["estimate"]["seconds_per_sample"] > 0


@pytest.mark.parametrize(
    "arguments", [["--threads", "0"], ["--no-host"], ["--peers", "nobody"], ["--chart", "x.png"], ["--seconds", "0"]]
)
def test_bad_arguments_are_one_line(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "small.tflite"
    model.write_bytes(write_tflite(small_graph()))
    assert main(["bench", str(model), *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
