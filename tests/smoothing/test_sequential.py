"""The sequential plans: what they claim, and the precision mode's exact error and savings (test_decision.py has the
other's).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from study_data import probabilities

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import SequentialPlan, Smoothing, Stop, certified_radius_squared
from intrs_edge.smoothing.claims import Claims
from intrs_edge.smoothing.radius import PaperRule, SoundRule, next_level
from intrs_edge.smoothing.sequential import Look, look_samples, precision_plan, target_plan

ALPHA = Fraction(1, 1000)
Floats = npt.NDArray[np.float64]


def binomial_pmf(n: int, p: float) -> Floats:
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = log_factorial[n] - log_factorial[k] - log_factorial[n - k] + k * np.log(p) + (n - k) * np.log1p(-p)
    return np.exp(logs)


def convolve(a: Floats, b: Floats) -> Floats:
    if min(len(a), len(b)) < 2000:
        return np.convolve(a, b)
    size = len(a) + len(b) - 1
    padded = 1 << (size - 1).bit_length()
    return np.maximum(np.fft.irfft(np.fft.rfft(a, padded) * np.fft.rfft(b, padded), padded)[:size], 0)


def error_probability(plan: SequentialPlan, p: float, allowed: int) -> float:
    """The exact probability of ever reporting a squared radius above ``allowed`` when the class has probability p."""
    alive, before, wrong = np.ones(1), 0, 0.0
    for index, look in enumerate(plan.looks):
        alive = convolve(alive, binomial_pmf(look.samples - before, p))
        before = look.samples
        counts = np.arange(look.samples + 1)
        false = first_count_above(look, allowed)
        last = index == len(plan.looks) - 1
        accepting = counts >= (look.accept[0] if look.accept else look.samples + 1)
        stopping = (accepting & ((counts <= look.ceiling) | last)) | (counts < look.reject)
        rejected = (counts < look.reject) & (not last)
        wrong += alive[stopping & ~rejected & (counts >= false)].sum()
        alive = np.where(stopping, 0, alive)
    return float(wrong)


def first_count_above(look: Look, allowed: int) -> int:
    """The smallest count that this look turns into a squared radius above ``allowed``."""
    level = look.squared
    for needed in look.accept:
        if level > allowed:
            return needed
        level = next_level(level)
    return look.samples + 1


@pytest.mark.parametrize(("n", "precision"), [(1000, "0.2"), (20_000, "0.1")])
def test_type_one_error_of_the_precision_mode(n, precision):
    """For p_A at several edges between levels: any radius above the true one is reported with a probability of at most
    alpha.
    """
    sigma = Fraction("63.75")
    rule = SoundRule(sigma)
    plan = precision_plan(n, ALPHA, rule, Fraction(precision), selected=True)
    worst = 0.0
    for squared in (1, 40, 1000, 4000, 9000, 20_000):
        p = rule.needed(squared) / 2**256
        worst = max(worst, error_probability(plan, p, squared - 1))
    print(f"n {n}, precision {precision}: largest exact type-I error {worst:.2e}")
    assert 1e-4 < worst <= 1e-3


@pytest.mark.parametrize("selected", [True, False])
@pytest.mark.parametrize("n", [1000, 20_000])
def test_each_look_proves_what_it_says(n, selected):
    """Union bound: every accept count has a tail within its look's share, and the shares sum to alpha at most."""
    sigma = Fraction("63.75")
    rule = SoundRule(sigma)
    plan = precision_plan(n, ALPHA, rule, Fraction("0.2"), selected)
    accepting = [look for look in plan.looks[:-1] if look.accept]
    share = ALPHA / 2 / len(accepting)
    for look in plan.looks:
        claims = Claims(look.samples, ALPHA / 2 if look is plan.looks[-1] else share, rule, selected)
        level = look.squared
        for count in look.accept:
            assert claims.proves(count, level)
            level = next_level(level)
        assert list(look.accept) == sorted(look.accept)
        assert 0 <= look.reject <= look.samples


def test_looks():
    assert look_samples(100_000)[0] in range(50, 76)
    assert look_samples(1000)[0] in range(25, 38)
    assert len(look_samples(100_000)) == 19
    assert len(look_samples(1000)) == 10
    assert look_samples(10) == [10]
    assert look_samples(25) == [25]


