"""One door for model files: what a file holds decides, not what it is called."""

from __future__ import annotations

from pathlib import Path

import onnx

from intrs_edge.convert.onnx_file import read_onnx
from intrs_edge.convert.qdq import from_qdq_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_reader import read_tflite


def load_model(path: str | Path, notes: list[str] | None = None) -> Graph:
    """The graph of an int8 .tflite or a QDQ .onnx file; ``notes`` gets a line for each rounding that the file does not
    have. Raises IntrsError for anything else, damaged or not supported."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}); give a .tflite or .onnx file") from error
    if head[4:8] == b"TFL3":
        return read_tflite(path)
    if path.suffix.lower() == ".tflite":
        raise IntrsError(f"{path}: not a .tflite file, or truncated; convert it again")
    model = read_onnx(path)
    if not _quantised(model):
        raise IntrsError(
            f"{path}: a float model; quantise it first: convert it with --calibrate IMAGES --sigma S, "
            "or train it with intrs-edge train"
        )
    return from_qdq_onnx(model, str(path), notes)


def is_quantised(path: str | Path) -> bool:
    """Whether an ONNX file holds QuantizeLinear or DequantizeLinear nodes; IntrsError where it cannot be read."""
    return _quantised(read_onnx(Path(path)))


def _quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node)
