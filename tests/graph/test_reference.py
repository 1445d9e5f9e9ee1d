"""What the reference promises beyond the single operators: batches, several ends, exact sums, overflow."""

from __future__ import annotations

import numpy as np
import pytest
from draws import inputs_for
from interpreter import interpret

from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.reference.conv import exact_type


def network():
    b, rng = GraphBuilder(), np.random.default_rng(0)
    x = b.input((1, 6, 5, 3), scale=0.1, zero_point=2)
    y = b.conv_2d(x, rng.integers(-127, 128, (4, 3, 3, 3)), weight_scale=0.01, scale=0.5)
    return b.build(b.fully_connected(b.flatten(y), rng.integers(-127, 128, (7, 120)), weight_scale=0.01, scale=0.5))


def test_runs_are_independent_and_the_batch_may_be_left_out() -> None:
    graph = network()
    x = inputs_for(graph, 5, 0)
    together = reference.run(graph, x)
    assert together.shape == (5, 7)
    assert together.dtype == np.int8
    np.testing.assert_array_equal(reference.run(graph, x[:, 0]), together)
    np.testing.assert_array_equal(np.concatenate([reference.run(graph, x[i : i + 1]) for i in range(5)]), together)


def test_wrong_inputs_are_named() -> None:
    graph = network()
    with pytest.raises(IntrsError, match=r"input 'input' is \[2, 5, 6, 3\], the model takes \[K, 1, 6, 5, 3\]"):
        reference.run(graph, np.zeros((2, 5, 6, 3), np.int8))
    with pytest.raises(IntrsError, match="values of type float64"):
        reference.run(graph, np.zeros((2, 6, 5, 3)))


def test_several_outputs() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    graph = b.build(b.split(x, 1, 2))
    v = inputs_for(graph, 3, 0)
    left, right = reference.run_all(graph, [v])
    np.testing.assert_array_equal(np.concatenate([left, right], axis=1), v[:, 0])
    with pytest.raises(IntrsError, match="1 inputs and 2 outputs"):
        reference.run(graph, v)


def test_every_value_can_be_kept() -> None:
    graph = network()
    found = reference.values(graph, [inputs_for(graph, 2, 0)], keep=True)
    assert {i for op in graph.ops for i in op.outputs} <= set(found)
    assert found[graph.ops[0].outputs[0]].shape == (2, 1, 6, 5, 4)


def test_sums_are_exact_in_the_float_that_is_chosen() -> None:
    small, large = np.full((1, 500), 127, np.int8), np.full((1, 600), 127, np.int8)
    assert exact_type(small) is np.float32
    assert exact_type(large) is np.float64
    # the longest dot product that still runs in float32, on the largest operands
    b = GraphBuilder()
    x = b.input((1, 500), scale=1.0, zero_point=-128)
    graph = b.build(b.fully_connected(x, np.full((1, 500), 127), [1], weight_scale=1.0, scale=1e6))
    v = np.full((1, 1, 500), 127, np.int8)
    v[0, 0, 3] = 126
    np.testing.assert_array_equal(reference.run(graph, v), interpret(graph, v))


@pytest.mark.parametrize("bias", [2**31 - 1, -(2**31), 2**31 - 5000])
def test_an_overflowing_accumulator_wraps(bias: int) -> None:
    b, rng = GraphBuilder(), np.random.default_rng(1)
    x = b.input((1, 8, 8, 4), scale=0.1)
    w = rng.integers(-127, 128, (3, 3, 3, 4))
    graph = b.build(b.conv_2d(x, w, np.full(3, bias), weight_scale=0.01, scale=20000.0))
    v = inputs_for(graph, 6, 0)
    y = reference.run(graph, v)
    assert y.min() < 0 < y.max()  # both signs: it did overflow
    np.testing.assert_array_equal(y, interpret(graph, v))