def simulate(plan: SequentialPlan, p: Floats, seed: int) -> tuple[Floats, Floats, Floats]:
    """(samples, squared radius, final count of all n) of one certification per p."""
    rng = np.random.default_rng(seed)
    counts = np.zeros(len(p), dtype=np.int64)
    used, squared = np.zeros(len(p)), np.zeros(len(p))
    live, before = np.ones(len(p), dtype=bool), 0
    for index, look in enumerate(plan.looks):
        counts += rng.binomial(look.samples - before, p)
        before = look.samples
        for i in np.flatnonzero(live):
            decision = plan.decide(index, int(counts[i]))
            if decision is not None:
                live[i], used[i], squared[i] = False, look.samples, decision[1]
    assert not live.any()
    return used, squared, counts.astype(np.float64)


def test_samples_saved_by_a_precision():
    smoothing = Smoothing(shape=(32, 32, 3), sigma="1", n=100_000, precision="0.1")
    plan = smoothing.precision_plan
    assert plan is not None
    p = np.tile(probabilities("1"), 10)
    used, squared, counts = simulate(plan, p, 3)
    full = np.sqrt([smoothing.radius.lookup(int(c)) for c in counts])
    found = np.sqrt(squared)
    within = (full - found <= 0.1 * np.maximum(full, 127.5)).mean()
    print(f"precision 10 %: {100_000 / used.mean():.1f}x fewer samples, {100 * within:.0f} % within it")
    assert 100_000 / used.mean() >= 12
    assert within > 0.85


def test_public_constructors_are_the_plans_of_a_configuration():
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", n=1000, target_radius="0.25", precision="0.2")
    tv = smoothing.total_variation
    assert SequentialPlan.for_target(1000, "0.001", "0.25", "0.25", tv) == smoothing.target_plan
    assert SequentialPlan.for_precision(1000, "0.001", "0.25", "0.2", tv) == smoothing.precision_plan
    selected = replace(smoothing, n0=100)
    assert SequentialPlan.for_target(1000, "0.001", "0.25", "0.25", tv, selected=True) == selected.target_plan
    assert SequentialPlan.for_precision(1000, "0.001", "0.25", "0.2", tv, selected=True) == selected.precision_plan


def test_decide():
    plan = SequentialPlan((Look(10, 3, 8, 4, (6, 9)), Look(20, 0, 20, 1, (11, 13, 18))))
    assert plan.decide(0, 2) == (Stop.REJECT, 0)
    assert plan.decide(0, 3) is None
    assert plan.decide(0, 6) == (Stop.ACCEPT, 4)
    assert plan.decide(0, 8) == (Stop.ACCEPT, 4)
    assert plan.decide(0, 9) is None  # above the ceiling: proved, not yet precise
    assert plan.decide(1, 10) == (Stop.FULL, 0)
    assert plan.decide(1, 13) == (Stop.FULL, 2)
    assert plan.decide(1, 20) == (Stop.FULL, 3)


def test_the_last_look_claims_no_more_than_the_fixed_table():
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", n=1000, precision="0.1")
    plan = smoothing.precision_plan
    assert plan is not None
    for count in (556, 700, 999, 1000):
        assert plan.looks[-1].proved(count) <= certified_radius_squared(count, 1000, ALPHA / 2, "63.75")


@pytest.mark.parametrize("target", ["0", "-1", "0.003"])
def test_targets_below_a_step(target):
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", target_radius=target)
    with pytest.raises(IntrsError, match="below one lattice step"):
        _ = smoothing.target_plan


def test_a_target_out_of_reach():
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", target_radius="0.9")
    with pytest.raises(IntrsError, match="take more samples or a smaller target"):
        _ = smoothing.target_plan


@pytest.mark.parametrize("precision", ["0", "0.01", "0.6", "10"])
def test_precisions_out_of_range(precision):
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", precision=precision)
    with pytest.raises(IntrsError, match=r"outside 0\.02 \.\. 0\.5"):
        _ = smoothing.precision_plan


def test_few_samples_make_one_look():
    rule = SoundRule(Fraction(64))
    for selected in (True, False):
        plan = target_plan(20, Fraction(1, 10), rule, Fraction("0.1"), Fraction(64), selected)
        assert [look.samples for look in plan.looks] == [20]
        assert plan.looks[0].accept == tuple(Claims(20, Fraction(1, 10), rule, selected).counts([650]).tolist())


def test_the_paper_rule_has_no_plans():
    with pytest.raises(IntrsError, match="fixed samples only"):
        Smoothing(shape=(4, 4, 1), sigma="0.25", certificate="paper", target_radius="0.1")
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.25", certificate="paper")
    assert isinstance(smoothing.rule, PaperRule)
    assert not smoothing.sound
