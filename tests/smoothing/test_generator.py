"""The generators against published constants, scalar definitions and linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.smoothing import gf2
from intrs_edge.smoothing.generator import (
    GENERATORS,
    LFSR113,
    XOSHIRO128PP,
    generator,
    render_jump_table,
    splitmix64,
)

M32 = 0xFFFFFFFF
# Blackman and Vigna, xoshiro128plusplus.c: jump() is 2^64 steps, long_jump() 2^96
JUMP = (0x8764000B, 0xF542D2D3, 0x6FA035C3, 0x77F2DB5B)
LONG_JUMP = (0xB523952E, 0x0B6F099F, 0xCCF5A0EF, 0x1C580662)


def packed(words):
    return sum(int(w) << (32 * k) for k, w in enumerate(words))


def scalar_xoshiro(s):
    """The published definition, word by word."""
    while True:
        x = (s[0] + s[3]) & M32
        yield (((x << 7) | (x >> 25)) + s[0]) & M32
        t = (s[1] << 9) & M32
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = ((s[3] << 11) | (s[3] >> 21)) & M32


def scalar_lfsr113(z):
    """L'Ecuyer's lfsr113.c, word by word."""
    while True:
        b = (((z[0] << 6) & M32) ^ z[0]) >> 13
        z[0] = ((((z[0] & 4294967294) << 18) & M32) ^ b) & M32
        b = (((z[1] << 2) & M32) ^ z[1]) >> 27
        z[1] = ((((z[1] & 4294967288) << 2) & M32) ^ b) & M32
        b = (((z[2] << 13) & M32) ^ z[2]) >> 21
        z[2] = ((((z[2] & 4294967280) << 7) & M32) ^ b) & M32
        b = (((z[3] << 3) & M32) ^ z[3]) >> 12
        z[3] = ((((z[3] & 4294967168) << 13) & M32) ^ b) & M32
        yield z[0] ^ z[1] ^ z[2] ^ z[3]


@pytest.mark.parametrize(("name", "scalar"), [("xoshiro128++", scalar_xoshiro), ("lfsr113", scalar_lfsr113)])
@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=20, deadline=None)
def test_words_equal_the_definition(name, scalar, seed):
    g = generator(name)
    state = np.array(g.seed(seed), dtype=np.uint32).reshape(4, 1)
    words = scalar(list(g.seed(seed)))
    assert [int(g.next(state)[0]) for _ in range(50)] == [next(words) for _ in range(50)]


def test_splitmix64_known_answers():
    # Vigna's splitmix64.c from state 1234567, a widely published vector
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_published_jumps():
    polynomials = XOSHIRO128PP.jump_polynomials()
    assert polynomials[0] == packed(JUMP)
    assert polynomials[32] == packed(LONG_JUMP)


def test_the_step_has_full_period_degree():
    assert XOSHIRO128PP.minimal_polynomial().bit_length() - 1 == 128
    assert LFSR113.minimal_polynomial().bit_length() - 1 == 114  # x times the product of degrees 31, 29, 28, 25
    assert LFSR113.minimal_polynomial() & 1 == 0


def test_xoshiro_polynomial_is_primitive():
    """x has order 2^128 - 1: so one sequence holds all the segments (docs/certificate.md, section 3)."""
    p = XOSHIRO128PP.minimal_polynomial()
    period = 2**128 - 1
    factors = [3, 5, 17, 257, 641, 65537, 274177, 6700417, 67280421310721]
    assert np.prod([1.0 * f for f in factors]) == pytest.approx(float(period))
    product = 1
    for f in factors:
        product *= f
    assert product == period
    assert power_of_x(period, p) == 1
    assert all(power_of_x(period // f, p) != 1 for f in factors)


def power_of_x(exponent, modulus):
    result, base = 1, 2
    while exponent:
        if exponent & 1:
            result = gf2.multiply_mod(result, base, modulus)
        base = gf2.multiply_mod(base, base, modulus)
        exponent >>= 1
    return result


@pytest.mark.parametrize("g", GENERATORS.values(), ids=lambda g: g.name)
def test_a_jump_is_that_many_steps(g):
    modulus = g.minimal_polynomial()
    state = packed(g.seed(99))
    stepped = state
    for k in range(1000):
        if k in (1, 2, 127, 999):
            assert gf2.apply(power_of_x(k, modulus), g.step_integer, state) == stepped
        stepped = g.step_integer(stepped)


@pytest.mark.parametrize("g", GENERATORS.values(), ids=lambda g: g.name)
def test_sample_and_image_are_added_in_the_exponent(g):
    modulus = g.minimal_polynomial()
    image, first = 0xC0000005, 0xFFFFFFF0
    found = g.states(7, image, first, 16)
    for lane in (0, 9, 15):
        exponent = (image << (g.first_jump + 32)) + ((first + lane) << g.first_jump)
        polynomial = power_of_x(exponent, modulus)
        assert packed(found[:, lane]) == gf2.apply(polynomial, g.step_integer, packed(g.seed(7)))


@pytest.mark.parametrize("g", GENERATORS.values(), ids=lambda g: g.name)
def test_segments_fit_into_one_period(g):
    """The last segment ends before the period does, so segments are disjoint (docs/certificate.md, section 3)."""
    periods = {"xoshiro128++": 2**128 - 1, "lfsr113": (2**31 - 1) * (2**29 - 1) * (2**28 - 1) * (2**25 - 1)}
    period = periods[g.name]
    last_start = ((2**32 - 1) << (g.first_jump + 32)) + ((2**32 - 1) << g.first_jump)
    words = 2**g.first_jump - 1
    assert last_start + words <= period
    # a sample of the largest image takes far fewer words: signs, pairs, and a refinement for every coordinate
    most = (1 << 24) // 32 + (1 << 23) + (1 << 24) + 2
    assert most < words


@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=200, deadline=None)
def test_no_seed_gives_a_dead_state(seed):
    assert any(XOSHIRO128PP.seed(seed))
    assert all(z >= least for z, least in zip(LFSR113.seed(seed), (2, 8, 16, 128), strict=True))


def test_the_c_table_is_up_to_date():
    assert (shipped("firmware") / "smoothing" / "intrs_jump_table.c").read_text() == render_jump_table()


@pytest.mark.parametrize(
    ("g", "bit", "expected"), [(XOSHIRO128PP, 0, 750), (XOSHIRO128PP, 31, 750), (LFSR113, 0, 113), (LFSR113, 31, 113)]
)
def test_linear_complexity(g, bit, expected):
    """1500 bits: the scrambled output has none of the engine's linearity, LFSR113 shows all of it."""
    state = np.array(g.seed(3), dtype=np.uint32).reshape(4, 1)
    bits = [int(g.next(state)[0]) >> bit & 1 for _ in range(1500)]
    complexity = gf2.berlekamp_massey(bits).bit_length() - 1
    assert abs(complexity - expected) <= (6 if expected == 750 else 0)


def test_berlekamp_massey_finds_the_recurrence():
    bits, recurrence = [1, 0, 0, 1, 1], 0b100101  # x^5 + x^2 + 1
    for _ in range(40):
        bits.append(bits[-5] ^ bits[-3])
    assert gf2.berlekamp_massey(bits) == recurrence


def test_a_step_without_a_linear_recurrence_is_refused():
    with pytest.raises(ArithmeticError):
        gf2.minimal_polynomial(lambda s: (s * 5 + 1) & 0xFFFF, 1, 16)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: generator("mt19937"), "unknown generator"),
        (lambda: XOSHIRO128PP.seed(-1), "64-bit seed"),
        (lambda: XOSHIRO128PP.seed(2**64), "64-bit seed"),
        (lambda: XOSHIRO128PP.states(1, 2**32, 0, 1), "image number"),
        (lambda: XOSHIRO128PP.states(1, 0, 2**32, 1), "pass the last sample"),
        (lambda: XOSHIRO128PP.states(1, 0, -1, 1), "pass the last sample"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(IntrsError, match=words):
        call()
