"""Two-sided decisions: their type-I error by other code, every outcome of small ones, what they cost, the device."""

from __future__ import annotations

import ctypes
import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from peers import Procedure, error_probability
from smoothing_device import CLASSES, toy_classifier
from test_device import INTRS_E_ARGUMENT, judged

from intrs_edge.codegen.tables import table_bytes
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import read_log
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Mode, Smoothing, Stop, Stream, certify
from intrs_edge.smoothing.gates import GatePlan, gate_plan
from intrs_edge.smoothing.noise import DiscreteGaussian

NORMAL = NormalDist()
ALPHA = Fraction(1, 1000)


def plan_of(n: int, sigma: str, target: str, selected: bool = False) -> GatePlan:
    s = 255 * Fraction(sigma)
    tv = DiscreteGaussian(s).vector_total_variation(3072)
    return gate_plan(n, ALPHA, s, tv, 3072, Fraction(target), rounded=False, selected=selected)


def deviates(plan: GatePlan, sigma: str) -> tuple[list[float], list[float]]:
    """Of each gate's probabilities, which its bars round; the claim needs them to add up to 2 r / s."""
    mine = [NORMAL.inv_cdf(gate.mine.p / 2**32) for gate in plan.gates]
    return mine, [2 * math.sqrt(plan.squared / ((255 * float(sigma)) ** 2 - 2.25)) - v for v in mine]


def bars(plan: GatePlan, which: str) -> np.ndarray:
    """Per gate and look the votes that pass, in rational numbers."""
    found = []
    for gate in plan.gates:
        bar = getattr(gate, which)
        row = []
        for look in plan.looks:
            above = Fraction(bar.spread * look.up, 2**24)
            level = Fraction(bar.p * look.samples, 2**32) + max(above + Fraction(bar.shift, 2**12), above / 2)
            row.append(math.ceil(level))
        found.append(row)
    return np.array(found)


SHIPPED = [
    (1000, "0.12", "0.1"),
    (1000, "0.25", "0.05"),
    (1000, "0.25", "0.25"),
    (1000, "0.25", "0.5"),
    (1000, "0.5", "0.5"),
    (1000, "1", "1"),
    pytest.param(10_000, "0.5", "0.25", marks=pytest.mark.long),
    pytest.param(100_000, "0.25", "0.25", marks=pytest.mark.long),
    pytest.param(100_000, "1", "0.5", marks=pytest.mark.long),
]


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize(("n", "sigma", "target"), SHIPPED)
def test_type_one_error_of_the_plans(n, sigma, target, selected):
    """Theorem 8's sum by plain convolution: a class short of gate k's deviate passes one of the gates k and after, or
    its rival one of those before k.
    """
    plan = plan_of(n, sigma, target, selected)
    looks = [look.samples for look in plan.looks]
    own, rest = bars(plan, "mine"), bars(plan, "theirs")
    (mine, theirs), checked, worst = deviates(plan, sigma), 0, 0.0

    def error(rows: np.ndarray, deviate: float) -> float:
        steps = Procedure(looks, rows.min(axis=0).tolist(), [0] * len(looks))
        return error_probability(steps, NORMAL.cdf(deviate), False)

    for k in range(0, len(mine) + 1, 5 if n <= 1000 else 12):
        total = error(own[k:], mine[k]) if k < len(mine) else 0.0
        total += error(rest[:k], theirs[k - 1]) if k else 0.0
        worst, checked = max(worst, total), checked + 1
    print(f"n {n}, sigma {sigma}, R >= {target}, n0 {'> 0' if selected else '= 0'}: {worst:.3e} of {plan.error:.3e}")
    assert checked > 3
    assert 0.8 * plan.error < worst <= plan.error * (1 + 1e-6) <= 1e-3 * (1 + 1e-6)


# --- every outcome


def walk(plan: GatePlan, chances: tuple[float, ...], selected: int | None) -> float:
    """The probability of a claim that the probabilities do not bear out, by the firmware's loop over votes of three."""
    s = math.sqrt(64**2)
    alive, before, wrong = np.ones((1, 1)), 0, 0.0  # [votes of class 0, of class 1]
    deviate = [NORMAL.inv_cdf(min(max(p, 1e-12), 1 - 1e-12)) for p in chances]
    for index, look in enumerate(plan.looks):
        m, step = look.samples, look.samples - before
        ways = np.zeros((step + 1, step + 1))
        for a in range(step + 1):
            for b in range(step - a + 1):
                several = math.comb(step, a) * math.comb(step - a, b)
                ways[a, b] = several * chances[0] ** a * chances[1] ** b * chances[2] ** (step - a - b)
        after = np.zeros((m + 1, m + 1))
        for a, b in zip(*np.nonzero(alive), strict=True):
            after[a : a + step + 1, b : b + step + 1] += alive[a, b] * ways
        for a, b in zip(*np.nonzero(after), strict=True):
            votes = (int(a), int(b), m - int(a) - int(b))
            j = max(range(3), key=lambda c: votes[c]) if selected is None else selected
            decision = plan.decide(index, votes[j], max(votes[:j] + votes[j + 1 :]))
            if decision is not None:
                true = s / 2 * (deviate[j] - max(deviate[:j] + deviate[j + 1 :]))
                if decision[1] and true < math.sqrt(decision[1]):
                    wrong += after[a, b]
                after[a, b] = 0
        alive, before = after, m
    return wrong


