"""Checkpoint files that promise more than they hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from limited import Limited
from onnx import TensorProto, helper

READ = "intrs_edge.train.checkpoint:read_state"
TENSORS = "intrs_edge.train.checkpoint:_tensors"


def test_compressed_records(limited: Limited, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(50_000_000, dtype=torch.uint8)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for record in plain.infolist():
            bomb.writestr(record.filename, plain.read(record))
    assert (tmp_path / "bomb.pt").stat().st_size < 1 << 20
    limited.call(READ, tmp_path / "bomb.pt").refused("bomb.pt unpacks to", "more than it has")
    limited.call(READ, tmp_path / "plain.pt").done()


def test_tensors_of_one_number(limited: Limited, tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(1, dtype=torch.float16).expand(1 << 17, 1 << 17)}, tmp_path / "a.pt")
    limited.call(TENSORS, tmp_path / "a.pt").refused("a.pt: a.weight is larger than the file")


def test_what_is_no_state(limited: Limited, tmp_path: Path) -> None:
    for content in ({1: torch.zeros(2)}, [torch.zeros(2)], "text", {"state_dict": {"state_dict": 3}}):
        torch.save(content, tmp_path / "a.pt")
        limited.call(TENSORS, tmp_path / "a.pt").refused("a.pt holds no tensors")
    (tmp_path / "a.pt").write_bytes(b"\x80\x02" + b"(" * 100_000)
    limited.call(TENSORS, tmp_path / "a.pt").refused("a.pt cannot be read")


def test_models_to_start_from(limited: Limited, tmp_path: Path) -> None:
    outside = TensorProto(name="w", dims=[1 << 30], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/dev/zero")
    huge = TensorProto(name="w", dims=[1 << 40], data_type=TensorProto.FLOAT, raw_data=bytes(4))
    for tensor in (outside, huge):
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [y], [tensor])
        onnx.save(helper.make_model(graph, producer_name="intrs-edge"), tmp_path / "m.onnx")
        outcome = limited.call("intrs_edge.train.checkpoint:load_model_weights", np.zeros(1), tmp_path / "m.onnx")
        outcome.refused("m.onnx cannot be read as ONNX")
