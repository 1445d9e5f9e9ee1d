from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Tensor
from intrs_edge.graph.quantize import (
    activation_range,
    add_params,
    conv_params,
    fully_connected_params,
    pool_params,
    softmax_params,
    sum_params,
)


def value(scale: float, zero_point: int) -> Tensor:
    return Tensor("t", (1, 4), "int8", quant(scale, zero_point))


def test_activation_ranges() -> None:
    assert activation_range("NONE", value(0.1, 3)) == (-128, 127)
    assert activation_range("RELU", value(0.1, 3)) == (3, 127)
    assert activation_range("RELU6", value(0.1, -28)) == (-28, 32)
    assert activation_range("RELU_N1_TO_1", value(0.1, 3)) == (-7, 13)
    assert activation_range("RELU6", value(0.01, 3)) == (3, 127)
    with pytest.raises(IntrsError, match="fused activation SIGN_BIT is not supported"):
        activation_range("SIGN_BIT", value(0.1, 3))


@given(st.floats(1e-6, 1e3), st.integers(-128, 127))
def test_activation_bounds_are_in_range(scale: float, zero_point: int) -> None:
    for activation in ("RELU", "RELU6", "RELU_N1_TO_1"):
        low, high = activation_range(activation, value(scale, zero_point))
        assert -128 <= low <= high <= 127


def test_convolutions_have_a_multiplier_for_every_channel() -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 2), scale=0.5, zero_point=7)
    b.conv_2d(x, np.zeros((3, 1, 1, 2)), weight_scale=0.25, scale=0.125, zero_point=-3)
    b.conv_2d(x, np.zeros((3, 1, 1, 2)), weight_scale=[0.25, 0.5, 1.0], scale=0.125)
    graph = b.build(4)
    p = conv_params(graph, graph.ops[0])
    assert p.in_zero_point == 7
    assert p.q.zero_point == -3
    assert p.q.multiplier.tolist() == [2**30] * 3  # 0.5 * 0.25 / 0.125 = 1 = 2**30 * 2**(1 - 31)
    assert p.q.shift.tolist() == [1] * 3
    assert conv_params(graph, graph.ops[1]).q.shift.tolist() == [1, 2, 3]


def test_per_tensor_fully_connected_multiplies_scales_in_float32() -> None:
    b = GraphBuilder()
    s1, s2, s3 = np.float32(0.1), np.float32(0.3), np.float32(0.7)
    x = b.input((1, 2), scale=0.1)
    y = b.fully_connected(x, np.zeros((2, 2)), weight_scale=0.3, scale=0.7)
    graph = b.build(y)
    p = fully_connected_params(graph, graph.ops[0])
    real = p.q.multiplier[0] * 2.0 ** (int(p.q.shift[0]) - 31)
    single = float(np.float32(s1 * s2)) / float(s3)
    double = float(s1) * float(s2) / float(s3)
    assert single != double
    assert abs(real - single) < abs(real - double)


def test_add_puts_both_operands_on_twice_the_larger_scale() -> None:
    b = GraphBuilder()
    x = b.input((1, 2), scale=0.25, zero_point=1)
    y = b.unary("QUANTIZE", x, scale=0.5, zero_point=2)
    graph = b.build(b.binary("SUB", x, y, scale=1.0, zero_point=3))
    p = add_params(graph, graph.ops[-1])
    assert p.zero_point == (1, 2)
    assert (p.multiplier, p.shift) == ((2**30, -(2**30)), (-1, 0))
    assert (p.q.multiplier[0], p.q.shift[0]) == (2**30, -19)  # 1 / 2**20


def test_mean_divides_in_the_multiplier() -> None:
    b = GraphBuilder()
    x = b.input((1, 3, 5, 7), scale=0.5, zero_point=1)
    y = b.op("MEAN", [x, b.constant([1, 2], dtype="int32")], (1, 7), quant(0.5, 2), {"keep_dims": False})
    graph = b.build(y)
    p = sum_params(graph, graph.ops[0])
    assert p.count == 15
    assert p.q.multiplier[0] == (2**30 << 3) // 15
    assert p.q.shift[0] == 1 - 3


def test_pool_clamps_raw_values() -> None:
    b = GraphBuilder()
    x = b.input((1, 2, 2, 1), scale=0.1, zero_point=-5)
    graph = b.build(b.max_pool_2d(x, 2, activation="RELU6"))
    assert pool_params(graph, graph.ops[0]) == type(pool_params(graph, graph.ops[0]))(-5, 55)


def test_softmax_table_falls_to_nothing() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.5)
    graph = b.build(b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0}))
    p = softmax_params(graph, graph.ops[0])
    assert p.exponential.shape == (256,)
    assert p.exponential[0] == 2**31 - 1
    assert (np.diff(p.exponential.astype(np.int64)) <= 0).all()
    assert p.first == 32  # floor(31 * 2**26 / 2**26) + 1: 0.5 is 0.5 * 2**26 * 2**-26
    assert not p.exponential[p.first :].any()
    np.testing.assert_allclose(p.exponential[:20] / 2**31, np.exp(-0.5 * np.arange(20)), atol=1e-6)
