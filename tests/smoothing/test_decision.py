"""Plans that decide R >= r: their type-I error, exactly; every outcome of small ones; what they cost beside others."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import peers
import pytest
from peers import error_probability
from study_data import probabilities

from intrs_edge.codegen.tables import table_bytes
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.decision import MOST_LOOKS, Decision, Designer, convex_from, crossing, schedule
from intrs_edge.smoothing.noise import DiscreteGaussian
from intrs_edge.smoothing.radius import SoundRule
from intrs_edge.smoothing.results import lattice_squared

ALPHA = Fraction(1, 1000)
TV = {
    sigma: DiscreteGaussian(255 * Fraction(sigma)).vector_total_variation(3072)
    for sigma in ("0.12", "0.25", "0.5", "1")
}


def designer(n: int, sigma: str, target: str, selected: bool = False, alpha: Fraction = ALPHA) -> Designer:
    rule = SoundRule(255 * Fraction(sigma), TV[sigma])
    return Designer(n, alpha, rule, lattice_squared(Fraction(target)), selected)


def edge(some: Designer) -> float:
    return some.rule.needed(some.squared) / 2**256


# --- the error, by other code: plain convolution over all counts


SHIPPED = [
    (n, sigma, target, selected)
    for selected in (False, True)
    for n, cases in (
        (1000, [("0.12", "0.1"), ("0.25", "0.05"), ("0.25", "0.25"), ("0.25", "0.5"), ("0.5", "0.5"), ("1", "1")]),
        (10_000, [("0.25", "0.25"), ("0.5", "0.25")]),
        (100_000, [("0.25", "0.25"), ("0.25", "0.5"), ("1", "0.5"), ("1", "2")]),
    )
    for sigma, target in cases
]


@pytest.mark.parametrize(("n", "sigma", "target", "selected"), SHIPPED)
def test_type_one_error_of_the_plans(n, sigma, target, selected):
    """At the largest p_A for which R >= target is false, and with what it leaves to one other class."""
    some = designer(n, sigma, target, selected)
    plan = some.design()
    p, steps = edge(some), procedure(some)
    error = error_probability(steps, p, leader=not selected)
    if not selected:
        error += error_probability(steps, 1 - p, leader=True)
    print(f"n {n}, sigma {sigma}, R >= {target}, n0 {'> 0' if selected else '= 0'}: exact type-I error {error:.3e}")
    assert error <= plan.error * (1 + 1e-9) <= 1e-3 * (1 + 1e-9)
    assert plan.error == pytest.approx(error, rel=1e-5)
    assert error > 0.85e-3  # nearly all of alpha is used
    assert error_probability(steps, p + 0.01 * (1 - p), not selected) > 1.05 * error  # the check can fail
    for lower in (0.3, 0.5, 0.7, 0.9, 0.99):  # a smaller p_A is accepted more rarely
        assert error_probability(steps, p * lower + (1 - p) * (1 - lower), not selected) < error


def test_crossing_is_from_above():
    """Against the same sum in rational numbers."""
    looks, accept, reject = [7, 12, 20], [8, 11, 16], [4, 7, 0]
    for p in (Fraction(1, 3), Fraction(3, 5), Fraction(9, 10)):
        for leader in (False, True):
            alive, before, exact = {0: Fraction(1)}, 0, Fraction(0)
            for m, good, bad in zip(looks, accept, reject, strict=True):
                step, after = m - before, {}
                for c, chance in alive.items():
                    for k in range(step + 1):
                        ways = math.comb(step, k) * p**k * (1 - p) ** (step - k)
                        after[c + k] = after.get(c + k, 0) + chance * ways
                exact += sum(v for c, v in after.items() if c >= good)
                gone = {c for c in after if c >= good or (c < bad and (not leader or c > m - bad))}
                alive, before = {c: v for c, v in after.items() if c not in gone}, m
            found = Fraction(crossing(looks, accept, reject, float(p), float(1 - p), leader, 1e-30))
            assert exact * (1 - Fraction(1, 10**12)) <= found <= exact * (1 + Fraction(1, 10**8))
            assert leader or found < exact + 1


def test_convexity():
    """From the count on that is asked for the chance of a path, x^c (1-x)^(m-c), is convex up to p; not from the one
    below: the sign of its second derivative, in rational numbers.
    """
    for m, p in ((21, Fraction(3, 5)), (100, Fraction(11, 20)), (100, Fraction(97, 100)), (1000, Fraction(4, 5))):
        first = convex_from(m, int(p * 2**256) + 1)
        x = [p * k / 50 for k in range(1, 51)]

        def bend(c: int, v: Fraction, m: int = m) -> Fraction:
            return (
                c * (c - 1) * (1 - v) ** 2 - 2 * c * (m - c) * v * (1 - v) + (m - c) * (m - c - 1) * v * v
            )  # fmt: skip

        assert all(bend(c, v) >= 0 for c in range(first, m + 1, max(1, m // 40)) for v in x)
        assert bend(first - 1, p) < 0


# --- theorem 4: the leader at each look, over every outcome of several classes


def multinomial(n: int, chances: tuple[float, ...]):
    """Every vector of votes of n samples and its probability."""
    if len(chances) == 1:
        yield (n,), chances[0] ** n
        return
    for first in range(n + 1):
        ways = math.comb(n, first) * chances[0] ** first
        for rest, chance in multinomial(n - first, chances[1:]):
            yield (first, *rest), ways * chance


def false_decisions(plan: Decision, chances: tuple[float, ...], p0: float) -> float:
    """The probability that the firmware's loop accepts a class whose probability is at most p0."""
    alive, before, wrong = {(0,) * len(chances): 1.0}, 0, 0.0
    for m, good, bad in zip(plan.looks, plan.accept, plan.reject, strict=True):
        steps, after = list(multinomial(m - before, chances)), {}
        for votes, chance in alive.items():
            for step, more in steps:
                total = tuple(a + b for a, b in zip(votes, step, strict=True))
                after[total] = after.get(total, 0.0) + chance * more
        alive, before = {}, m
        for votes, chance in after.items():
            leader = max(range(len(votes)), key=lambda c: votes[c])
            if votes[leader] >= good:
                wrong += chance if chances[leader] <= p0 else 0.0
            elif votes[leader] >= bad:
                alive[votes] = chance
    return wrong