@pytest.mark.parametrize("selected", [0, None])
@pytest.mark.parametrize("target", ["0.05", "0.2"])
def test_every_outcome(target, selected):
    """A grid over the probabilities of three classes, n = 34; the plan of five times alpha fails the same check."""
    alpha = Fraction(1, 20)
    made = (Fraction(64), Fraction(0), 1, Fraction(target), True, selected is not None)
    plan, loose = gate_plan(34, alpha, *made), gate_plan(34, 5 * alpha, *made)
    grid = [(a / 8, b / 8, (8 - a - b) / 8) for a in range(9) for b in range(9 - a)]
    edge = NORMAL.cdf(math.sqrt(plan.squared) / 64) - 1e-9
    grid += [(edge, 1 - edge, 0.0), (1 - edge, edge, 0.0), (edge - 0.1, 1 - edge - 0.05, 0.15)]
    worst = max(walk(plan, chances, selected) for chances in grid)
    careless = max(walk(loose, chances, selected) for chances in grid[-3:])
    print(f"R >= {target}, {'leader' if selected is None else 'selected'}: at most {worst:.4f} of {plan.error:.4f}")
    assert 0.005 < worst <= plan.error <= 0.05 < careless


# --- its size and what it costs


@pytest.mark.parametrize("n", [1000, pytest.param(100_000, marks=pytest.mark.long)])
def test_the_tables_are_small(n):
    smoothing = Smoothing((32, 32, 3), sigma="0.25", n=n, certificate="two-sided", target_radius="0.25")
    assert table_bytes(smoothing)["sequential"] <= 1024


def test_what_it_costs_and_gives():
    """Of images whose votes against the class are spread, it accepts what all n samples would, from a few of them."""
    n, sigma, target, rng = 1000, "0.5", "0.25", np.random.default_rng(0)
    plan = plan_of(n, sigma, target)
    full = Smoothing((32, 32, 3), sigma=sigma, n=n, certificate="two-sided").radius
    used, accepted, whole = [], 0, 0
    for _ in range(300):
        top = rng.uniform(0.35, 0.95)
        chances = np.concatenate([[top], (1 - top) * rng.dirichlet(np.ones(9))])
        votes, before, decision = np.zeros(10, np.int64), 0, None
        for index, look in enumerate(plan.looks):
            votes += rng.multinomial(look.samples - before, chances)
            before = look.samples
            first, second = sorted(votes.tolist())[:-3:-1]
            if decision is None and (decision := plan.decide(index, first, second)) is not None:
                used.append(look.samples)
        accepted += decision[1] > 0
        whole += full.lookup(first, second) >= plan.squared
    print(f"{np.mean(used):.0f} samples, accepted {accepted} of {whole}")
    assert np.mean(used) < 0.4 * n
    assert 0.9 * whole < accepted <= whole + 3


@pytest.mark.parametrize(("n", "sigma", "target"), [(200, "0.25", "0.396"), (1000, "1", "2"), (60, "0.25", "0.2")])
def test_where_all_agree_it_accepts(n, sigma, target):
    """However few samples suffice: nobody is given up on before."""
    plan = plan_of(n, sigma, target)
    ends = [(look.samples, plan.decide(k, look.samples, 0)) for k, look in enumerate(plan.looks)]
    ended = [(m, decision) for m, decision in ends if decision is not None]
    assert ended[0][1][1] == plan.squared
    assert ended[0][0] <= n


def test_out_of_reach_is_one_line():
    for target, says in (("0.001", "below one lattice step"), ("3", "even if all agree")):
        with pytest.raises(IntrsError, match=says):
            plan_of(100, "0.25", target)


# --- the device


