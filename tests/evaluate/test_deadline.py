"""certify --deadline: a clock that the votes move."""

from __future__ import annotations

import numpy as np
import pytest

from intrs_edge.evaluate.baselines import FloatSmoothing
from intrs_edge.evaluate.cohen import cohen_of
from intrs_edge.evaluate.deadline import DeadlineTarget
from intrs_edge.smoothing.results import Mode, Stop, Stream

SETTINGS = {"sigma": "0.25", "n0": 0, "n": 400, "alpha": "0.001", "precision": "0.2", "target_radius": "0.2"}
IMAGE = np.full((2, 2, 1), 150, np.uint8)


class Slow:
    """A sample a second."""

    def __init__(self, target: FloatSmoothing) -> None:
        self.target, self.now, self.liars, self.lies_at = target, 0.0, {}, None

    def clock(self) -> float:
        return self.now

    def votes(self, image, stream, first, count):
        self.now += count
        if self.lies_at is not None and first >= self.lies_at:
            self.liars["board"], self.lies_at = "lies", None
        return self.target.votes(image, stream, first, count)


@pytest.fixture
def certifier():
    def classify(pixels):
        return (pixels.mean((1, 2, 3)) < 0.3).astype(np.int64)

    return lambda **changes: FloatSmoothing(classify, 3, cohen_of(SETTINGS | changes, (2, 2, 1)))


@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("mode", list(Mode))
def test_time_enough_changes_nothing(certifier, mode, n0):
    target = certifier(n0=n0)
    slow = Slow(target)
    found = DeadlineTarget(slow, target, n0, 1e6, slow.clock).certify(IMAGE, Stream(1, 1), mode)
    assert found == target.certify(IMAGE, Stream(1, 1), mode)
    assert found.stop != Stop.CALLER


@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("seconds", [0.5, 40, 200, 350])
def test_it_ends_in_time_and_at_a_checkpoint(certifier, seconds, n0):
    target = certifier(n0=n0)
    stops = set()
    for mode in (Mode.PRECISION, Mode.FIXED):
        slow = Slow(target)
        found = DeadlineTarget(slow, target, n0, seconds, slow.clock).certify(IMAGE, Stream(1, 1), mode)
        assert slow.now <= max(seconds * 17 / 16, n0) + 1
        assert slow.now == n0 + found.samples == n0 + sum(found.votes)
        stops.add(found.stop)
        if found.stop == Stop.CALLER:
            other = sorted(found.votes)[-2]
            assert found.radius_squared == target.proved(mode, found.samples, found.count, other)
        looks = [look.samples for look in target.smoothing.precision_plan.looks]
        assert mode == Mode.FIXED or seconds < looks[0] + n0 or found.samples in looks
    assert Stop.CALLER in stops


def test_what_a_liar_counted_is_counted_again(certifier):
    target = certifier()
    slow = Slow(target)
    slow.lies_at = 30
    found = DeadlineTarget(slow, target, 0, 100, slow.clock).certify(IMAGE, Stream(1, 1), Mode.FIXED)
    assert slow.now > 100 + found.samples - 10  # begun anew
    assert found.stop == Stop.CALLER
