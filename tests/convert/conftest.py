"""Tools of the conversion tests: random inputs, the contract's own runtime, QAT networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from intrs_edge.graph import reference
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import validate
from intrs_edge.train import QatNetwork, build_network, calibrate


def run_builtin_ref(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """int8 [K, ...] -> int8 [K, classes], by tflite-runtime with BUILTIN_REF."""
    tflite = pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime is not installed")
    interpreter = tflite.Interpreter(
        model_content=write_tflite(graph), experimental_op_resolver_type=tflite.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (x["dtype"], y["dtype"]) == (np.int8, np.int8)
    rows = []
    for row in inputs:
        interpreter.set_tensor(x["index"], row[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(y["index"])[0].copy())
    return np.stack(rows)


def check_contract(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    """Numpy reference = BUILTIN_REF on random inputs; gives the logits."""
    validate(graph)
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    inputs = np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)
    ours = reference.run(graph, inputs)
    np.testing.assert_array_equal(ours, run_builtin_ref(graph, inputs))
    assert len(np.unique(ours)) > 10  # a constant output would prove nothing
    return ours


@pytest.fixture(scope="session")
def make_network() -> Callable[..., QatNetwork]:
    """A network with random weights and ranges calibrated on random images."""

    def make(name: str, shape: tuple[int, int, int], classes: int = 10, seed: int = 1, **options: object) -> QatNetwork:
        network = build_network(name, shape, classes, sigma=0.25, seed=seed, options=options)
        calibrate(network, np.random.default_rng(seed).integers(0, 256, (64, *shape)), 32)
        return network

    return make
