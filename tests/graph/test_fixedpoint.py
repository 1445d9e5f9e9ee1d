"""The roundings against their literal definitions, on the values where they turn, and the exponential against the
real one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.graph.fixedpoint import (
    divide_by_power_of_two,
    doubling_high_mul,
    exp_on_negative_values,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    reciprocal,
    round_half_away,
    wrap_int32,
)

int32 = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1, 0, -1, 1, 2**30, -(2**30)]))


def truncate(numerator: int, denominator: int) -> int:
    """C's integer division."""
    q = abs(numerator) // abs(denominator)
    return q if (numerator < 0) == (denominator < 0) else -q


def one(x: int) -> np.ndarray:
    return np.array([x], dtype=np.int64)


@given(int32, int32)
def test_doubling_high_mul_is_gemmlowps(a: int, b: int) -> None:
    if a == b == -(2**31):
        expected = 2**31 - 1
    else:
        product = a * b
        expected = truncate(product + (2**30 if product >= 0 else 1 - 2**30), 2**31)
    assert doubling_high_mul(one(a), b)[0] == expected


@given(int32, st.integers(0, 31))
def test_divide_by_power_of_two_is_gemmlowps(x: int, exponent: int) -> None:
    mask = (1 << exponent) - 1
    remainder, threshold = x & mask, (mask >> 1) + (x < 0)
    assert divide_by_power_of_two(one(x), exponent)[0] == (x >> exponent) + (remainder > threshold)


@given(int32, st.integers(0, 2**31 - 1), st.integers(-31, 30))
def test_multiplier_is_two_roundings_after_a_wrapping_shift(x: int, multiplier: int, shift: int) -> None:
    shifted = (x << max(shift, 0)) & 0xFFFFFFFF
    shifted -= (shifted >> 31) << 32
    high = doubling_high_mul(one(shifted), multiplier)
    expected = divide_by_power_of_two(high, max(-shift, 0))[0]
    assert multiply_by_quantized_multiplier(one(x), multiplier, shift)[0] == expected


def test_one_shift_for_each_channel() -> None:
    x = np.array([[1000, 1000, 1000]], dtype=np.int64)
    m, s = np.full(3, 2**30), np.array([1, 0, -3])
    assert multiply_by_quantized_multiplier(x, m, s).tolist() == [[1000, 500, 63]]  # 62.5: away from zero
    assert multiply_by_quantized_multiplier(-x, m, s).tolist() == [[-1000, -500, -63]]


@given(st.floats(2.0**-30, 2.0**29))
def test_quantized_multiplier_is_the_nearest(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(math.ldexp(multiplier, shift - 31) - real) <= math.ldexp(0.5, shift - 31)


def test_quantized_multiplier_edges() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(1.0) == (2**30, 1)
    assert quantize_multiplier(math.nextafter(1.0, 0.0)) == (2**30, 1)  # the mantissa rounds up to 2**31
    assert quantize_multiplier(2.0**-33) == (0, 0)  # too small: flushed
    assert quantize_multiplier(2.0**-32)[1] == -31
    for bad in (-1.0, math.inf, math.nan, 2.0**31):
        with pytest.raises(ValueError, match="its scales give a factor"):
            quantize_multiplier(bad)


@given(st.integers(-(2**40), 2**40))
def test_wrap(x: int) -> None:
    assert wrap_int32(one(x))[0] == np.int64(x).astype(np.int32)


def test_round_half_away() -> None:
    cases = {0.5: 1, -0.5: -1, 1.5: 2, -2.5: -3, 0.49999999: 0, 2.0**60: 2**60}
    assert {x: round_half_away(x) for x in cases} == cases


def test_exponential_is_close_to_the_real_one() -> None:
    x = -np.linspace(0, 31.9, 5001)
    raw = np.round(x * 2**26).astype(np.int64)
    y = exp_on_negative_values(raw, 5) / 2**31
    assert np.abs(y - np.exp(raw / 2**26)).max() < 3e-7


def test_reciprocal_is_close_to_the_real_one() -> None:
    x = np.unique(np.geomspace(2**19, 2**30, 3000).astype(np.int64))
    r, bits = reciprocal(x, 12)
    assert np.abs(r / 2.0**31 / 2.0**bits * (x / 2**19) - 1).max() < 3e-7
