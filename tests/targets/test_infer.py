"""`infer` of generated projects = tflite-runtime 2.14 BUILTIN_REF on 1000 random inputs, bit for bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.boards import load_board
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.targets import open_target
from intrs_edge.targets.build import build_project

NETWORKS = {"resnet8": (32, 32, 3), "ds-cnn": (49, 10, 1), "resnet20": (32, 32, 3)}
COUNT = 1000


def builtin_ref(model: Path, inputs: np.ndarray) -> np.ndarray:
    """int8 [K, ...] -> int8 [K, classes]."""
    tflite = pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime is not installed")
    reference = tflite.OpResolverType.BUILTIN_REF
    interpreter = tflite.Interpreter(model_path=str(model), experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for row in inputs:
        interpreter.set_tensor(x, row[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(y)[0].copy())
    return np.stack(rows)


def random_network(name: str):
    """As `train` makes it, with random weights and ranges calibrated on random images."""
    pytest.importorskip("torch", reason="torch is not installed")
    from intrs_edge.convert.qdq import from_qdq_onnx
    from intrs_edge.train import build_network, calibrate, freeze
    from intrs_edge.train.onnx_writer import to_onnx

    network = build_network(name, NETWORKS[name], 10, sigma=0.25, seed=1)
    calibrate(network, np.random.default_rng(1).integers(0, 256, (64, *NETWORKS[name])), 32)
    return from_qdq_onnx(to_onnx(freeze(network)))


def random_inputs(shape: tuple[int, ...]) -> np.ndarray:
    """Half of them over the whole range, half in a narrow band."""
    rng = np.random.default_rng(2)
    x = rng.integers(-128, 128, (COUNT, *shape))
    x[1::2] = x[1::2] // 10 + rng.integers(-128, 128, (COUNT // 2, 1, 1, 1))
    return np.clip(x, -128, 127).astype(np.int8)


def theirs(model: Path, inputs: np.ndarray) -> np.ndarray:
    """`builtin_ref` by two interpreters at a time; they run without Python's lock."""
    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(lambda half: builtin_ref(model, half), np.array_split(inputs, 2))))


@pytest.mark.parametrize("name", NETWORKS)
def test_infer_equals_builtin_ref_on_1000_inputs(name: str, tmp_path: Path) -> None:
    project = tmp_path / "p"
    generate(random_network(name), GenerateOptions(n0=10, n=100), project)
    build_project(project, 2)
    inputs = random_inputs(NETWORKS[name])
    with open_target(project, "host") as host:
        ours = host.infer(inputs)
    np.testing.assert_array_equal(ours, theirs(project / "model.tflite", inputs))
    assert len(np.unique(ours)) > 10  # a constant output would prove nothing
    assert len(np.unique(ours, axis=0)) > COUNT // 2


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_the_emulated_board_too(name: str, tmp_path: Path) -> None:
    project = tmp_path / "p"
    generate(random_network(name), GenerateOptions(board=load_board("mps2-an386"), n0=10, n=100), project)
    build_project(project, 2)
    inputs = random_inputs(NETWORKS[name])
    with open_target(project, "emulator") as board:
        ours = board.infer(inputs)
    np.testing.assert_array_equal(ours, theirs(project / "model.tflite", inputs))
