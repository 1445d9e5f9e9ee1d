"""Sharing images among those who count, in simulated time: certificates are those of one machine, nothing is lost, and
the time is near what those who live could do at best.
"""

from collections import deque

import numpy as np
import pytest
from simulated_crew import SHAPE, Clock, Crew, Member, Tables, info, votes_of

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Mode, Stream
from intrs_edge.targets import sharing as sharing_module
from intrs_edge.targets.base import certify_by_votes
from intrs_edge.targets.crew import Answer, Outcome
from intrs_edge.targets.sharing import Sharing

IMAGE = np.arange(4, dtype=np.uint8).reshape(SHAPE)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sharing_module, "time", clock)
    return clock


class Work:
    """Images by their numbers; those that a liar had a part in come back, as they do in `certify_images`."""

    def __init__(self, numbers):
        self.left = deque(numbers)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return IMAGE, Stream(9, self.left.popleft())


def run(crew, images, n, n0=20, mode=Mode.FIXED, looks=(), **more):
    """Shares so many images; checks every certificate; gives the run."""
    judge = Tables(n, looks)
    sharing = Sharing(crew, judge, info(n0, n), mode, **more)
    work, found, order, wrong = Work(range(images)), {}, [], set()
    for stream, certificate, _ in sharing.certify(work):
        if sharing._wrong - wrong:
            wrong |= sharing._wrong
            had = {job.stream.image for task in crew.started if task.member in wrong for job in task.jobs}
            work.left.extend(sorted(had & set(found)))
            for number in had & set(found):
                del found[number]
        found[stream.image] = certificate
        order.append(stream.image)
    if not wrong:
        assert order == list(range(images))
    for number in range(images):
        stream = Stream(9, number)
        right = certify_by_votes(judge, n0, mode, lambda a, k, s=stream: votes_of(IMAGE, s, a, k))
        assert found[number] == right
    assert crew.stopped
    return sharing


def ideal(people, samples):
    return samples / sum(m.rate * m.threads for m in people.values())


@pytest.mark.parametrize("mode", [Mode.FIXED, Mode.TARGET])
@pytest.mark.parametrize("n0", [0, 20])
def test_certificates_are_those_of_one_machine(clock, mode, n0):
    people = {"a": Member(1000), "b": Member(300, threads=3), "c": Member(70)}
    run(Crew(clock, people), 50, 1000, n0, mode, looks=(10, 40, 160, 640))


def test_a_mixed_fleet_ends_together(clock):
    people = {"host": Member(20000, threads=4), "pi": Member(700, setup=0.01), "m4": Member(12, setup=0.05)}
    crew = Crew(clock, people)
    run(crew, 10, 100_000)
    assert clock.now < 1.05 * ideal(people, 10 * 100_020)
    ends = [max(m.busy) for m in people.values()]
    assert max(ends) - min(ends) < 3
    sizes = {name: [t.samples for t in crew.started if t.member == name] for name in people}
    assert max(sizes["m4"]) <= 24
    assert max(sizes["host"]) > 10_000


def test_a_straggler_is_not_waited_for(clock):
    people = {"fast": Member(1000), "slow": Member(1000, slows=5.0)}  # fifty times slower from then on
    crew = Crew(clock, people)
    sharing = run(crew, 20, 1000)
    late = max(m for m in people["slow"].busy)
    assert clock.now < late  # ended before the straggler had
    assert clock.now < 1.3 * (5 + (20 * 1020 - 5 * 2000) / 1000)
    assert any(t.shared for t in crew.started)
    assert sharing._exhausted


def test_somebody_who_is_stuck_in_the_middle_is_not_waited_for(clock, monkeypatch):
    people = {"well": Member(1000), "stuck": Member(1000, slows=2.0)}
    people["stuck"].rate = 1000
    order = []
    judge = Tables(1000)
    sharing = Sharing(Crew(clock, people), judge, info(0, 1000), Mode.FIXED)
    for stream, _, _ in sharing.certify([(IMAGE, Stream(9, k)) for k in range(100)]):
        order.append((stream.image, clock.now))
    gaps = np.diff([now for _, now in order])
    assert gaps.max() < 15  # the stuck task would have taken fifty seconds


