"""The integer map from noisy pixels to the model's input."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.input_map import derive_input_map, image_shape
from intrs_edge.graph.ir import Graph


def graph_of(scale: float, zero_point: int, channels: int = 1, metadata: dict[str, str] | None = None) -> Graph:
    b = GraphBuilder()
    x = b.input((1, 2, 2, channels), scale=scale, zero_point=zero_point)
    return replace(b.build(b.max_pool_2d(x, 1)), metadata=metadata or {})


def rounded(v: int, scale: Fraction, zero_point: int, mean: Fraction, std: Fraction) -> int:
    """Nearest, ties upwards, exactly."""
    q = (Fraction(v, 255) - mean) / std / scale + zero_point + Fraction(1, 2)
    return min(max(q.numerator // q.denominator, -128), 127)


@pytest.mark.parametrize("k", range(6))
def test_power_of_two_scales_need_no_multiplication(k: int) -> None:
    found = derive_input_map(graph_of(2**k / 255, -17, 1, {"intrs.input": '{"range": "0..1"}'}), 600)
    assert found.mul == (1,)
    assert derive_input_map(graph_of(2**k, -17, 1, {"intrs.input": '{"range": "0..255"}'}), 600) == found
    assert found.shift == k
    assert found.exact
    v = np.arange(-600, 856)
    expected = np.clip(np.floor(v / 2**k + 0.5) - 17, -128, 127)
    np.testing.assert_array_equal(found.apply(v), expected)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1e-3, 0.5),
    st.integers(-128, 127),
    st.lists(st.tuples(st.integers(-1000, 2000), st.integers(50, 3000)), min_size=1, max_size=3),
    st.integers(0, 2500),
)
def test_other_scales_round_to_nearest_for_every_noisy_pixel(scale, zero_point, normal, reach) -> None:
    mean, std = [f"{m / 1000}" for m, _ in normal], [f"{s / 1000}" for _, s in normal]
    metadata = {"intrs.input": json.dumps({"mean": [float(m) for m in mean], "std": [float(s) for s in std]})}
    found = derive_input_map(graph_of(scale, zero_point, len(normal), metadata), reach)
    pixels = np.arange(-reach, 256 + reach)
    real = Fraction(float(np.float32(scale)))
    got = found.apply(np.repeat(pixels[:, None], len(normal), axis=1))
    wrong = 0
    for c in range(len(normal)):
        expected = [rounded(int(v), real, zero_point, Fraction(mean[c]), Fraction(std[c])) for v in pixels]
        wrong += int((got[:, c] != expected).sum())
        # what the device computes fits in 32 bits
        assert max(abs(int(v)) for v in pixels) * abs(found.mul[c]) + abs(found.add[c]) < 2**31
    assert (wrong == 0) == found.exact


def test_a_map_that_is_not_exact_says_so() -> None:
    # 2^18 steps a pixel beyond a far offset: no 32-bit map is exact, or none exists
    metadata = {"intrs.input": json.dumps({"mean": [0.1234567], "std": [1e-9]})}
    with pytest.raises(IntrsError, match="fixed-point"):
        derive_input_map(graph_of(1e-6, 0, 1, metadata), 4000)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"mean": [0], "std": [0]}', '{"mean": [0, 0, 0, 0], "std": [1]}', '{"mean": ["x"], "std": [1]}', "3"],
)
def test_malformed_normalisation(text: str) -> None:
    with pytest.raises(IntrsError, match=r"intrs\.input"):
        derive_input_map(graph_of(0.1, 0, 3, {"intrs.input": text}), 100)


def test_image_shapes() -> None:
    b = GraphBuilder()
    for shape, expected in (((1, 4, 5, 3), (4, 5, 3)), ((1, 4, 5), (4, 5, 1)), ((1, 7), (1, 7, 1))):
        graph = replace(b.build(b.input(shape, scale=1.0)), inputs=(len(b.tensors) - 1,))
        assert image_shape(graph) == expected
    graph = replace(b.build(b.input((2, 7), scale=1.0)), inputs=(len(b.tensors) - 1,))
    with pytest.raises(IntrsError, match="one image"):
        image_shape(graph)
