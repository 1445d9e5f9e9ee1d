# SPDX-License-Identifier: Apache-2.0
"""A network in fp32 on this machine, by ONNX Runtime or PyTorch: what the floating-point methods are measured with."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from intrs_edge.convert import load_model
from intrs_edge.convert.float_onnx import onnx_image_shape
from intrs_edge.convert.load import is_quantised
from intrs_edge.convert.onnx_export import to_onnx
from intrs_edge.convert.onnx_file import read_onnx
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import image_shape
from intrs_edge.graph.preprocessing import Preprocessing
from intrs_edge.graph.reading import PixelOptions, declared, resolve, unknown
from intrs_edge.graph.words import ASK

Floats = npt.NDArray[np.float32]
Runner = Callable[[Floats], Floats]  # the file's own input layout, batch first -> logits [N, classes]
ENGINES = ("onnxruntime", "torch")


@dataclass(frozen=True)
class FloatNetwork:
    """A float network with what a pixel means to it. shape: (H, W, C) of the image; digest: SHA-256 (hex) of its file;
    engine: what runs it, with its version; batch: most inputs of one call."""

    shape: tuple[int, int, int]
    classes: int
    digest: str
    engine: str
    reads: Preprocessing
    nchw: bool
    batch: int
    run: Runner
    module: Any = None  # with PyTorch: the function of a tensor that run wraps, for its gradient

    def logits(self, pixels: Floats) -> Floats:
        """Float pixels [N, H, W, C], 0 .. 1 and beyond, R G B -> logits [N, classes]."""
        lines = np.array(self.reads.affine(self.shape[2]), np.float64)
        ordered = pixels[..., ::-1] if self.reads.bgr else pixels
        real = ordered * np.float32(255) * lines[:, 0].astype(np.float32) + lines[:, 1].astype(np.float32)
        real = np.ascontiguousarray(real.transpose(0, 3, 1, 2) if self.nchw else real, np.float32)
        return np.concatenate([self.run(real[i : i + self.batch]) for i in range(0, len(real), self.batch)])


def open_float_network(
    path: Path, options: PixelOptions | None = None, engine: str | None = None, threads: int | None = None
) -> FloatNetwork:
    """A float ONNX file, or a quantised .onnx / .tflite read as float: its weights as rounded, nothing else rounded.

    options: what a pixel means, where the file does not say it. engine: one of ENGINES; None: ONNX Runtime where it is
    installed, which is the faster, else PyTorch. threads: None for all cores. Raises IntrsError for a file that is no
    such network, that does not say what a pixel means, or that the engine cannot run.
    """
    options = options or PixelOptions()
    threads = threads or len(os.sched_getaffinity(0))
    digest = hashlib.sha256(_content(path)).hexdigest()
    if path.suffix.lower() == ".tflite" or is_quantised(path):
        reading = resolve(load_model(path), options)
        if not reading.known:
            raise IntrsError(f"{path}: {unknown(reading.graph)}")
        try:
            model = to_onnx(reading.graph)
        except IntrsError as error:
            raise IntrsError(f"{path} cannot be read as float: {error}; give the float network's own file") from None
        shape, reads, nchw = image_shape(reading.graph), reading.preprocessing, True
    else:
        model, shape = read_onnx(path), onnx_image_shape(path)
        reads = declared({p.key: p.value for p in model.metadata_props}, shape[2], options)
        if reads.range is None:
            raise IntrsError(
                f"{path}: what a pixel means to this network is not known: say how it was trained with {ASK}"
            )
        nchw = _input_dims(model) == [shape[2], shape[0], shape[1]]
    _free_batch(model)
    chosen = engine or next((name for name in ENGINES if importlib.util.find_spec(name) is not None), None)
    if chosen not in ENGINES:
        raise IntrsError(
            "a float network needs ONNX Runtime or PyTorch: pip install 'intrs-edge[bench]'"
            if chosen is None
            else f"engine {engine!r} is none of {', '.join(ENGINES)}"
        )
    try:
        run, version, module = (_by_torch if chosen == "torch" else _by_onnxruntime)(model, threads)
    except ImportError as error:
        raise IntrsError(f"{chosen} is not installed: pip install 'intrs-edge[bench,train]'") from error
    dims = [shape[2], *shape[:2]] if nchw else [*shape]
    batch, classes = _tried(run, dims, path)
    return FloatNetwork(shape, classes, digest, f"{chosen} {version}", reads, nchw, batch, run, module)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}); give an .onnx or .tflite file") from None


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {t.name for t in model.graph.initializer}
    return [i for i in model.graph.input if i.name not in constants]


def _input_dims(model: onnx.ModelProto) -> list[int]:
    return [d.dim_value for d in _inputs(model)[0].type.tensor_type.shape.dim][1:]


def _free_batch(model: onnx.ModelProto) -> None:
    """Lets the first axis of the ends be any number, which most networks that were exported for one image can do."""
    for value in (*_inputs(model), *model.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.value_info[:]


_BATCH = 256


def _tried(run: Runner, dims: list[int], path: Path) -> tuple[int, int]:
    """(inputs a call, classes): many at once where the network can do that and means the same, else one by one."""
    two = np.random.default_rng(0).random((2, *dims), dtype=np.float32)
    try:
        alone = [run(two[i : i + 1]) for i in range(2)]
    except Exception as error:  # an engine's failure can be anything
        why = " ".join(str(error).split())[:160]
        raise IntrsError(f"{path}: it does not run ({type(error).__name__}: {why}); export it again") from None
    if any(logits.ndim != 2 or logits.shape[0] != 1 or logits.shape[1] < 2 for logits in alone):
        raise IntrsError(f"{path}: gives {list(alone[0].shape)} for an image, not logits [1, classes]; export it so")
    classes = alone[0].shape[1]
    try:
        both = run(two)
        spread = max(1e-3, float(np.abs(np.concatenate(alone)).max()))
        same = both.shape == (2, classes) and bool(np.abs(both - np.concatenate(alone)).max() < 1e-3 * spread)
    except Exception:  # a constant in it is for one image
        same = False
    return (max(1, min(_BATCH, (1 << 23) // max(1, int(np.prod(dims))))) if same else 1), classes


def _by_onnxruntime(model: onnx.ModelProto, threads: int) -> tuple[Runner, str, Any]:
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise IntrsError(f"ONNX Runtime does not take the network: {' '.join(str(error).split())[:200]}") from None
    name = session.get_inputs()[0].name

    def run(x: Floats) -> Floats:
        logits: Floats = session.run(None, {name: x})[0]
        return logits

    return run, str(ort.__version__), None


def _by_torch(model: onnx.ModelProto, threads: int) -> tuple[Runner, str, Any]:
    torch = importlib.import_module("torch")
    from intrs_edge.convert.onnx_torch import module_of  # noqa: PLC0415 - it needs torch

    try:
        module = module_of(model)
    except KeyError as error:
        raise IntrsError(
            f"the network's operator {error.args[0]} is not run by PyTorch here; use ONNX Runtime"
        ) from None

    def run(x: Floats) -> Floats:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            logits: Floats = module(torch.from_numpy(x)).numpy()
        return logits

    return run, str(torch.__version__), module