@pytest.mark.parametrize("n0", [0, 20])
def test_the_device_judges_as_the_plan(build, n0):
    """Every count, and every count of a rival, at every look; and any-time answers between them."""
    smoothing = Smoothing((5, 5, 1), sigma="0.25", n0=n0, n=120, certificate="two-sided", target_radius="0.1")
    plan, device = smoothing.target_plan, build(smoothing)
    device.lib.intrs_proved.restype = device.lib.intrs_next_look.restype = ctypes.c_uint32
    looks, seen = [look.samples for look in plan.looks], set()
    assert [device.lib.intrs_next_look(1, m) for m in [0, *looks]] == [*looks, 0]
    for index, m in enumerate(looks):
        for count in range(m + 1):
            for other in range(m - count + 1):
                status, squared, stop = judged(device, 1, m, count, other)
                decision = plan.decide(index, count, other)
                assert (status, squared, stop) == ((1, 0, 0) if decision is None else (0, decision[1], decision[0]))
                seen.add((status, squared > 0, stop))
    assert seen == {(1, False, 0), (0, True, Stop.ACCEPT), (0, False, Stop.REJECT), (0, True, 0), (0, False, 0)}
    assert judged(device, 1, looks[0] + 1, 3)[0] == INTRS_E_ARGUMENT
    for m in range(1, 121, 7):
        for count in range(m + 1):
            for other in range(0, m - count + 1, 5):
                here = device.lib.intrs_proved(*(ctypes.c_uint32(v) for v in (1, m, count, other)))
                assert here == plan.proved(m, count, other) == smoothing.proved(Mode.TARGET, m, count, other)


@pytest.mark.parametrize("n0", [0, 20])
def test_certify_equals_the_reference(build, n0):
    smoothing = Smoothing((5, 5, 1), sigma="0.25", n0=n0, n=120, certificate="two-sided", target_radius="0.1")
    device, stops = build(smoothing, batch=4), set()
    for number in range(14):
        image = np.full(smoothing.shape, round(255 * number / 13), np.uint8)
        image[0, 0, 0] = 128
        status, found = device.certify(image, Stream(5, number), Mode.TARGET)
        assert status == 0
        assert found == certify(toy_classifier, image, Stream(5, number), smoothing, CLASSES, Mode.TARGET)
        stops.add(found.stop)
    assert Stop.ACCEPT in stops


# --- the largest fields of the tables stay within 64 bits


def test_the_integers_of_a_bar_fit():
    for n in (10**7, 1000):
        most = (2**32 - 1) * n + 2**16 * (round(5 * math.sqrt(n)) * 2**8) * 2**8 + 2**15 * 2**20
        assert most < 2**63


LOG = shipped("results") / "two-sided" / "int8-resnet-20-sigma-0.50-two-sided.tsv.gz"


@pytest.mark.long
@pytest.mark.parametrize(
    ("n", "target"), [(1000, "0.25"), (1000, "0.5"), (1000, "1"), (100_000, "0.25"), (100_000, "1")]
)
def test_samples_of_the_decision(n, target):
    """On the votes of a network of the zoo (results/), taken for its probabilities: docs/certificate.md."""
    rows = [[int(v) for v in row.extra["votes"].split(",")] for row in read_log(LOG)]
    plan = plan_of(n, "0.5", target)
    whole = Smoothing((32, 32, 3), sigma="0.5", n=n, certificate="two-sided").radius
    single = Smoothing((32, 32, 3), sigma="0.5", n=n, target_radius=target).target_plan
    rng, used, accepted, images = np.random.default_rng(0), np.zeros(2), np.zeros(3), 0
    for votes in rows * (4 if n <= 1000 else 1):
        chances = (np.array(votes) + 0.02) / (sum(votes) + 0.02 * len(votes))
        for place, some in enumerate((plan, single)):
            counted, before = np.zeros(len(votes), np.int64), 0
            for index, look in enumerate(some.looks):
                counted += rng.multinomial(look.samples - before, chances)
                before = look.samples
                second, first = sorted(counted.tolist())[-2:]
                decision = some.decide(index, first, second)
                if decision is not None:
                    used[place] += before
                    accepted[place] += decision[1] > 0
                    break
        counted = rng.multinomial(n, chances)
        second, first = sorted(counted.tolist())[-2:]
        accepted[2] += whole.lookup(first, second) >= plan.squared
        images += 1
    used, accepted = used / images, 100 * accepted / images
    print(
        f"n {n}, R >= {target}: two-sided {used[0]:.0f} samples, {accepted[0]:.1f} %; one-sided {used[1]:.0f}, "
        f"{accepted[1]:.1f} %; all n two-sided {accepted[2]:.1f} %; error {plan.error:.2e}"
    )
    assert used[0] < 0.5 * n
    assert accepted[0] > accepted[1] - (2 if target == "1" else 0)  # at 2 sigma a class has one rival at most
    assert accepted[0] > accepted[2] - 4
