# SPDX-License-Identifier: Apache-2.0
"""How far a converted graph agrees with what it was made from, on given images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from intrs_edge.convert.load import read_source
from intrs_edge.convert.onnx_file import opset_of
from intrs_edge.convert.qdq.input import take_normalisation
from intrs_edge.convert.qdq.tail import keeps_the_class, tail
from intrs_edge.errors import IntrsError, several
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import signed_ends
from intrs_edge.graph.preprocessing import read_preprocessing

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """Shares of images with the same top class and of equal logits; the largest difference in steps of the output's
    scale; where the labels are known, the shares that the graph and its source get right: both fed the same wrong
    pixels agree as well as ever, and only these tell."""

    images: int
    top1: float
    logits_equal: float
    max_steps: int
    accuracy: float | None = None
    source_accuracy: float | None = None

    def __str__(self) -> str:
        steps = f"{self.max_steps} step{'s' * (self.max_steps != 1)}"
        text = (
            f"{self.top1:.2%} of {several(self.images, 'image')} have the same top class; "
            f"{self.logits_equal:.2%} of the logits are equal, the largest difference is {steps}"
        )
        if self.accuracy is None or self.source_accuracy is None:
            return text
        return f"{text}; accuracy {self.accuracy:.2%}, its source {self.source_accuracy:.2%}"


def compare_logits(
    graph: Graph, inputs: npt.NDArray[np.int8], logits: Floats, labels: npt.NDArray[np.int64] | None = None
) -> Agreement:
    """The graph (by the integer contract) on int8 inputs [K, H, W, C] against real logits [K, classes] of its
    source. labels: [K], for the accuracy; None or any of -1: not known."""
    ours = reference.run(graph, inputs).reshape(len(inputs), -1).astype(np.int64)
    if ours.shape != logits.shape:
        raise IntrsError(
            f"the model gives {ours.shape[1]} logits, its source {logits.shape[1]}; they are not the same model"
        )
    quant = graph.tensors[graph.outputs[0]].quant
    if quant is None:
        raise IntrsError("the model's output has no scale; convert it again")
    theirs = np.rint(logits.astype(np.float64) / quant.scale[0]) + quant.zero_point[0]
    steps = np.abs(ours - theirs.astype(np.int64))  # not clipped: saturated logits would be a difference, too
    top = float((ours.argmax(1) == theirs.argmax(1)).mean())
    found = Agreement(len(inputs), top, float((steps == 0).mean()), int(steps.max(initial=0)))
    if labels is None or np.any(labels < 0):
        return found
    ours_right, theirs_right = (float((y.argmax(1) == labels).mean()) for y in (ours, theirs))
    return replace(found, accuracy=ours_right, source_accuracy=theirs_right)


def agreement(
    graph: Graph, path: str | Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64] | None = None
) -> Agreement:
    """A graph against the .onnx or .pt2 file that it came from, on uint8 RGB images [K, H, W, C] without noise.

    Both are given what the graph's `Preprocessing` makes of the pixels. The source runs in ONNX Runtime where that is
    installed, else in onnx's own (slow) evaluator, as for what it does not know yet.
    """
    p = read_preprocessing(graph)[0]
    pixels = p.ordered(images).astype(np.int64)
    slope, offset = (np.array(part, np.float64) for part in zip(*p.affine(images.shape[3]), strict=True))
    own = take_normalisation(read_source(Path(path)))[1]  # what the source does by itself
    real = (pixels * slope + offset) * np.array(own.std, np.float64) + np.array(own.mean, np.float64)
    inputs = derive_input_map(graph, 0).apply(pixels)
    return compare_logits(graph, inputs, run_onnx(Path(path), real.astype(np.float32)), labels)


def accuracy(graph: Graph, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> float:
    """The share of uint8 RGB images [K, H, W, C] that the graph gets right, by the integer contract, without noise."""
    graph = signed_ends(graph)
    pixels = read_preprocessing(graph)[0].ordered(images).astype(np.int64)
    logits = reference.run(graph, derive_input_map(graph, 0).apply(pixels)).reshape(len(images), -1)
    return float((logits.argmax(1) == labels).mean())


def run_onnx(path: Path, images: Floats) -> Floats:
    """Logits [K, classes] of an ONNX model on real images [K, H, W, C], laid out as its input asks, one by one.

    A softmax or the like at its end is left out, as conversion leaves it out.
    """
    model = read_source(path)
    constants = {t.name for t in model.graph.initializer}
    source = next((i for i in model.graph.input if i.name not in constants), None)
    if source is None:
        raise IntrsError(f"{path}: it has no input; export it again")
    dims = [d.dim_value for d in source.type.tensor_type.shape.dim]
    if len(dims) == 4 and tuple(dims[1:]) != images.shape[1:]:
        images = images.transpose(0, 3, 1, 2)
    batch = [1, *dims[1:]] if len(dims) != 4 and min(dims[1:], default=0) > 0 else [1, *images.shape[1:]]
    end = next(iter(tail(model.graph)), None)
    if end is not None:
        model.graph.output.append(onnx.helper.make_tensor_value_info(end.input[0], onnx.TensorProto.FLOAT, None))
    run = _runner(path, model)
    rows = []
    for image in images:
        found = run(source.name, np.ascontiguousarray(image.reshape(batch)))
        dropped = end is not None and keeps_the_class(end, found[-1].shape, opset_of(model))
        rows.append(np.asarray(found[-1] if dropped else found[0], np.float32).reshape(-1))
    return np.stack(rows)


def _runner(path: Path, model: onnx.ModelProto) -> Callable[[str, Floats], list[Any]]:
    """Gives all outputs of a model for its input of that name: as the file is written, without optimisation."""
    try:
        import onnxruntime  # noqa: PLC0415
    except ModuleNotFoundError:
        return _evaluator(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda name, x: list(session.run(None, {name: x}))
    except Exception as error:
        if any(words in str(error) for words in ("NOT_IMPLEMENTED", "under development")):  # an opset newer than it
            return _evaluator(model)
        raise IntrsError(f"{path}: ONNX Runtime cannot run it ({str(error).splitlines()[0][:120]})") from error


def _evaluator(model: onnx.ModelProto) -> Callable[[str, Floats], list[Any]]:
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    evaluator = ReferenceEvaluator(model)
    return lambda name, x: list(evaluator.run(None, {name: x}))
