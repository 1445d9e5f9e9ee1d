"""Every setting of the legal range has tables, or is refused in one line; nothing in between."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import Procedure, error_probability

from intrs_edge.codegen.tables import render_tables
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.binomial import smallest_count, tail_at_most
from intrs_edge.smoothing.results import lattice_squared

decimals = st.builds(lambda digits, exponent: f"{digits}e{exponent}", st.integers(1, 999), st.integers(-4, 0))
alphas = st.builds(lambda digits, exponent: f"{digits}e{exponent}", st.integers(1, 49), st.integers(-30, -2))
samples = st.one_of(st.integers(1, 300), st.builds(lambda power: int(10**power), st.floats(0, 5)))
sigmas = st.one_of(st.sampled_from(["0.002", "0.12", "0.25", "1", "2"]), decimals)


def tables(**settings):
    """The tables of a configuration, or the line that refuses it."""
    try:
        smoothing = Smoothing(shape=(8, 8, 1), **settings)
        render_tables(smoothing)
    except IntrsError as refusal:
        message = str(refusal)
    else:
        return smoothing
    assert message
    assert "\n" not in message
    return None


@given(
    n=samples,
    n0=st.one_of(st.just(0), samples),
    alpha=alphas,
    sigma=sigmas,
    noise=st.sampled_from(["discrete", "rounded"]),
    target=st.none() | decimals,
    precision=st.none() | st.decimals("0.02", "0.5", places=3).map(str),
)
@settings(max_examples=80, deadline=None)
def test_tables_or_one_line(n, n0, alpha, sigma, noise, target, precision):
    smoothing = tables(n=n, n0=n0, alpha=alpha, sigma=sigma, noise=noise, target_radius=target, precision=precision)
    if smoothing is None:
        return
    rule, error = smoothing.rule, Fraction(alpha)
    values = smoothing.radius.values
    assert list(values) == sorted(values)
    assert tail_at_most(n, values[0] if smoothing.radius.compact else smoothing.radius.first, rule.needed(1), error)
    if smoothing.target_plan is not None:
        for look in smoothing.target_plan.looks:
            assert look.squared == lattice_squared(Fraction(target))
            assert look.reject <= look.samples
        steps = Procedure(
            [look.samples for look in smoothing.target_plan.looks],
            [look.accept[0] if look.accept else look.samples + 1 for look in smoothing.target_plan.looks],
            [look.reject for look in smoothing.target_plan.looks],
        )
        p = rule.needed(lattice_squared(Fraction(target))) / 2**256
        others = 0.0 if n0 else error_probability(steps, 1 - p, leader=True)
        assert error_probability(steps, p, leader=n0 == 0) + others <= float(error) * (1 + 1e-6)


@given(n=samples, alpha=alphas, sigma=sigmas)
@settings(max_examples=20, deadline=None)
def test_the_papers_tables_or_one_line(n, alpha, sigma):
    tables(n=n, alpha=alpha, sigma=sigma, certificate="paper")


@pytest.mark.parametrize(("target", "possible"), [("0.6", True), ("0.615823", True), ("0.615824", False)])
def test_a_target_that_only_a_full_count_proves(target, possible):
    """68 of 1920 targets were a division by zero: for the fixed table no sample may miss."""
    smoothing = tables(n=1000, sigma="0.25", target_radius=target)
    assert (smoothing is not None) == possible
    assert not possible or smoothing.radius.lookup(999) < lattice_squared(Fraction(target))


@pytest.mark.parametrize("alpha", ["1e-15", "1e-16", "1e-17", "1e-30", "0.49"])
@pytest.mark.parametrize("n", [5, 200, 5000, *(pytest.param(n, marks=pytest.mark.long) for n in (300_000, 10_000_000))])
def test_every_alpha(n, alpha):
    smoothing = tables(n=n, sigma="0.25", alpha=alpha, target_radius="0.02", precision="0.3")
    assert (smoothing is None) == (n == 5 and alpha != "0.49")


@pytest.mark.parametrize(("n", "n0", "alpha"), [(50_000, 100, "0.4"), (50_000, 0, "0.4"), (1_000_000, 0, "0.49")])
def test_much_alpha_is_given_away_in_few_steps(n, n0, alpha):
    """A last look that has nothing left to decide went down for ever, or by one of thousands of counts at a time."""
    plan = tables(n=n, n0=n0, sigma="0.25", alpha=alpha, target_radius="0.05").target_plan
    assert 0 < plan.looks[-1].accept[0] <= n


def test_a_probability_of_zero():
    assert smallest_count(10, 0, Fraction(1, 1000)) == 1
