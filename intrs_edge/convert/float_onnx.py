# SPDX-License-Identifier: Apache-2.0
"""Float ONNX -> int8 through onnx2tf (extra ``onnx2tf``): post-training quantisation, calibrated on what the device
will see.

onnx2tf pins an old TensorFlow, so it runs as a process of its own. The calibration images carry the noise, drawn on
the pixel lattice and saturated as the device saturates it; ranges from clean images would clip most of the noise away.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.shape_inference

from intrs_edge.children import guarded, patient
from intrs_edge.convert.onnx_file import opset_of, read_onnx
from intrs_edge.convert.qdq.tail import keeps_the_class, tail
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import drop_tail, integer_ends
from intrs_edge.graph.preprocessing import Preprocessing, described
from intrs_edge.graph.reading import SIGMA_KEY, PixelOptions, declared
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.validate import validate
from intrs_edge.smoothing.noise import DiscreteGaussian, draw, exact
from intrs_edge.train.inputs import choose_input_quant

LIMIT_S = 1800


def from_float_onnx(
    path: str | Path,
    images: npt.NDArray[np.uint8],
    sigma: float,
    pixels: PixelOptions | None = None,
    seed: int = 0,
) -> Graph:
    """The int8 graph of a float model, its ranges calibrated on noisy copies of ``images`` (uint8 RGB [K, H, W, C]).

    sigma: in [0,1] pixels. pixels: what a pixel means to the model, where its metadata do not say it; where nobody
    does, the ranges are those of pixel / 255 and the graph says that it is not known. The scales are measured, not
    learned: see `agreement` for what that costs. Raises IntrsError when the extra is missing or onnx2tf fails.
    """
    path = Path(path)
    model = read_onnx(path)
    if importlib.util.find_spec("onnx2tf") is None:
        raise IntrsError(
            f"{path}: a float model needs the extra onnx2tf; install it with: pip install 'intrs-edge[onnx2tf]'"
        )
    constants = {t.name for t in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in constants]
    if len(inputs) != 1 or len(images) == 0:
        raise IntrsError(
            f"{path}: {len(inputs)} inputs and {len(images)} calibration images; give one input and some images"
        )
    said = {p.key: p.value for p in model.metadata_props}
    reads = declared(said, images.shape[3], pixels or PixelOptions())
    samples = calibration_samples(images, sigma, reads, seed)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "calibration.npy", samples)
        graph = read_tflite(_quantise(path, model, inputs[0], Path(folder), samples.shape[3]).read_bytes())
    metadata = {SIGMA_KEY: repr(float(sigma))} | {k: v for k, v in said.items() if k == "intrs.classes"}
    graph = described(replace(drop_tail(integer_ends(graph))[0], name=path.stem, metadata=metadata), reads)
    try:
        validate(graph)
    except IntrsError as error:
        raise IntrsError(f"{path}: {error}") from error
    return graph


def onnx_image_shape(path: str | Path) -> tuple[int, int, int]:
    """(H, W, C) of the image that an ONNX model takes; IntrsError when its input is no single image of fixed size."""
    model = read_onnx(Path(path))
    constants = {t.name for t in model.graph.initializer}
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input if i.name not in constants]
    if len(shapes) != 1 or len(shapes[0]) != 4 or min(shapes[0][1:]) < 1:
        raise IntrsError(f"{path}: its input is not one image [1, C, H, W] of fixed size; export it so")
    a, b, c = shapes[0][1:]
    return (a, b, c) if c in (1, 3) and a not in (1, 3) else (b, c, a)


def calibration_samples(
    images: npt.NDArray[np.uint8], sigma: float, reads: Preprocessing, seed: int
) -> npt.NDArray[np.float32]:
    """Real inputs [K, H, W, C]: noisy lattice images within two sigma of the pixel range, whose ends occur.

    The range is that of the smallest input scale 2^k / 255 with room for two sigma on each side (docs/train.md), so
    that without normalisation the calibrated input scale is that one and the device needs a shift only.
    """
    noisy = reads.ordered(images).astype(np.int32)
    if sigma > 0:
        noise = DiscreteGaussian(exact(sigma, "sigma") * 255)
        noisy += draw(noise, noisy.size, np.random.default_rng(seed)).reshape(noisy.shape)
    quant = choose_input_quant(sigma)
    low, high = ((q - quant.zero_point) << quant.shift for q in (-128, 127))
    noisy = np.clip(noisy, low, high)
    noisy[0].reshape(-1)[:2] = low, high
    known = reads if reads.range is not None else replace(reads, range="0..1")
    slope, offset = (np.array(part, np.float64) for part in zip(*known.affine(images.shape[3]), strict=True))
    real: npt.NDArray[np.float64] = noisy * slope + offset
    return real.astype(np.float32)


def _without_tail(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model up to its logits, where what lies behind them does not change the class."""
    cut = onnx.ModelProto.FromString(model.SerializeToString())
    end = next(iter(tail(cut.graph)), None)
    if end is None:
        return cut
    try:
        shapes = onnx.shape_inference.infer_shapes(cut).graph.value_info
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return cut  # onnx2tf will say what is wrong with it
    value = next((v for v in shapes if v.name == end.input[0]), None)
    dims = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim] if value is not None else []
    if value is None or not keeps_the_class(end, tuple(dims), opset_of(cut)):
        return cut
    del cut.graph.output[:]
    cut.graph.output.append(value)
    needed, live = {value.name}, []
    for node in reversed(cut.graph.node):
        if needed & set(node.output):
            live.append(node)
            needed |= set(node.input)
    del cut.graph.node[:]
    cut.graph.node.extend(live[::-1])
    return cut


def _quantise(path: Path, model: onnx.ModelProto, name: str, folder: Path, channels: int) -> Path:
    """Runs onnx2tf in ``folder`` on the model as it was read and checked; gives the full-integer model with int8
    ends."""
    out, given = folder / "out", folder / "model.onnx"
    given.write_bytes(_without_tail(model).SerializeToString())
    # onnx2tf compares its conversion on 20 images that it fetches from the net, unless they lie in its working folder
    own_check = np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32)
    np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", own_check)
    zeros, ones = (json.dumps([[[[v] * channels]]]) for v in (0.0, 1.0))
    command = [
        sys.executable, "-m", "onnx2tf", "-i", str(given), "-o", str(out), "-oiqt", "-iqd", "int8",
        "-oqd", "int8", "-qt", "per-channel", "-b", "1", "-n",
        "-cind", name, str(folder / "calibration.npy"), zeros, ones,
    ]  # fmt: skip
    environment: Mapping[str, str] = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            guarded(command),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=patient(LIMIT_S),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IntrsError(f"{path}: onnx2tf did not finish in {LIMIT_S} s; give fewer calibration images") from error
    found = sorted(out.glob("*_full_integer_quant.tflite"))
    if done.returncode or not found:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        why = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")
        raise IntrsError(
            f"{path}: onnx2tf cannot convert it ({why.strip()[:200]}); run onnx2tf by hand, or quantise to QDQ ONNX"
        )
    return found[0]
