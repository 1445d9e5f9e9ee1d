"""The judge: tflite-runtime 2.14 with its reference kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_writer import write_tflite

Array = npt.NDArray[np.generic]


def interpret(model: Graph | bytes, inputs: Array) -> Array:
    """``[K, ...]`` inputs of the one input, one run each; the output without its batch dimension, as `reference.run`
    gives it."""
    tflite = pytest.importorskip(
        "tflite_runtime.interpreter", reason="tflite-runtime (extra 'verify') is not installed"
    )
    content = model if isinstance(model, bytes) else write_tflite(model)
    interpreter = tflite.Interpreter(
        model_content=content,
        experimental_op_resolver_type=tflite.OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for x in inputs:
        interpreter.set_tensor(source["index"], np.ascontiguousarray(x).reshape(source["shape"]))
        interpreter.invoke()
        results.append(interpreter.get_tensor(target["index"]).copy())
    y = np.stack(results)
    return y[:, 0] if y.ndim > 1 and y.shape[1] == 1 else y
