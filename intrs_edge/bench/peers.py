# SPDX-License-Identifier: Apache-2.0
"""The engines that `bench` compares with, on the same model, inputs and threads. Each is optional."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.children import guarded, patient
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_writer import write_tflite

Int8s = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """What every engine runs: ``inputs`` int8 ``[batch, H, W, C]``, noisy copies of an image; ``source``: its file."""

    graph: Graph
    inputs: Int8s
    threads: int
    source: Path | None = None

    @property
    def real(self) -> Floats:
        """The inputs as real values, ``[batch, C, H, W]``."""
        q = self.graph.tensors[self.graph.inputs[0]].quant
        assert q is not None
        values = (self.inputs.astype(np.float32) - np.float32(q.zero_point[0])) * np.float32(q.scale[0])
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class Engine:
    """Runs the whole batch once per call and gives the top classes ``[batch]``."""

    name: str
    version: str
    run: Callable[[], npt.NDArray[np.int64]]
    images: int


@dataclass(frozen=True)
class Absent:
    """An engine that does not run here, and why."""

    name: str
    why: str


def _needs(*modules: str) -> Any:
    """The first module of those that is installed; IntrsError names what is missing."""
    for name in modules:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise IntrsError(
        f"{' or '.join(m.split('.')[0] for m in modules)} is not installed: pip install 'intrs-edge[bench]'"
    )


def _onnxruntime(work: Workload, activations: str) -> Engine:
    """``int8``: a QDQ file as it is. ``uint8``: zero points moved by 128, its fast form on x86. Empty: float32."""
    ort = _needs("onnxruntime")
    from intrs_edge.convert.onnx_export import to_onnx  # noqa: PLC0415 - onnx is needed here only

    own = activations == "int8" and work.source is not None and work.source.suffix == ".onnx"
    assert work.source is not None or not own
    model = work.source.read_bytes() if own and work.source else to_onnx(work.graph, activations).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = work.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: work.real}
    return Engine("", ort.__version__, lambda: np.argmax(session.run(None, feed)[0], axis=1), len(work.inputs))


def _torch(work: Workload) -> Engine:
    torch = _needs("torch")
    from intrs_edge.convert.onnx_export import to_onnx  # noqa: PLC0415
    from intrs_edge.convert.onnx_torch import module_of  # noqa: PLC0415

    module = module_of(to_onnx(work.graph))
    x = torch.from_numpy(work.real)

    def run() -> npt.NDArray[np.int64]:
        torch.set_num_threads(work.threads)
        with torch.inference_mode():
            top: npt.NDArray[np.int64] = module(x).argmax(1).numpy()
        return top

    return Engine("", torch.__version__, run, len(work.inputs))


def _litert(work: Workload) -> Engine:
    """The default interpreter (XNNPACK) of ai-edge-litert or tflite-runtime, one image a call as its graphs are."""
    runtime = _needs("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
    package = importlib.import_module(runtime.__name__.split(".")[0])
    model = write_tflite(work.graph)
    _survives(runtime.__name__, model)
    interpreter = runtime.Interpreter(model_content=model, num_threads=work.threads)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run() -> npt.NDArray[np.int64]:
        top = []
        for x in work.inputs:
            interpreter.set_tensor(into, x[np.newaxis])
            interpreter.invoke()
            top.append(int(np.argmax(interpreter.get_tensor(out))))
        return np.array(top, np.int64)

    version = f"{package.__name__} {getattr(package, '__version__', '')}".strip()
    return Engine("", version, run, len(work.inputs))


_TRIAL = """
import importlib, sys, numpy
i = importlib.import_module(sys.argv[1]).Interpreter(model_content=sys.stdin.buffer.read())
i.allocate_tensors()
d = i.get_input_details()[0]
i.set_tensor(d["index"], numpy.zeros(d["shape"], d["dtype"]))
i.invoke()
"""


def _survives(module: str, model: bytes) -> None:
    """Runs a model once in a process of its own: XNNPACK crashes on some (a depthwise convolution without bias)."""
    result = subprocess.run(
        guarded([sys.executable, "-c", _TRIAL, module]),
        input=model,
        capture_output=True,
        timeout=patient(120),
        check=False,
    )
    if result.returncode:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        how = f"signal {-result.returncode}" if result.returncode < 0 else lines[-1][:160]
        raise IntrsError(f"crashed on this model: {how}")


PEERS: dict[str, Callable[[Workload], Engine]] = {
    "PyTorch fp32": _torch,
    "ONNX Runtime fp32": lambda work: _onnxruntime(work, ""),
    "ONNX Runtime int8": lambda work: _onnxruntime(work, "int8"),
    "ONNX Runtime uint8": lambda work: _onnxruntime(work, "uint8"),
    "LiteRT int8 (XNNPACK)": _litert,
}


def open_peer(name: str, work: Workload) -> Engine | Absent:
    """A peer that has run once, or why it cannot: not installed, an operator not translated, or its own error."""
    try:
        engine = PEERS[name](work)
        engine.run()
    except IntrsError as error:
        return Absent(name, str(error))
    except Exception as error:  # a peer's failure is a result, not ours
        return Absent(name, f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
    return Engine(name, engine.version, engine.run, engine.images)
