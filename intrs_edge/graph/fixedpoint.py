# SPDX-License-Identifier: Apache-2.0
"""Fixed point: gemmlowp's roundings and the functions that SOFTMAX needs, on int64 arrays holding int32 values.

docs/contract.md states them. A multiplier is a pair ``(multiplier, shift)`` with the meaning ``multiplier * 2**(shift
- 31)``; a positive shift is a left shift. Qm.n has m integer and n = 31 - m fractional bits; products are
`doubling_high_mul`: Q(a) times Q(b) is Q(a + b).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

INT32_MAX = 2**31 - 1

### roundings ###


MOST_LEFT_SHIFT = 30


def quantize_multiplier(real: float, most: int = MOST_LEFT_SHIFT) -> tuple[int, int]:
    """``(multiplier, shift)`` closest to a non-negative real: multiplier 0 or in [2**30, 2**31), ties away from zero.

    ValueError when the real is negative, not finite, or needs a left shift of more than ``most`` bits.
    """
    if not math.isfinite(real) or real < 0:
        raise ValueError(f"its scales give a factor of {real}, which is not a finite positive number")
    if real == 0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * 2**31 + 0.5)  # exact: mantissa has 53 bits, so the product and the sum are exact
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > most:
        raise ValueError(f"its scales give a factor of {real:.3g}, the limit is 2**{most}")
    return multiplier, shift


def wrap_int32(x: Int64) -> Int64:
    """The two's complement int32 value of the low 32 bits."""
    wrapped: Int64 = ((x + 2**31) & 0xFFFFFFFF) - 2**31
    return wrapped


def doubling_high_mul(a: Int64, b: Int64 | int) -> Int64:
    """gemmlowp's saturating rounding doubling high multiply: round(a * b / 2**31), ties upwards.

    a, b: int32 values in int64 arrays. gemmlowp nudges by the product's sign and then truncates towards zero; the two
    together are one floor. Only (-2**31)**2 saturates.
    """
    high: Int64 = a * np.asarray(b, dtype=np.int64)
    high += 2**30
    high >>= 31
    return np.minimum(high, INT32_MAX, out=high)


def divide_by_power_of_two(x: Int64, exponent: Int64 | int) -> Int64:
    """gemmlowp's rounding divide by 2**exponent (0..31): nearest, ties away from zero."""
    e = np.asarray(exponent, dtype=np.int64)
    if not e.any():
        return x
    quotient: Int64 = x + ((np.int64(1) << e) >> 1)
    quotient -= (x < 0) & (e > 0)
    quotient >>= e
    return quotient


def multiply_by_quantized_multiplier(x: Int64, multiplier: Int64 | int, shift: Int64 | int) -> Int64:
    """``x * multiplier * 2**(shift - 31)`` with two roundings; x wraps to int32 after the left shift (C: unsigned
    shift)."""
    s = np.asarray(shift, dtype=np.int64)
    left, right = np.maximum(s, 0), np.maximum(-s, 0)
    shifted = wrap_int32(x << left) if left.any() else x
    return divide_by_power_of_two(doubling_high_mul(shifted, multiplier), right)


def round_half_away(x: float) -> int:
    """C's round(): nearest integer, ties away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x)) if abs(x) < 2**52 else int(x)


### exponential and reciprocal ###

EXP_MINUS_ONE_EIGHTH = 1895147668
ONE_THIRD = 715827883
# exp(-2**k) in Q0.31 for k = -2 .. 4
EXP_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
FORTY_EIGHT_SEVENTEENTHS = 1515870810  # Q2.29
MINUS_THIRTY_TWO_SEVENTEENTHS = -1010580540  # Q2.29


def saturating_shift_left(x: Int64, bits: int) -> Int64:
    """x * 2**bits, saturated to int32."""
    return np.clip(x << bits, -(2**31), INT32_MAX)


def _exp_last_quarter(a: Int64) -> Int64:
    """exp(a) for a in [-1/4, 0), Q0.31 to Q0.31: a Taylor polynomial around -1/8."""
    x = a + (1 << 28)
    x2 = doubling_high_mul(x, x)
    x3 = doubling_high_mul(x2, x)
    x4 = doubling_high_mul(x2, x2)
    x4_over_4 = divide_by_power_of_two(x4, 2)
    tail = divide_by_power_of_two(doubling_high_mul(x4_over_4 + x3, ONE_THIRD) + x2, 1)
    return doubling_high_mul(x + tail, EXP_MINUS_ONE_EIGHTH) + EXP_MINUS_ONE_EIGHTH


def exp_on_negative_values(a: Int64, integer_bits: int) -> Int64:
    """exp(a) for a <= 0 in Q(integer_bits), as Q0.31; integer_bits at most 5."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    result = _exp_last_quarter(saturating_shift_left(rest, integer_bits))
    remainder = rest - a
    for exponent, power in EXP_POWERS:
        if exponent < integer_bits:
            bit = (remainder >> (fraction_bits + exponent)) & 1
            result = np.where(bit == 1, doubling_high_mul(result, power), result)
    return np.where(a == 0, INT32_MAX, result)


def one_over_one_plus_x(a: Int64) -> Int64:
    """1 / (1 + a) for a in [0, 1), Q0.31 to Q0.31: three Newton steps."""
    half_denominator = (a + INT32_MAX + 1) >> 1  # the rounded half sum of a and (almost) 1; both are non-negative
    x = doubling_high_mul(half_denominator, MINUS_THIRTY_TWO_SEVENTEENTHS) + FORTY_EIGHT_SEVENTEENTHS
    for _ in range(3):
        error = (1 << 29) - doubling_high_mul(half_denominator, x)
        x = x + saturating_shift_left(doubling_high_mul(x, error), 2)
    return saturating_shift_left(x, 1)


def reciprocal(x: Int64, integer_bits: int) -> tuple[Int64, Int64]:
    """(r, e) with 1 / x = r * 2**-e, r in Q0.31; x a positive int32 in Q(integer_bits)."""
    headroom = 32 - _bit_length(x)
    return one_over_one_plus_x((x << headroom) - (1 << 31)), integer_bits - headroom


def _bit_length(x: Int64) -> Int64:
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)  # exact below 2**53


### inverse square root ###

HALF_SQRT_2 = 1518500250  # Q0.31


def inverse_sqrt(x: Int64) -> tuple[Int64, Int64]:
    """(multiplier, shift) of 1 / sqrt(x) for 0 <= x < 2**31, as `multiply_by_quantized_multiplier` takes them; 0 counts
    as 1. Five Newton steps in Q3.28 from the guess 1.
    """
    pairs = (31 - _bit_length(np.maximum(x, 1))) // 2  # x * 4**(pairs - 1) lies in 2**27 .. 2**29
    left = np.maximum(pairs - 1, 0)
    scaled = np.where(pairs > 0, x << (2 * left), x >> 2)
    exponent = 11 - pairs + 1
    q = scaled >> 1  # Q3.28
    half = divide_by_power_of_two(q, 1)
    y = np.full_like(x, 1 << 28)
    for _ in range(5):
        cube = saturating_shift_left(doubling_high_mul(doubling_high_mul(y, y), y), 6)
        rest = doubling_high_mul(y, 3 << 27) - doubling_high_mul(half, cube)
        y = saturating_shift_left(rest, 3)
    y = doubling_high_mul(y, HALF_SQRT_2)
    y = np.where(exponent < 0, y << np.maximum(-exponent, 0), y)
    one = x <= 1
    return np.where(one, INT32_MAX, y), np.where(one, 0, -np.maximum(exponent, 0))
