"""A crew in simulated time: members of any speed that die, lie, come late, or get slow; a clock that jumps."""

import heapq
from dataclasses import dataclass, field
from queue import Empty

import numpy as np

from intrs_edge.smoothing.results import Stop
from intrs_edge.targets.base import Ends, TargetInfo
from intrs_edge.targets.crew import Answer, Outcome

CLASSES = 3
SHAPE = (2, 2, 1)


def votes_of(image, stream, first, count):
    """What is right: a vote for class 1 or 2 by the sample's number, the image's and the seed."""
    numbers = np.arange(first, first + count, dtype=np.uint64) + np.uint64(7919 * stream.image + stream.seed)
    ones = int(((numbers * np.uint64(2654435761) >> np.uint64(16)) % np.uint64(16) < 11).sum())
    return np.array([0, ones, count - ones])


class Tables:
    """A judge of made-up tables: fixed after ``n``; a sequential mode stops at the first look with two thirds."""

    def __init__(self, n, looks=()):
        self.n, self.looks = n, [*looks, n]

    def next_look(self, mode, samples):
        if mode == 0:
            return self.n if samples < self.n else 0
        return next((look for look in self.looks if look > samples), 0)

    def judge(self, mode, samples, count, other):
        if samples == self.n or (mode != 0 and 3 * count > 2 * samples):
            return count, Stop.FULL if samples == self.n else Stop.ACCEPT
        return None


def info(n0, n):
    return TargetInfo("simulated", "here", 1, 2, CLASSES, SHAPE, n0, n, 0, Ends())


@dataclass
class Member:
    """rate: samples a second; setup: seconds a task takes beside them; the other times: when it happens."""

    rate: float
    setup: float = 0.0
    joins: float = 0.0
    dies: float = float("inf")
    lies: bool = False
    caught: float = float("inf")  # when an audit finds it out
    slows: float = float("inf")
    threads: int = 1
    queue: list = field(default_factory=list)
    busy: list = field(default_factory=list)


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


class Crew:
    """Stands in for `crew.Crew`; ``outcomes`` is itself."""

    begins = decides = False

    def __init__(self, clock, people, seconds=1.0, probe=4, batch=1):
        self.clock, self.people = clock, people
        self.seconds, self.probe, self.batch = seconds, probe, batch
        self.outcomes, self._events, self._at = self, [], 0
        self.counted, self.stopped, self.started = 0, False, []

    def members(self):
        now = self.clock.now
        return {
            name: m.threads
            for name, m in self.people.items()
            if m.joins <= now < m.dies and not (m.lies and m.caught <= now)
        }

    def start(self, task):
        member = self.people[task.member]
        self.started.append(task)
        begun = max(self.clock.now, min(member.busy)) if len(member.busy) >= member.threads else self.clock.now
        rate = member.rate / (50 if begun >= member.slows else 1)
        seconds = member.setup + task.samples / rate
        if len(member.busy) >= member.threads:
            member.busy.remove(min(member.busy))
        member.busy.append(begun + seconds)
        self._at += 1
        heapq.heappush(self._events, (begun + seconds, self._at, task, seconds))

    def stop(self):
        self.stopped = True

    def empty(self):
        return True

    def get(self, timeout):
        deadline = self.clock.now + timeout
        while self._events and self._events[0][0] <= deadline:
            at, _, task, seconds = heapq.heappop(self._events)
            member = self.people[task.member]
            self.clock.now = max(self.clock.now, at)
            if at >= member.dies:
                continue  # nothing is heard of it
            if member.lies and at >= member.caught:
                return Outcome(task, None, wrong="its votes are wrong")
            answers = []
            for job in task.jobs:
                votes = votes_of(job.image, job.stream, job.first, job.count)
                votes = np.roll(votes, 1) if member.lies else votes
                answers.append(Answer.of(job, votes))
            self.counted += task.samples
            return Outcome(task, answers, seconds)
        self.clock.now = deadline
        raise Empty
