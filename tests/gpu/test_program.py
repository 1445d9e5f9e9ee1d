"""Every operator of the engine against the numpy reference, bit for bit, on random graphs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra gpu is not installed")

from draws import inputs_for  # noqa: E402
from graph_cases import CASES, op_graph, small_graph  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from intrs_edge.errors import IntrsError  # noqa: E402
from intrs_edge.gpu import arithmetic  # noqa: E402
from intrs_edge.gpu.arithmetic import Products, Requantise  # noqa: E402
from intrs_edge.gpu.program import Program  # noqa: E402
from intrs_edge.gpu.site import BUILDERS  # noqa: E402
from intrs_edge.graph import reference  # noqa: E402
from intrs_edge.graph.builder import GraphBuilder  # noqa: E402
from intrs_edge.graph.fixedpoint import wrap_int32  # noqa: E402
from intrs_edge.graph.operators import OPERATORS  # noqa: E402
from intrs_edge.graph.quantize import Requant  # noqa: E402
from intrs_edge.graph.reference.common import requantize  # noqa: E402

CPU = torch.device("cpu")
LACKING = {"SOFTMAX", "L2_NORMALIZATION"}
RUNS = 5
SETTINGS = settings(
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def lacks(graph) -> set[str]:
    return {op.kind for op in graph.ops} & LACKING


def agree(graph, seed: int, integer: bool = False) -> None:
    x = inputs_for(graph, RUNS, seed)
    expected = reference.run(graph, x)
    found = Program(graph, CPU, integer)(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def drawn(kind: str, examples: int) -> None:
    @settings(SETTINGS, max_examples=examples)
    @given(op_graph(kind), st.integers(0, 2**32 - 1))
    def check(graph, seed):
        if lacks(graph):
            with pytest.raises(IntrsError, match=r"the GPU engine has no .*certify it with --target host"):
                Program(graph, CPU, False)
        else:
            agree(graph, seed)

    check()


def test_the_engine_has_every_operator_but_those_that_it_names():
    assert set(OPERATORS) - set(BUILDERS) == LACKING
    assert set(BUILDERS) <= set(OPERATORS)


@pytest.mark.parametrize("kind", CASES)
def test_an_operator_is_that_of_the_reference(kind):
    drawn(kind, 2)


@settings(SETTINGS, max_examples=6)
@given(small_graph(redundant=True), st.integers(0, 2**32 - 1))
def test_networks_are_those_of_the_reference(graph, seed):
    agree(graph, seed)


@pytest.mark.parametrize("kind", ["SUM", "MEAN"])
def test_one_number_of_no_dimension_moves(kind):
    """A reduction over every axis, the batch's too, gives each run a scalar."""
    b = GraphBuilder()
    x = b.input((1, 2, 3, 4), scale=0.5, zero_point=-3)
    axes = b.constant([0, 1, 2, 3], dtype="int32")
    one = b.op(kind, [x, axes], (), b.quant_of(x), {"keep_dims": False})
    agree(b.build(b.reshape(one, (1,))), 1)


@pytest.mark.long
@settings(SETTINGS, max_examples=200)
@given(small_graph(redundant=True), st.integers(0, 2**32 - 1))
def test_200_networks(graph, seed):
    agree(graph, seed)


@pytest.mark.long
@pytest.mark.parametrize("kind", CASES)
def test_200_graphs_of_an_operator(kind):
    drawn(kind, 200)


@pytest.mark.parametrize("kind", sorted(set(BUILDERS) & set(CASES)))
def test_a_fault_in_an_operator_is_seen(kind, monkeypatch):
    """One wrong bit of one output of one run."""
    seen: list[bool] = []

    def faulty(site):
        step = BUILDER(site)

        def wrong(args):
            first, *rest = step(args)
            first = first.clone()
            first.view(-1)[-1] ^= 127  # the last value of the last run
            return [first, *rest]

        return wrong

    BUILDER = BUILDERS[kind]
    monkeypatch.setitem(BUILDERS, kind, faulty)

    @settings(SETTINGS, max_examples=8)
    @given(op_graph(kind), st.integers(0, 2**32 - 1))
    def check(graph, seed):
        if lacks(graph) or any(seen):
            return
        try:
            agree(graph, seed)
        except AssertionError:
            seen.append(True)

    check()
    assert any(seen)


def cuda_int_mm(a, b):
    """What CUDA's integer product takes and gives."""
    assert a.dtype == b.dtype == torch.int8
    assert a.shape[0] > 16
    assert a.shape[1] % 8 == b.shape[1] % 8 == 0
    return (a.to(torch.int64) @ b.to(torch.int64)).to(torch.int32)


@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"])
def test_integer_products_are_given_what_cuda_takes(kind, monkeypatch):
    called = []
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: called.append(1) or cuda_int_mm(a, b))

    @settings(SETTINGS, max_examples=5)
    @given(op_graph(kind), st.integers(0, 2**32 - 1))
    def check(graph, seed):
        agree(graph, seed, integer=True)

    check()
    assert called


@pytest.mark.parametrize("integer", [True, False])
@pytest.mark.parametrize("k", [1, 131071, 131072])
def test_the_largest_sums_are_exact(k, integer, monkeypatch):
    monkeypatch.setattr(torch, "_int_mm", cuda_int_mm)
    weights, x = np.full((1, k), -128, np.int8), torch.full((1, k), -128, dtype=torch.int8)
    product = Products(weights, CPU, integer)
    assert product(x).tolist() == [[k << 14]]
    assert product.integer == (integer and k <= 131071)  # one more does not fit an int32


def test_a_bound_one_too_large_is_seen(monkeypatch):
    monkeypatch.setattr(torch, "_int_mm", cuda_int_mm)
    monkeypatch.setattr(arithmetic, "_MOST_DEPTH", 131072)
    product = Products(np.full((1, 131072), -128, np.int8), CPU, True)
    assert product(torch.full((1, 131072), -128, dtype=torch.int8)).tolist() != [[1 << 31]]


def test_requantisation_is_the_contracts():
    rng = np.random.default_rng(1)
    for _ in range(30):
        n = int(rng.integers(1, 5))
        q = Requant(
            rng.integers(1 << 30, 1 << 31, n).astype(np.int32), rng.integers(-31, 31, n).astype(np.int8),
            int(rng.integers(-128, 128)), -128, int(rng.integers(0, 128)),
        )  # fmt: skip
        acc = rng.integers(-(2**33), 2**33, (200, n)) >> rng.integers(0, 33, (200, n))
        acc[0], acc[1], acc[2] = 0, -1, 1
        expected = requantize(wrap_int32(acc), q)
        np.testing.assert_array_equal(Requantise(q, CPU)(torch.from_numpy(acc)).numpy(), expected)
