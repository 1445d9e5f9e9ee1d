"""What generated projects must answer, by the references alone; what the examples of the network `tiny` print."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
from networks import tiny

from intrs_edge.codegen import GenerateOptions
from intrs_edge.codegen.manifest import smoothing_of
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.smoothing import Certificate, Stream, certify
from intrs_edge.targets.manifest import read_manifest

OPTIONS = GenerateOptions(n0=10, n=100, sigma=Decimal("0.1"), board="mps2-an386", machine="generic")
IMAGE = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)  # the image that they certify


def expected(image: npt.NDArray[np.uint8], stream: Stream) -> Certificate:
    """By the references alone: no C takes part."""
    graph = tiny()

    def classify(noisy: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        inputs = (np.clip(noisy, 0, 255) - 128).astype(np.int8)
        logits = [reference.run(graph, [x.reshape(1, 4, 4, 1)])[0] for x in inputs]
        return np.argmax(np.array(logits).reshape(len(inputs), -1), axis=1)

    return certify(classify, image, stream, OPTIONS.smoothing((4, 4, 1)), 3)


def certificate_of(project: Path, image: npt.NDArray[np.uint8], stream: Stream) -> Certificate:
    """Of a generated project, from its model.tflite and its settings."""
    manifest = read_manifest(project).raw
    graph, smoothing = read_tflite(project / "model.tflite"), smoothing_of(manifest)
    to_codes = InputMap(**{k: tuple(v) if isinstance(v, list) else v for k, v in manifest["input_map"].items()})

    def classify(noisy: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        logits = [reference.run(graph, to_codes.apply(one[None]).astype(np.int8)) for one in noisy]
        return np.array([np.argmax(np.asarray(x[0] if isinstance(x, list | tuple) else x)) for x in logits])

    return certify(classify, image, stream, smoothing, len(manifest["classes"]))


def said(c: Certificate) -> str:
    """What certify_image prints of it."""
    return f"class {c.label} within a squared radius of {c.radius_squared}\n{c.count} of {c.samples} samples\n"
