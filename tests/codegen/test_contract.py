"""Generated C (host, portable kernels) = numpy reference = tflite-runtime BUILTIN_REF, bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from compiled import Library, model_of
from draws import inputs_for
from graph_cases import CASES, op_graph, small_graph
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from interpreter import interpret
from network_cases import NETWORKS

from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.passes import simplify

RUNS = 6
SETTINGS = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate),  # no shrinking: an example is a compilation
    "derandomize": True,
}


def agree(graphs, seed: int, optimize: str = "speed") -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder), [model_of(g, optimize=optimize) for g in graphs])
        for number, graph in enumerate(graphs):
            x = inputs_for(graph, RUNS, seed + number)
            expected = reference.run(graph, x)
            found = library.run(number, x)
            np.testing.assert_array_equal(found.reshape(expected.shape), expected, str(graph.ops))
        # the reference is compared with the interpreter in tests/graph; here the triangle is closed once a batch
        graph = graphs[seed % len(graphs)]
        x = inputs_for(graph, 2, seed)
        assert np.array_equal(interpret(graph, x).reshape(2, -1), reference.run(graph, x).reshape(2, -1))


@pytest.mark.parametrize("kind", CASES)
def test_generated_operator(kind: str) -> None:
    @settings(max_examples=2, **SETTINGS)
    @given(st.lists(op_graph(kind), min_size=8, max_size=8), st.integers(0, 2**31))
    def check(graphs, seed) -> None:
        agree(graphs, seed)

    check()


@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_generated_networks(optimize: str) -> None:
    @settings(max_examples=2, **SETTINGS)
    @given(st.lists(small_graph(), min_size=10, max_size=10), st.integers(0, 2**31))
    def check(graphs, seed) -> None:
        agree(graphs, seed, optimize)

    check()


@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_generated_networks_of_other_kinds(optimize: str) -> None:
    agree([simplify(make(3)) for make in NETWORKS.values()], 0, optimize)


@pytest.mark.long
@pytest.mark.parametrize("kind", [*CASES, "network"])
def test_generated_many(kind: str) -> None:
    one = small_graph() if kind == "network" else op_graph(kind)

    @settings(max_examples=20, **(SETTINGS | {"derandomize": False}))
    @given(st.lists(one, min_size=30, max_size=30), st.integers(0, 2**31))
    def check(graphs, seed) -> None:
        agree(graphs, seed)

    check()


def test_a_wrong_constant_is_caught(tmp_path: Path) -> None:
    """The comparison can fail: one weight off by one changes some output."""
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 127, (4, 3, 3, 2))
    graphs = []
    for delta in (0, 1):
        b = GraphBuilder()
        x = b.input((1, 6, 6, 2), scale=0.1)
        changed = weights.copy()
        changed[0, 1, 1, 0] += delta
        graphs.append(b.build(b.conv_2d(x, changed, weight_scale=0.01, scale=0.05)))
    library = Library(tmp_path, [model_of(graphs[1])])
    x = inputs_for(graphs[0], 8, 0)
    assert (library.run(0, x) != reference.run(graphs[0], x).reshape(8, 1, 6, 6, 4)).any()
