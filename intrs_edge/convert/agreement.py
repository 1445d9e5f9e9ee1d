"""How far a converted graph agrees with what it was made from, on given images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.onnx_file import read_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map, input_normalisation
from intrs_edge.graph.ir import Graph

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """Shares of images with the same top class and of equal logits; the largest difference in steps of the output's
    scale."""

    images: int
    top1: float
    logits_equal: float
    max_steps: int

    def __str__(self) -> str:
        steps = f"{self.max_steps} step{'s' * (self.max_steps != 1)}"
        return (
            f"{self.top1:.2%} of {self.images} images have the same top class; "
            f"{self.logits_equal:.2%} of the logits are equal, the largest difference is {steps}"
        )


def compare_logits(graph: Graph, inputs: npt.NDArray[np.int8], logits: Floats) -> Agreement:
    """The graph (by the integer contract) on int8 inputs [K, H, W, C] against real logits [K, classes] of its
    source."""
    ours = reference.run(graph, inputs).reshape(len(inputs), -1).astype(np.int64)
    if ours.shape != logits.shape:
        raise IntrsError(
            f"the model gives {ours.shape[1]} logits, its source {logits.shape[1]}; they are not the same model"
        )
    quant = graph.tensors[graph.outputs[0]].quant
    if quant is None:
        raise IntrsError("the model's output has no scale; convert it again")
    theirs = np.rint(logits.astype(np.float64) / quant.scale[0]) + quant.zero_point[0]
    steps = np.abs(ours - np.clip(theirs, -128, 127).astype(np.int64))
    top = float((ours.argmax(1) == theirs.argmax(1)).mean())
    return Agreement(len(inputs), top, float((steps == 0).mean()), int(steps.max(initial=0)))


def agreement(graph: Graph, path: str | Path, images: npt.NDArray[np.uint8]) -> Agreement:
    """A graph against the .onnx file that it came from, on uint8 images [K, H, W, C] without noise.

    The source runs in ONNX Runtime where that is installed, else in onnx's own (slow) evaluator.
    """
    channels = images.shape[3]
    mean, std = input_normalisation(graph, channels)
    real = (images / 255.0 - np.array(mean, np.float64)) / np.array(std, np.float64)
    inputs = derive_input_map(graph, 0).apply(images.astype(np.int64))
    return compare_logits(graph, inputs, run_onnx(Path(path), real.astype(np.float32)))


def run_onnx(path: Path, images: Floats) -> Floats:
    """Logits [K, classes] of an ONNX model on real images [K, H, W, C], laid out as its input asks, one by one.

    A softmax at its end is left out, as conversion leaves it out.
    """
    model = read_onnx(path)
    _end_in_logits(model)
    constants = {t.name for t in model.graph.initializer}
    source = next((i for i in model.graph.input if i.name not in constants), None)
    if source is None:
        raise IntrsError(f"{path}: it has no input; export it again")
    dims = [d.dim_value for d in source.type.tensor_type.shape.dim]
    if len(dims) == 4 and tuple(dims[1:]) != images.shape[1:]:
        images = images.transpose(0, 3, 1, 2)
    rows = []
    run = _runner(path, model)
    for image in images:
        rows.append(np.asarray(run(source.name, np.ascontiguousarray(image[np.newaxis])), np.float32).reshape(-1))
    return np.stack(rows)


def _end_in_logits(model: Any) -> None:
    """Makes the input of a final Softmax the model's output."""
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(model.graph.output[0].name)
    while node is not None and node.op_type in ("QuantizeLinear", "DequantizeLinear", "Identity") and node.input:
        node = makers.get(node.input[0])
    if node is not None and node.op_type in ("Softmax", "LogSoftmax") and node.input:
        model.graph.output[0].name = node.input[0]


def _runner(path: Path, model: Any) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

        evaluator = ReferenceEvaluator(model)
        return lambda name, x: evaluator.run(None, {name: x})[0]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file as it is written
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda name, x: session.run(None, {name: x})[0]
    except Exception as error:
        raise IntrsError(f"{path}: ONNX Runtime cannot run it ({str(error).splitlines()[0][:120]})") from error
