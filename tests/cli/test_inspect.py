"""inspect: the same figures as the graph holds, for every board, fast."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from intrs_edge.boards import board_ids
from intrs_edge.children import patient
from intrs_edge.convert import load_model
from intrs_edge.paths import shipped

MODEL = shipped("models") / "digits-resnet.onnx"


def test_json(run_cli):
    code, out, _ = run_cli("inspect", MODEL, "--json")
    assert code == 0
    data = json.loads(out)
    graph = load_model(MODEL)
    assert len(data["ops"]) == len(graph.ops)
    constants = {i for op in graph.ops for i in op.inputs if i >= 0 and graph.tensors[i].constant}
    weights = sum(graph.tensors[i].bytes for i in constants if graph.tensors[i].quant is not None)
    assert weights <= data["weights_bytes"] < data["flash_bytes"]
    assert data["macs"] == sum(op["macs"] for op in data["ops"])
    assert data["arena_bytes"] > 0
    assert [board["id"] for board in data["boards"]] == board_ids()


def test_text_and_another_board(run_cli, tmp_path):
    code, out, _ = run_cli("inspect", MODEL)
    assert code == 0
    assert "CONV_2D" in out
    text = (shipped("boards") / "mps2-an386.toml").read_text().replace('id = "mps2-an386"', 'id = "mine"')
    (tmp_path / "mine.toml").write_text(text.replace("size = 0x400000", "size = 0x8000", 1))
    code, out, _ = run_cli("inspect", MODEL, "--board", tmp_path / "mine.toml", "--board", "mps2-an386", "--json")
    assert code == 0
    assert [(b["id"], b["fits"]) for b in json.loads(out)["boards"]] == [("mine", False), ("mps2-an386", True)]


def test_four_megabytes_take_under_three_seconds(tmp_path):
    pytest.importorskip("torch")
    from intrs_edge.train import build_network, calibrate, export_qdq

    network = build_network("resnet20", (32, 32, 3), 10, sigma=0.25, seed=0, options={"widths": (64, 128, 256)})
    calibrate(network, np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.int64))
    model = export_qdq(network, tmp_path / "big.onnx")
    assert model.stat().st_size > 4_000_000
    command = [sys.executable, "-m", "intrs_edge.cli.main", "inspect", str(model), "--json"]
    # processor time of the child, so that a busy machine does not decide
    program = (
        "import json, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_utime + u.ru_stime)"
    )
    measured = [sys.executable, "-c", program, *command]
    seconds = float(subprocess.run(measured, check=True, capture_output=True, timeout=patient(60)).stdout)
    assert seconds < 3
