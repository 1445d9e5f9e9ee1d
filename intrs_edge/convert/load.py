# SPDX-License-Identifier: Apache-2.0
"""The one reader of model files: what a file holds decides, not what it is called."""

from __future__ import annotations

from pathlib import Path

import onnx

from intrs_edge.convert.onnx_file import read_onnx
from intrs_edge.convert.pt2.file import is_pt2
from intrs_edge.convert.pt2.reader import onnx_of_pt2
from intrs_edge.convert.qdq import from_qdq_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_reader import read_tflite


def load_model(path: str | Path, notes: list[str] | None = None) -> Graph:
    """The graph of an int8 .tflite, a QDQ .onnx or a quantised .pt2 file; ``notes`` gets a line for each rounding that
    the file does not have. Raises IntrsError for anything else, damaged or not supported."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}); give a .tflite, .onnx or .pt2 file") from error
    if head[4:8] == b"TFL3":
        return read_tflite(path)
    if path.suffix.lower() == ".tflite":
        raise IntrsError(f"{path}: not a .tflite file, or truncated; convert it again")
    model = read_source(path)
    if not _quantised(model):
        raise IntrsError(
            f"{path}: a float model; quantise it first: convert it with --calibrate IMAGES --sigma S, "
            "or train it with intrs-edge train"
        )
    return from_qdq_onnx(model, str(path), notes)


def read_source(path: Path) -> onnx.ModelProto:
    """An .onnx file, or what a .pt2 file says, as an ONNX model. Raises IntrsError for what is neither."""
    return onnx_of_pt2(path) if is_pt2(path) else read_onnx(path)


def is_quantised(path: str | Path) -> bool:
    """Whether an .onnx or .pt2 file is quantised; IntrsError where it cannot be read."""
    return _quantised(read_source(Path(path)))


def _quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node)