@pytest.mark.parametrize("sigma", ["0.25", "1"])
@pytest.mark.parametrize("target", ["0.01", "0.1", "0.3"])
def test_every_outcome(sigma, target):
    some = designer(34, sigma, target, alpha=Fraction(1, 20))
    plan = some.design()
    assert len(plan.looks) == 3
    p0 = edge(some)
    worst = 0.0
    for p in (p0, p0 - 0.005, (p0 + 0.5) / 2, 0.5, p0 + 0.001, 0.4):
        rest = 1 - p
        for chances in ((p, rest), (p, rest * 0.8, rest * 0.2), (p, rest / 2, rest / 2)):
            worst = max(worst, false_decisions(plan, chances, p0))
    print(f"sigma {sigma}, R >= {target}: at most {worst:.4f} of {plan.error:.4f}, alpha .05")
    assert 0.9 * plan.error < worst <= plan.error <= 0.05


def test_a_plan_for_a_selected_class_would_not_do():
    """Followed for the leader, it is wrong more often than it says: the check can fail."""
    some = designer(34, "1", "0.01", selected=True, alpha=Fraction(1, 20))
    assert false_decisions(some.design(), (0.5, 0.5), edge(some)) > 0.06


# --- looks and their cost


def test_looks():
    for n in (1, 19, 20, 25, 1000, 9999, 10_000, 100_000, 10_000_000):
        looks = schedule(n)
        assert looks[-1] == n
        assert looks == sorted(set(looks))
        assert 1 <= len(looks) <= MOST_LOOKS
        assert looks[0] == n or looks[0] >= 20
    assert len(schedule(1000)) == 22


@pytest.mark.parametrize("n", [1000, 100_000])
def test_the_tables_are_small(n):
    assert table_bytes(Smoothing(shape=(32, 32, 3), sigma="0.25", n=n, target_radius="0.25"))["sequential"] <= 1024


CASES = [
    (1000, "0.25", "0.25", 0.5),
    (1000, "0.25", "0.5", 0.5),
    (1000, "1", "0.5", 0.5),
    (1000, "1", "1", 0.5),
    (100_000, "0.25", "0.25", 0.75),
    (100_000, "0.25", "0.5", 0.75),
    (100_000, "1", "0.5", 0.75),
    (100_000, "1", "1", 0.75),
]


@pytest.mark.parametrize(("n", "sigma", "target", "share"), CASES)
def test_samples_of_the_decision(n, sigma, target, share):
    """On the published distribution of p_A, n0 counted: at most half of the former plan's at n = 1000."""
    some = designer(n, sigma, target)
    p = np.array(probabilities(sigma))
    before, taken_before = peers.mean_samples(peers.union(n, ALPHA, some.rule, some.squared), p)
    now, taken = peers.mean_samples(procedure(some), p)
    print(
        f"n {n}, sigma {sigma}, R >= {target}: {now:.0f} samples for {before:.0f} + 100, "
        f"accepted {100 * taken:.1f} % for {100 * taken_before:.1f} %"
    )
    assert now <= share * (before + 100)
    assert taken_before - taken < 0.012


def procedure(some: Designer) -> peers.Procedure:
    plan = some.design()
    return peers.Procedure(list(plan.looks), list(plan.accept), list(plan.reject))


@pytest.mark.long
@pytest.mark.parametrize(("n", "sigma", "target", "share"), CASES)
def test_published_procedures(n, sigma, target, share):
    """Horvath's stages and Voracek's betting, for docs/certificate.md."""
    some = designer(n, sigma, target)
    p = np.array(probabilities(sigma))
    now, taken = peers.mean_samples(procedure(some), p)
    fifth = peers.mean_samples(procedure(some), p[::5])[0]  # betting looks after every sample
    line = f"n {n}, sigma {sigma}, R >= {target}: {now:.0f} ({100 * taken:.1f} %)"
    for name, make in {"stages": peers.stages, "betting": peers.betting}.items():
        if name == "stages" or n <= 1000:
            betting = name == "betting"
            chances = p[::5] if betting else p
            samples, share_taken = peers.mean_samples(make(n, ALPHA, some.rule, some.squared), chances)
            line += f"; {name} {samples:.0f} ({100 * share_taken:.1f} %)"
            assert samples > (fifth if betting else now)
    print(line)
