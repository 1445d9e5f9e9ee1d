# SPDX-License-Identifier: Apache-2.0
"""Polynomials over GF(2) as integers (bit i is the coefficient of x^i), for jumping ahead in linear generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Step = Callable[[int], int]


def multiply_mod(a: int, b: int, modulus: int) -> int:
    """a * b mod modulus; a must be reduced already."""
    top = 1 << (modulus.bit_length() - 1)
    result = 0
    while b:
        if b & 1:
            result ^= a
        b >>= 1
        a <<= 1
        if a & top:
            a ^= modulus
    return result


def berlekamp_massey(bits: Sequence[int]) -> int:
    """The shortest linear recurrence of a bit sequence, as its monic characteristic polynomial; the degree is the
    linear complexity.

    Massey, "Shift-register synthesis and BCH decoding", 1969.
    """
    connection, previous = 1, 1
    length, gap = 0, 1
    window = 0  # bit j is the sequence j places back
    for n, bit in enumerate(bits):
        window = (window << 1) | bit
        if (window & connection).bit_count() & 1:
            saved = connection
            connection ^= previous << gap
            if 2 * length <= n:
                length, previous, gap = n + 1 - length, saved, 0
        gap += 1
    # the characteristic polynomial is the connection polynomial with its coefficients reversed
    return sum(1 << (length - i) for i in range(length + 1) if connection >> i & 1)


def minimal_polynomial(step: Step, state: int, width: int) -> int:
    """The minimal polynomial of a linear map on ``width`` bits, found from the parity of a masked state and then
    proved.

    ``step`` maps a state to the next; ``state`` must be generic. Raises ArithmeticError when the found polynomial does
    not annihilate the map on every basis vector, so that a wrong polynomial can never be used.
    """
    mask = 0x9E3779B97F4A7C15F39CC0605CEDC835 & ((1 << width) - 1)
    bits = []
    for _ in range(2 * width + 8):
        bits.append((state & mask).bit_count() & 1)
        state = step(state)
    found = berlekamp_massey(bits)
    # bits that a step drops (LFSR113) add a factor x, which one parity sees or does not
    for candidate in (found, found << 1):
        if not any(apply(candidate, step, 1 << i) for i in range(width)):
            return candidate
    raise ArithmeticError("the recurrence found does not annihilate the generator's step")


def apply(polynomial: int, step: Step, state: int) -> int:
    """polynomial(step) applied to a state: the jump."""
    total = 0
    while polynomial:
        if polynomial & 1:
            total ^= state
        polynomial >>= 1
        state = step(state)
    return total


def powers_of_two(modulus: int, first: int, count: int) -> list[int]:
    """x^(2^k) mod modulus for k = first .. first+count-1."""
    value = 2
    for _ in range(first):
        value = multiply_mod(value, value, modulus)
    powers = []
    for _ in range(count):
        powers.append(value)
        value = multiply_mod(value, value, modulus)
    return powers
