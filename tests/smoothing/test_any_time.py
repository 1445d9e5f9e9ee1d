"""A certification that its caller ends: what it claims stands, whatever the samples that were not taken would say."""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import replace

import numpy as np
import pytest
from smoothing_device import CLASSES, CCertificate, toy_classifier
from test_steps import DAMAGED, MORE, OK, begin, certificate, images, step

from intrs_edge.smoothing import Mode, SequentialPlan, Smoothing, Stop, Stream, certify
from intrs_edge.smoothing.radius import SoundRule

BASE = Smoothing(shape=(5, 5, 1), sigma="0.25", n=300, target_radius="0.05", precision="0.2")
KINDS = ["two-sided", "one-sided"]


# --- soundness


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("n", [60, 5000])
def test_all_samples_would_prove_as_much(n, n0, kind):
    """Fixed mode: whatever the other samples vote, the same class has at least the radius that was claimed."""
    smoothing = replace(BASE, n=n, n0=n0, certificate=kind, target_radius=None, precision=None)
    step, claimed, loose = (1 if n == 60 else n // 12), 0, 0
    for samples in range(step, n + 1, step):
        rest = n - samples
        for count in range(0, samples + 1, step):
            for other in range(0, samples - count + 1, step):
                squared = smoothing.proved(Mode.FIXED, samples, count, other)
                mine = (0, rest // 3, rest)
                ends = [(count + x, other + y) for x in mine for y in (0, (rest - x) // 2, rest - x)]
                least = min(smoothing.radius.lookup(*end) for end in ends)
                assert squared <= least
                assert not squared or all(top > second for top, second in ends)  # and it is the leader of all
                claimed += squared > 0
                loose += smoothing.radius.lookup(count * n // samples, other * n // samples) > least
    assert claimed > 5
    assert loose > 5  # the shares so far, taken for those of all samples, would say more: the check can fail


def ever_false(plan: SequentialPlan, n: int, p: float, allowed: int, claim) -> float:
    """The exact probability that at any number of samples, until the plan ends it, ``claim`` is above ``allowed``."""
    alive, wrong = np.ones(1), 0.0
    looks = [look.samples for look in plan.looks]
    for samples in range(1, n + 1):
        alive = np.convolve(alive, [1 - p, p])
        for count in np.flatnonzero(alive).tolist():
            index = looks.index(samples) if samples in looks else None
            decision = plan.decide(index, count) if index is not None else None
            if max(claim(samples, count), decision[1] if decision else 0) > allowed:
                wrong += alive[count]
                alive[count] = 0
            elif decision is not None:
                alive[count] = 0
    return wrong


@pytest.mark.parametrize("mode", [Mode.TARGET, Mode.PRECISION])
def test_whenever_it_is_ended_the_error_is_alpha(mode):
    """The caller ends it at the first sample, if any, at which its claim is false."""
    smoothing = replace(BASE, n0=20, n=150, alpha="0.02", sigma="1", target_radius="0.2", precision="0.3")
    plan, n = smoothing.plan(mode), smoothing.n
    rule = smoothing.rule
    assert isinstance(rule, SoundRule)
    edges = [smoothing.target_plan.looks[0].squared] if mode == Mode.TARGET else [1, 500, 5000, 40_000]
    worst = careless = 0.0
    for squared in edges:
        p = rule.needed(squared) / 2**256 - 1e-12
        worst = max(worst, ever_false(plan, n, p, squared - 1, plan.proved))
        full = [look for look in plan.looks if look.accept]

        def last(samples: int, count: int, full=full) -> int:
            """What the last look says of the share of votes so far."""
            return full[-1].proved(count * n // samples) if samples >= 20 else 0

        careless = max(careless, ever_false(plan, n, p, squared - 1, last))
    print(f"{mode.name.lower()}: ever false {worst:.2e} of .02")
    assert 0.004 < worst <= 0.02 < careless  # the check can fail


# --- the device


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n0", [0, 20])
def test_the_device_proves_what_the_tables_say(build, n0, kind):
    """Every mode, samples, count and others; nothing for votes that cannot be."""
    smoothing = replace(BASE, n0=n0, certificate=kind)
    device, n, claims = build(smoothing), smoothing.n, 0
    device.lib.intrs_proved.restype = ctypes.c_uint32

    def here(*numbers: int) -> int:
        return device.lib.intrs_proved(*(ctypes.c_uint32(v) for v in numbers))

    for mode in Mode:
        for samples, count in itertools.product([*range(1, n, 7), n], [*range(0, n + 1, 5), n]):
            for other in {0, max(0, samples - count) // 3, max(0, samples - count), n}:
                right = smoothing.proved(mode, samples, count, other) if count + other <= samples else 0
                assert here(mode, samples, count, other) == right
                claims += right > 0
    assert claims > 100
    assert here(Mode.FIXED, n + 1, n, 0) == here(Mode.TARGET, n + 1, n, 0) == here(3, n, n, 0) == 0
    assert here(Mode.FIXED, n, 0xFFFFFFFF, 2) == here(Mode.FIXED, 5, 3, 0xFFFFFFFF) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n0", [0, 20])
def test_a_certification_that_is_ended_equals_the_reference(build, n0, kind):
    smoothing = replace(BASE, n0=n0, certificate=kind)
    device = build(smoothing, batch=4)
    stops = set()

    def now(state) -> tuple[int, CCertificate]:
        out = CCertificate(label=77)
        return device.lib.intrs_certify_now(ctypes.byref(state), ctypes.byref(out)), out

    for mode in Mode:
        for number, image in images():
            state = begin(device, image, Stream(5, number), mode)
            status, out = now(state)
            assert (status, out.label, out.samples, out.radius_squared, out.stop) == (OK, -1, 0, 0, Stop.CALLER)
            going = step(device, state, image, n0 + 1 if n0 else 1)
            while going == MORE:
                status, out = now(state)
                most = state.done - n0
                assert status == OK
                found = certify(toy_classifier, image, Stream(5, number), smoothing, CLASSES, mode, most)
                assert certificate(state, out) == found
                assert found.stop == Stop.CALLER
                stops.add((mode, found.label >= 0))
                going = step(device, state, image, 83)
            whole = certify(toy_classifier, image, Stream(5, number), smoothing, CLASSES, mode)
            assert certificate(state, now(state)[1]) == whole  # decided: the certificate itself
            assert certify(toy_classifier, image, Stream(5, number), smoothing, CLASSES, mode, smoothing.n) == whole
    assert (Mode.FIXED, True) in stops
    state.done += 1
    status, out = now(state)
    assert (status, out.label) == (DAMAGED, 77)
