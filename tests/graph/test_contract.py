"""Every operator of the numpy reference equals tflite-runtime 2.14 BUILTIN_REF, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from draws import inputs_for
from graph_cases import CASES, op_graph, small_graph
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from interpreter import interpret
from network_cases import NETWORKS

from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.passes import simplify
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import validate

RUNS = 8
EXAMPLES = 40
SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": (Phase.explicit, Phase.generate, Phase.shrink),
}


def agree(graph, seed: int) -> None:
    validate(graph)
    content = write_tflite(graph)
    x = inputs_for(graph, RUNS, seed)
    expected = interpret(content, x)
    np.testing.assert_array_equal(reference.run(graph, x), expected)
    np.testing.assert_array_equal(reference.run(read_tflite(content), x), expected)


@pytest.mark.parametrize("kind", CASES)
def test_operator_equals_builtin_ref(kind: str) -> None:
    @settings(max_examples=EXAMPLES, **SETTINGS)
    @given(op_graph(kind), st.integers(0, 2**32 - 1))
    def check(graph, seed) -> None:
        agree(graph, seed)

    check()


@pytest.mark.long
@pytest.mark.parametrize("kind", CASES)
def test_operator_equals_builtin_ref_many(kind: str) -> None:
    @settings(max_examples=3000, **SETTINGS)
    @given(op_graph(kind), st.integers(0, 2**32 - 1))
    def check(graph, seed) -> None:
        agree(graph, seed)

    check()


def test_another_rounding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: with single instead of double rounding some value of some input differs."""
    b = GraphBuilder()
    source = b.input((1, 12, 12, 8), scale=0.1, zero_point=3)
    w = np.random.default_rng(0).integers(-127, 128, (16, 3, 3, 8))
    graph = b.build(b.conv_2d(source, w, weight_scale=0.01, scale=4.0))
    x = inputs_for(graph, 32, 1)
    expected = interpret(graph, x)
    np.testing.assert_array_equal(reference.run(graph, x), expected)

    def single(acc, multiplier, shift):
        return (acc * multiplier + (np.int64(1) << (30 - shift))) >> (31 - shift)

    monkeypatch.setattr("intrs_edge.graph.reference.common.multiply_by_quantized_multiplier", single)
    assert (reference.run(graph, x) != expected).any()


@settings(max_examples=60, **SETTINGS)
@given(small_graph(), st.integers(0, 2**32 - 1))
def test_small_networks_equal_builtin_ref(graph, seed) -> None:
    agree(graph, seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_other_kinds_equal_builtin_ref(name: str) -> None:
    for seed in range(2):
        graph = NETWORKS[name](seed)
        agree(graph, seed)
        x = inputs_for(graph, RUNS, seed)
        np.testing.assert_array_equal(reference.run(simplify(graph), x), reference.run(graph, x))