def test_who_dies_loses_nothing_and_who_joins_takes_part(clock):
    people = {f"w{k}": Member(500, dies=3.0 + k) for k in range(3)} | {"late": Member(500, joins=4.0)}
    crew = Crew(clock, people)
    run(crew, 20, 1000)
    assert {task.member for task in crew.started} == set(people)
    assert crew.counted < 20 * 1020 * 1.3


def test_nobody_is_there_at_first(clock):
    people = {"late": Member(500, joins=4.0)}
    run(Crew(clock, people), 5, 1000)
    assert clock.now > 4


def test_what_a_liar_said_is_counted_again(clock):
    people = {"a": Member(500), "liar": Member(500, lies=True, caught=6.0)}
    crew = Crew(clock, people)
    sharing = run(crew, 3, 4000, 0)
    assert sharing._wrong == {"liar"}


def test_without_an_audit_a_lie_stands(clock):
    people = {"a": Member(500), "liar": Member(500, lies=True)}
    with pytest.raises(AssertionError):
        run(Crew(clock, people), 3, 4000, 0)


def test_a_thousand_with_ten_per_cent_dying_one_lying_and_five_slow(clock):
    people = {}
    for k in range(1000):
        if k % 10 == 3:
            people[f"b{k}"] = Member(10, setup=0.1, dies=5.0 + k / 20)
        elif k % 100 == 7:
            people[f"b{k}"] = Member(10, setup=0.1, lies=True, caught=10.0 + k / 50)
        elif k % 20 == 5:
            people[f"b{k}"] = Member(1, setup=0.1)
        else:
            people[f"b{k}"] = Member(10, setup=0.1)
    crew = Crew(clock, people, seconds=4.0)
    run(crew, 400, 900, 0)
    living = {name: m for name, m in people.items() if not m.lies and m.dies == float("inf")}
    assert clock.now < 1.2 * ideal(living, 400 * 900)


def test_an_image_that_the_model_does_not_take_is_an_error_at_its_turn(clock):
    sharing = Sharing(Crew(clock, {"a": Member(1000)}), Tables(100), info(0, 100), Mode.FIXED)
    given = sharing.certify([(IMAGE, Stream(9, 0)), (IMAGE[:1], Stream(9, 1))])
    assert next(given)[0].image == 0
    with pytest.raises(IntrsError, match="this model takes"):
        next(given)


def test_work_that_comes_back_after_the_last_is_done(clock):
    work, seen = Work([0, 1, 2]), []
    sharing = Sharing(Crew(clock, {"a": Member(1000)}), Tables(100), info(0, 100), Mode.FIXED)
    for stream, _, _ in sharing.certify(work):
        seen.append(stream.image)
        if seen == [0, 1, 2]:
            work.left.append(1)
    assert seen == [0, 1, 2, 1]


def test_votes_that_do_not_add_up_end_the_run(clock):
    class Bad(Crew):
        def get(self, timeout):
            outcome = super().get(timeout)
            return Outcome(outcome.task, [Answer([(f, c + 1, v)], c) for ((f, c, v),), *_ in outcome.answers], 1.0)

    with pytest.raises(IntrsError, match="votes for"):
        run(Bad(clock, {"a": Member(1000)}), 1, 100)


def test_a_failure_is_the_callers(clock):
    class Failing(Crew):
        def get(self, timeout):
            return Outcome(super().get(timeout).task, None, error=IntrsError("the library failed"))

    crew = Failing(clock, {"a": Member(1000)})
    with pytest.raises(IntrsError, match="the library failed"):
        run(crew, 1, 100)
    assert crew.stopped
