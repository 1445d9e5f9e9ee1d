"""The threshold tables against independent high-precision sums, and the sizes that a device pays."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.noise import BITS, DiscreteGaussian, RoundedGaussian, noise

SIGMAS = ["0.5", "1", "1.7", "30.6", "63.75", "255", "512"]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_discrete_pmf_has_fifty_digits(sigma):
    """Normalised by Jacobi's theta function instead of a sum of terms."""
    g = DiscreteGaussian(sigma)
    with mpmath.workdps(80):
        s = mpmath.mpf(sigma)
        # sum over k of exp(-k^2 / 2 s^2), by Poisson summation: s sqrt(2 pi) sum over k of exp(-2 pi^2 s^2 k^2)
        dual = 1 + 2 * mpmath.fsum(mpmath.exp(-2 * (mpmath.pi * s * k) ** 2) for k in range(1, 12))
        total = s * mpmath.sqrt(2 * mpmath.pi) * dual
        for k in {0, 1, 2, g.last // 3, g.last}:
            expected = mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * s * s)) / total
            assert abs(g.pmf(k) / expected - 1) < mpmath.mpf(10) ** -50
            assert g.pmf(-k) == g.pmf(k)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_rounded_pmf_has_fifty_digits(sigma):
    g = RoundedGaussian(sigma)
    with mpmath.workdps(90):
        s = mpmath.mpf(sigma)
        for k in {0, 1, 2, g.last // 3, g.last}:
            inside = mpmath.ncdf((k + 0.5) / s) - mpmath.ncdf((k - 0.5) / s) if k < s else None
            tail = mpmath.erfc((k - 0.5) / s / mpmath.sqrt(2)) - mpmath.erfc((k + 0.5) / s / mpmath.sqrt(2))
            expected = inside if inside is not None else tail / 2
            # relative to the whole, not to a far tail: 50 digits of the distribution function
            assert abs(g.pmf(k) - expected) < mpmath.mpf(10) ** -50


@pytest.mark.parametrize("cls", [DiscreteGaussian, RoundedGaussian])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_limits_are_the_floors(cls, sigma):
    g = cls(sigma)
    assert g.last == -(-8 * Fraction(sigma) // 1)
    assert len(g.limits) == g.last + 1
    assert all(a <= b for a, b in zip(g.limits, g.limits[1:], strict=False))
    assert g.limits[-1] == 2**BITS - 1
    with mpmath.workdps(70):
        total = mpmath.mpf(0)
        for k in range(g.last):
            total += g.pmf(k) * (1 if k == 0 else 2)
            assert g.limits[k] + 1 <= total * 2**BITS < g.limits[k] + 2


@pytest.mark.parametrize("sigma", SIGMAS)
def test_guide_starts_at_or_before_the_answer(sigma):
    g = DiscreteGaussian(sigma)
    cells = np.arange(1 << 16)
    first = np.searchsorted(g.hi, cells)
    start = g.guide[cells >> 8]
    assert (start <= first).all()
    compares = (first - start + 1).mean()
    if sigma in ("30.6", "63.75", "255"):  # docs/certificate.md, section 2
        assert compares == pytest.approx({"30.6": 1.2, "63.75": 1.4, "255": 2.7}[sigma], abs=0.15)


@pytest.mark.parametrize(("sigma", "kilobytes"), [("30.6", 1.7), ("63.75", 3.6), ("255", 12.7)])
def test_flash(sigma, kilobytes):
    g = DiscreteGaussian(sigma)
    assert g.flash_bytes == pytest.approx(1000 * kilobytes, rel=0.10)


@pytest.mark.parametrize(("sigma", "share"), [("30.6", 0.002), ("63.75", 0.004), ("255", 0.014)])
def test_share_of_draws_that_need_refinement(sigma, share):
    g = DiscreteGaussian(sigma)
    assert len(np.unique(g.hi)) / 65536 == pytest.approx(share, rel=0.25)


@pytest.mark.parametrize("cls", [DiscreteGaussian, RoundedGaussian])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_total_variation_from_the_arrays_alone(cls, sigma):
    """Recomputed over signed values from hi and lo as the device reads them, tail included."""
    g = cls(sigma)
    limits = [(int(h) << 32) + int(low) for h, low in zip(g.hi, g.lo, strict=True)]
    with mpmath.workdps(60):
        total, before, ideal_inside = mpmath.mpf(0), -1, mpmath.mpf(0)
        for k, limit in enumerate(limits):
            signs = 1 if k == 0 else 2
            drawn = mpmath.mpf(limit - before) / 2**BITS / signs
            total += signs * abs(drawn - g.pmf(k))
            ideal_inside += signs * g.pmf(k)
            before = limit
        total = (total + 1 - ideal_inside) / 2
        assert total <= mpmath.mpf(g.total_variation.numerator) / g.total_variation.denominator
        assert float(g.total_variation) == pytest.approx(float(total), rel=1e-9)
    assert g.vector_total_variation(3072) == 3072 * g.total_variation


def test_total_variation_is_small_enough_for_large_n():
    """docs/certificate.md, section 2: at N = 100 000 less than 0.5 % of the radius goes, even at 224 x 224 x 3."""
    charge = 2 * DiscreteGaussian("63.75").vector_total_variation(150528)
    with mpmath.workdps(40):
        bound = mpmath.mpf("0.001") ** (mpmath.mpf(1) / 100000)
        full = mpmath.erfinv(2 * bound - 1)
        charged = mpmath.erfinv(2 * (bound - mpmath.mpf(charge.numerator) / charge.denominator) - 1)
        assert 0.995 < charged / full < 1


def test_a_sixteen_bit_table_would_lose_all():
    """The reason for 48 bits: with thresholds cut to 16 bits nothing is left to certify."""
    g = DiscreteGaussian("63.75")
    with mpmath.workdps(40):
        coarse = [((limit + 1) >> 32) / 65536 for limit in g.limits[:-1]] + [1.0]
        drawn = np.diff([0.0, *coarse])
        ideal = np.array([float(m) for m in g.magnitudes])
        assert 3072 * np.abs(drawn - ideal).sum() / 2 > 0.5


@pytest.mark.parametrize("sigma", ["0.49", "512.01", "0", "-1", "1e9"])
def test_sigma_out_of_range(sigma):
    with pytest.raises(IntrsError, match=r"outside 0\.5 \.\. 512"):
        DiscreteGaussian(sigma)


@pytest.mark.parametrize("sigma", ["abc", "", "nan", "inf", None, "1/0"])
def test_sigma_is_no_number(sigma):
    with pytest.raises(IntrsError, match="not a number"):
        DiscreteGaussian(sigma)


def test_unknown_noise():
    with pytest.raises(IntrsError, match="unknown noise"):
        noise("laplace", 1)


def test_values_beyond_the_table():
    with pytest.raises(IntrsError, match="beyond the table"):
        DiscreteGaussian(1).pmf(9)


@pytest.mark.parametrize("cls", [DiscreteGaussian, RoundedGaussian])
def test_cdf(cls):
    g = cls("1.5")
    with mpmath.workdps(60):
        assert g.cdf(0) - g.cdf(-1) == pytest.approx(g.pmf(0))
        assert float(g.cdf(3)) == pytest.approx(0.5 + float(g.pmf(0)) / 2 + sum(float(g.pmf(k)) for k in (1, 2, 3)))
        assert float(g.cdf(-2) + g.cdf(1)) == pytest.approx(1)
