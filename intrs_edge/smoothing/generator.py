# SPDX-License-Identifier: Apache-2.0
"""The random generators and their replayable streams (docs/certificate.md, section 3).

The state at the start of Monte-Carlo sample i of image m is ``A^(m * 2^(f+32) + i * 2^f) S``: S the seed's state, A
the generator's linear step, f = 64 for xoshiro128++ (its published jump and long jump) and 48 for LFSR113. m and i are
32-bit, so samples are disjoint segments of 2^f words of one sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import gf2

U32 = npt.NDArray[np.uint32]
_M32 = 0xFFFFFFFF
_M64 = 0xFFFFFFFFFFFFFFFF


def splitmix64(seed: int, count: int) -> list[int]:
    """The first ``count`` outputs of splitmix64 (Steele, Lea, Flood 2014): a bijection of its counter, so no two of
    them are equal.
    """
    outputs = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & _M64
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _M64
        outputs.append(z ^ (z >> 31))
    return outputs


def _seed_words(seed: int) -> list[int]:
    return [word for z in splitmix64(seed, 2) for word in (z & _M32, z >> 32)]


def _rotl(x: U32, k: int) -> U32:
    return (x << np.uint32(k)) | (x >> np.uint32(32 - k))


def _xoshiro_step(s: U32) -> None:
    """One linear step of xoshiro128 (Blackman and Vigna 2021), in place; s is [4, lanes]."""
    t = s[1] << np.uint32(9)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = _rotl(s[3], 11)


def _xoshiro_next(s: U32) -> U32:
    out: U32 = _rotl(s[0] + s[3], 7) + s[0]
    _xoshiro_step(s)
    return out


# component: left shift and right shift of the feedback, shift of the state, bits kept (L'Ecuyer 1999, table 1, LFSR113)
LFSR113_TERMS = ((6, 13, 18, 0xFFFFFFFE), (2, 27, 2, 0xFFFFFFF8), (13, 21, 7, 0xFFFFFFF0), (3, 12, 13, 0xFFFFFF80))


def _lfsr113_step(s: U32) -> None:
    for z, (q, r, shift, keep) in zip(s, LFSR113_TERMS, strict=True):
        feedback = ((z << np.uint32(q)) ^ z) >> np.uint32(r)
        z[...] = ((z & np.uint32(keep)) << np.uint32(shift)) ^ feedback


def _lfsr113_next(s: U32) -> U32:
    _lfsr113_step(s)
    out: U32 = s[0] ^ s[1] ^ s[2] ^ s[3]
    return out


@dataclass(frozen=True)
class Generator:
    """A 128-bit linear engine with 32-bit words. ``step`` and ``next`` work in place on uint32 ``[4, lanes]``."""

    name: str
    code: int  # INTRS_RNG in the generated C
    first_jump: int  # a sample is 2^first_jump words
    step: Callable[[U32], None]
    next: Callable[[U32], U32]

    def seed(self, seed: int) -> tuple[int, int, int, int]:
        """The four state words of a 64-bit seed; never a state that the generator cannot leave."""
        if not 0 <= seed <= _M64:
            raise IntrsError(f"seed {seed} is outside 0 .. 2^64-1: give a 64-bit seed")
        words = _seed_words(seed)
        if self.name == "lfsr113":  # each component must have a bit above those that its step drops
            words = [w if w >= 128 else w + 128 for w in words]
        return (words[0], words[1], words[2], words[3])

    def states(self, seed: int, image: int, first: int, count: int) -> U32:
        """The states at the start of samples first .. first+count-1 of an image: uint32 ``[4, count]``."""
        if not 0 <= image <= _M32:
            raise IntrsError(f"image number {image} is outside 0 .. 2^32-1: number images by their index in the set")
        if first < 0 or count < 0 or first + count > 1 << 32:
            raise IntrsError(f"samples {first} .. {first + count - 1} pass the last sample, 2^32-1: ask for fewer")
        polynomials = self.jump_polynomials()
        start = np.array(self.seed(seed), dtype=np.uint32).reshape(4, 1)
        for bit in range(32):
            if image >> bit & 1:
                start = self._jump(start, polynomials[32 + bit])
        states = np.repeat(start, count, axis=1)
        samples = np.arange(first, first + count, dtype=np.uint64)
        for bit in range(32):
            chosen = np.flatnonzero(samples >> np.uint64(bit) & np.uint64(1))
            if chosen.size:
                states[:, chosen] = self._jump(states[:, chosen], polynomials[bit])
        return states

    def _jump(self, states: U32, polynomial: int) -> U32:
        states = states.copy()
        total = np.zeros_like(states)
        for bit in range(128):
            if polynomial >> bit & 1:
                total ^= states
            self.step(states)
        return total

    def jump_polynomials(self) -> tuple[int, ...]:
        """x^(2^(f+b)) modulo the step's minimal polynomial, b = 0..63: 32 for the sample's bits, then 32 for the
        image's.
        """
        return _jump_polynomials(self.name)

    def step_integer(self, state: int) -> int:
        """``step`` on one state as a 128-bit integer, word 0 lowest."""
        words = np.array([state >> (32 * k) & _M32 for k in range(4)], dtype=np.uint32).reshape(4, 1)
        self.step(words)
        return sum(int(w) << (32 * k) for k, w in enumerate(words[:, 0]))

    def minimal_polynomial(self) -> int:
        """The minimal polynomial of the step: degree 128, or 114 for LFSR113 (113, and x for the bits that a step
        drops).
        """
        state = sum(w << (32 * k) for k, w in enumerate(self.seed(1)))
        return gf2.minimal_polynomial(self.step_integer, state, 128)


XOSHIRO128PP = Generator("xoshiro128++", 0, 64, _xoshiro_step, _xoshiro_next)
LFSR113 = Generator("lfsr113", 1, 48, _lfsr113_step, _lfsr113_next)
GENERATORS = {g.name: g for g in (XOSHIRO128PP, LFSR113)}


def generator(name: str) -> Generator:
    """The generator of that name; raises IntrsError for an unknown one."""
    try:
        return GENERATORS[name]
    except KeyError:
        raise IntrsError(f"unknown generator {name!r}: choose one of {', '.join(GENERATORS)}") from None


@cache
def _jump_polynomials(name: str) -> tuple[int, ...]:
    g = GENERATORS[name]
    return tuple(gf2.powers_of_two(g.minimal_polynomial(), g.first_jump, 64))


def render_jump_table() -> str:
    """The text of ``firmware/smoothing/intrs_jump_table.c`` (checked against the file by the tests)."""
    lines = [
        "/* written by intrs_edge.smoothing.generator.render_jump_table(): do not edit */",
        '#include "intrs_noise.h"',
        "",
        "/* x^(2^(f+b)) modulo the minimal polynomial of the generator's step, lowest word first; b = 0..31 are the",
        " * bits of the sample, 32..63 those of the image; f = 64 for xoshiro128++ and 48 for LFSR113",
        " * (docs/certificate.md, section 3) */",
        "INTRS_TABLES const uint32_t intrs_jump_table[64][4] = {",
    ]
    for g in GENERATORS.values():
        lines.append(f"{'#if' if g.code == 0 else '#elif'} INTRS_RNG == {g.code} /* {g.name} */")
        for p in g.jump_polynomials():
            lines.append("    {" + ", ".join(f"0x{p >> (32 * k) & _M32:08x}" for k in range(4)) + "},")
    lines += ["#else", '#error "INTRS_RNG: unknown generator"', "#endif", "};", ""]
    return "\n".join(lines)
