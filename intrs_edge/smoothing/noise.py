# SPDX-License-Identifier: Apache-2.0
"""Noise distributions on the integer lattice as 48-bit threshold tables (docs/certificate.md, section 2).

Lattice steps throughout: one step is 1/255 of full scale. The table is of the magnitude |n|: ``limit[k]`` is the
largest 48-bit u whose magnitude is at most k, ``floor(2^48 P(|n| <= k)) - 1``; the last, at ceil(8 s), takes the rest.
The sign is a separate bit.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import mpmath
import numpy as np
import numpy.typing as npt

from intrs_edge.budget import rational
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.settings import Number

SIGMA_MIN, SIGMA_MAX = Fraction(1, 2), Fraction(512)
BITS = 48
_DIGITS = 70


def exact(value: Number, what: str = "value") -> Fraction:
    """A decimal as it is written (a float through its shortest repr: 0.1 is 1/10), as a Fraction; IntrsError when it
    is no number.
    """
    return rational(value, what)


class Noise:
    """A symmetric distribution on the integers with standard deviation parameter ``sigma_steps`` (lattice steps, 0.5
    .. 512).

    Raises IntrsError for a sigma outside that range.
    """

    name: ClassVar[str]
    rounded: ClassVar[bool] = False  # a continuous Gaussian, rounded: what is proved of that one holds for it

    def __init__(self, sigma_steps: Number) -> None:
        self.sigma_steps = exact(sigma_steps, "sigma")
        if not SIGMA_MIN <= self.sigma_steps <= SIGMA_MAX:
            raise IntrsError(
                f"sigma of {float(self.sigma_steps):g} lattice steps ({float(self.sigma_steps / 255):g} of full scale) "
                f"is outside {float(SIGMA_MIN):g} .. {float(SIGMA_MAX):g}: choose one from 0.00197 to 2.0 of full scale"
            )

    def _magnitudes(self, last: int) -> list[mpmath.mpf]:
        """P(|n| = k) for k = 0 .. last, to at least 50 digits (called with ``_DIGITS`` digits of working precision)."""
        raise NotImplementedError

    @property
    def last(self) -> int:
        """The largest magnitude drawn, ceil(8 sigma)."""
        return -((-8 * self.sigma_steps.numerator) // self.sigma_steps.denominator)

    @cached_property
    def magnitudes(self) -> tuple[mpmath.mpf, ...]:
        """P(|n| = k), k = 0 .. last, 60 digits or more."""
        with mpmath.workdps(_DIGITS):
            return tuple(self._magnitudes(self.last))

    def pmf(self, value: int) -> mpmath.mpf:
        """P(n = value) of the ideal distribution, |value| <= last; raises IntrsError beyond."""
        if abs(value) > self.last:
            raise IntrsError(f"|{value}| is beyond the table's last magnitude {self.last}")
        with mpmath.workdps(_DIGITS):
            return self.magnitudes[0] if value == 0 else self.magnitudes[abs(value)] / 2

    def cdf(self, value: int) -> mpmath.mpf:
        """P(n <= value) of the ideal distribution, |value| <= last."""
        with mpmath.workdps(_DIGITS):
            inside = (
                mpmath.fsum(self.magnitudes[: abs(value) + 1]) if value >= 0 else mpmath.fsum(self.magnitudes[:-value])
            )
            return (1 + inside) / 2 if value >= 0 else (1 - inside) / 2

    @cached_property
    def limits(self) -> tuple[int, ...]:
        """limit[k], k = 0 .. last: the largest 48-bit u with magnitude <= k; nondecreasing, the last is 2^48 - 1."""
        limits = []
        with mpmath.workdps(_DIGITS):
            total = mpmath.mpf(0)
            for p in self.magnitudes[:-1]:
                total += p
                limits.append(int(mpmath.floor(mpmath.ldexp(total, BITS))) - 1)
        return (*limits, (1 << BITS) - 1)

    @cached_property
    def hi(self) -> npt.NDArray[np.uint16]:
        """The upper 16 bits of the limits: the cells that a threshold may split."""
        return np.array([limit >> 32 for limit in self.limits], dtype=np.uint16)

    @cached_property
    def lo(self) -> npt.NDArray[np.uint32]:
        """The lower 32 bits of the limits."""
        return np.array([limit & 0xFFFFFFFF for limit in self.limits], dtype=np.uint32)

    @cached_property
    def guide(self) -> npt.NDArray[np.uint16]:
        """guide[c >> 8]: where the search for cell c starts, the first k with hi[k] >= c & ~255."""
        return np.searchsorted(self.hi, np.arange(256, dtype=np.uint16) << 8).astype(np.uint16)

    @property
    def guide_bits(self) -> int:
        """8 when every guide entry fits a byte, else 16."""
        return 8 if int(self.guide.max()) < 256 else 16

    @property
    def flash_bytes(self) -> int:
        """Bytes of the three arrays on the device."""
        return 6 * len(self.limits) + 256 * self.guide_bits // 8

    @cached_property
    def total_variation(self) -> Fraction:
        """Total variation between one drawn coordinate and the ideal one, tail cut and threshold rounding included;
        rounded up.
        """
        with mpmath.workdps(_DIGITS):
            drawn, before = [], -1
            for limit in self.limits:
                drawn.append(mpmath.ldexp(mpmath.mpf(limit - before), -BITS))
                before = limit
            inside = mpmath.fsum(self.magnitudes)
            half = (mpmath.fsum(abs(a - b) for a, b in zip(drawn, self.magnitudes, strict=True)) + abs(1 - inside)) / 2
            return Fraction(int(mpmath.ceil(mpmath.ldexp(half, 160))) + 1, 1 << 160)

    def vector_total_variation(self, dimension: int) -> Fraction:
        """D: an upper bound on the total variation of a vector of ``dimension`` independent coordinates (the sum of
        theirs).
        """
        return min(Fraction(1), dimension * self.total_variation)


class DiscreteGaussian(Noise):
    """N_Z(0, s^2): P(n = k) proportional to exp(-k^2 / 2 s^2), k an integer; ``sigma_steps`` is s in lattice steps.

    Canonne, Kamath, Steinke 2020, definition 1. The certified radius is theorem 1 of docs/certificate.md.
    """

    name = "discrete"

    def _magnitudes(self, last: int) -> list[mpmath.mpf]:
        exponent = mpmath.mpf(1) / (2 * mpmath.mpf(self.sigma_steps.numerator) ** 2) * self.sigma_steps.denominator**2
        # e^(-(k+1)^2 a) = e^(-k^2 a) * e^(-(2k+1) a): two multiplications a term; beyond 19 s a term is below 1e-78
        step, square = mpmath.exp(-exponent), mpmath.exp(-2 * exponent)
        term, terms = mpmath.mpf(1), [mpmath.mpf(1)]
        for _ in range(19 * last // 8 + 20):
            term *= step
            step *= square
            terms.append(2 * term)
        total = mpmath.fsum(terms)
        return [t / total for t in terms[: last + 1]]


class RoundedGaussian(Noise):
    """round(G) for G ~ N(0, s^2); Cohen et al. 2019, theorem 1 applies by post-processing. ``sigma_steps`` in lattice
    steps.
    """

    name, rounded = "rounded", True

    def _magnitudes(self, last: int) -> list[mpmath.mpf]:
        scale = mpmath.mpf(self.sigma_steps.denominator) / (self.sigma_steps.numerator * mpmath.sqrt(2))
        inside = [mpmath.erf((k + mpmath.mpf(1) / 2) * scale) for k in range(last + 1)]
        return [inside[0], *(b - a for a, b in itertools.pairwise(inside))]


NOISES: dict[str, type[Noise]] = {kind.name: kind for kind in Noise.__subclasses__()}


def noise(name: str, sigma_steps: Number) -> Noise:
    """The distribution of that name; raises IntrsError for an unknown one."""
    if name not in NOISES:
        raise IntrsError(f"unknown noise {name!r}: choose one of {', '.join(NOISES)}")
    return NOISES[name](sigma_steps)


def continuous() -> str:
    """The name of the distribution that is a continuous Gaussian but for the rounding."""
    return next(name for name, kind in NOISES.items() if kind.rounded)


def draw(noise: Noise, count: int, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """``count`` samples, lattice steps: magnitudes by the distribution's 48-bit thresholds, signs by a separate bit."""
    limits = np.array(noise.limits, np.uint64)
    out = np.empty(count, np.int16)
    for i in range(0, count, 1 << 20):  # in pieces, to bound the memory
        n = min(1 << 20, count - i)
        magnitude = np.searchsorted(limits, rng.integers(1 << BITS, size=n, dtype=np.uint64)).astype(np.int16)
        out[i : i + n] = np.where(rng.integers(2, size=n, dtype=np.uint8) == 1, -magnitude, magnitude)
    return out
