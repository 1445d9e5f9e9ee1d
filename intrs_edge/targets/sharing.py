# SPDX-License-Identifier: Apache-2.0
"""Many images, cut into tasks for whoever counts: threads of this process, workers of a cluster, boards.

What is shared are ranges of samples; what they prove is decided here, by the host's tables, look by look. So it does
not matter who counts what, how often a range is counted, or who is lost on the way: counts are those of one machine.
A task is as large as who gets it is fast; towards the end tasks shrink, and what a straggler has is given to another.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import (
    Image,
    Judge,
    TargetInfo,
    Votes,
    certificate_of,
    check_image,
    check_stream,
    first_look,
)
from intrs_edge.targets.crew import Crew, Job, Keeper, Outcome, Task
from intrs_edge.targets.journal import Range, disjoint, missing

_AT_HAND = 2  # tasks that somebody has for each thread: the next is there when one is done
_POLL = 0.25  # seconds between looks at who is there
_LATE, _LATE_SECONDS = 4.0, 5.0  # times longer than expected, and so much more: given to another as well
_SHORTEST = 0.05  # of a task's usual time: those at the end
_MOST_GOALS = 1 << 14  # images under way
_IDLE = 8  # members for whom nothing was found, after which no other is asked


class _Goal:
    """A certificate that is being counted."""

    def __init__(self, number: int, image: Image, stream: Stream) -> None:
        self.number, self.image, self.stream = number, image, stream
        self.parts: list[Range] = []
        self.open: list[tuple[int, int]] = []  # ranges that nobody has
        self.out: set[tuple[int, int]] = set()  # those that somebody has
        self.queued = False
        self.seconds = 0.0
        self.found: Certificate | None = None
        self.error: IntrsError | None = None

    @property
    def ended(self) -> bool:
        return self.found is not None or self.error is not None

    def advance(self, judge: Judge, mode: Mode, n0: int) -> None:
        """From what is known: the certificate, or the ranges that the next look lacks."""
        ranges = {(part.first, part.count): part for part in self.parts}  # those of whole looks are found at once

        def known_of(first: int, count: int) -> list[Range]:
            whole = ranges.get((first, count))
            return [whole] if whole is not None else disjoint(first, count, self.parts)

        chosen = known_of(0, n0)
        self.open = list(missing(0, n0, chosen))
        selected = int(_total(chosen).argmax()) if n0 and not self.open else None
        at, look, counted = 0, first_look(judge, mode), np.zeros(0, np.int64)
        while True:
            known = known_of(n0 + at, look - at)
            self.open += missing(n0 + at, look - at, known)
            if self.open:
                return
            votes = _total(known)
            counted = votes if not counted.size else counted + votes
            self.found = certificate_of(judge, mode, selected, counted)
            if self.found is not None:
                return
            at, look = look, judge.next_look(mode, look)


def _total(parts: Sequence[Range]) -> Votes:
    if len(parts) == 1:
        return np.array(parts[0].votes, np.int64)
    total: Votes = np.sum([part.votes for part in parts], axis=0, dtype=np.int64)
    return total


@dataclass
class Sharing:
    """A run of `certify`: what is under way, and who has it.

    largest: samples of one range at most. keeper: keeps ranges before they count.
    """

    crew: Crew
    judge: Judge
    info: TargetInfo
    mode: Mode
    keeper: Keeper | None = None
    largest: int = 1 << 16
    _goals: OrderedDict[int, _Goal] = field(default_factory=OrderedDict)  # in order; until they are given
    _ready: deque[_Goal] = field(default_factory=deque)  # those with ranges that nobody has
    _left: int = 0  # samples of these, about
    _tasks: dict[str, list[Task]] = field(default_factory=dict)
    _rates: dict[str, float] = field(default_factory=dict)  # samples a second of one thread
    _threads: dict[str, int] = field(default_factory=dict)
    _width: int = 1  # threads of all
    _speed: float = 1.0  # samples a second of all
    _late: list[tuple[float, Task]] = field(default_factory=list)  # those who take longest last, with the seconds
    _wrong: set[str] = field(default_factory=set)
    _spent: tuple[int, int] = (0, 0)  # samples of jobs with a mode, and how many jobs
    _counter: int = 0
    _exhausted: bool = False

    def certify(self, work: Iterable[tuple[Image, Stream]]) -> Iterator[tuple[Stream, Certificate, float]]:
        """The certificate of every image, in their order, and its part of the run's time in seconds.

        An interrupt ends what is under way; before it is raised, what was finished behind the image that it met is
        given. Raises IntrsError for an image that the model does not take when it is its turn, and what `Crew` raises.
        """
        polled, more = -_POLL, iter(work)
        try:
            while True:
                if time.monotonic() - polled >= _POLL:
                    self._poll()
                    self._fill_all(more)
                    polled = time.monotonic()
                while self._goals and (head := next(iter(self._goals.values()))).ended:
                    if head.error is not None:
                        raise head.error
                    assert head.found is not None
                    del self._goals[head.number]
                    yield head.stream, head.found, head.seconds
                if not self._goals:  # work may have come back while the last was given
                    self._exhausted = False
                    self._pull(more)  # also while nobody is there
                    if not self._goals:
                        return
                    self._fill_all(more)
                try:
                    outcome = self.crew.outcomes.get(timeout=_POLL)
                except Empty:
                    continue
                self._take(outcome)
                self._fill(outcome.task.member, more)
        except KeyboardInterrupt:
            self.crew.stop()
            while not self.crew.outcomes.empty():
                outcome = self.crew.outcomes.get()
                if outcome.error is None:
                    self._take(outcome)
            for goal in self._goals.values():
                if goal.found is not None:
                    yield goal.stream, goal.found, goal.seconds
            raise
        finally:
            self.crew.stop()

    # who has what

    def _poll(self) -> None:
        """Looks who is there; what those had who are gone is open again, and what is late is given to others too."""
        self._threads = dict(self.crew.members())
        for name in [name for name in self._tasks if name not in self._threads]:
            for task in self._tasks.pop(name):
                self._reopen(task)
        now = time.monotonic()
        for name, tasks in self._tasks.items():
            for task in tasks[: self._threads[name]]:
                if task.expected and now - task.begun > _LATE * task.expected + _LATE_SECONDS:
                    for one in tasks:  # those that wait behind it, too
                        self._reopen(one)
                    break
        known = sorted(rate for name, rate in self._rates.items() if name in self._threads)
        middle = known[len(known) // 2] if known else 1.0
        self._width = max(1, sum(self._threads.values()))
        self._speed = sum(n * self._rates.get(name, middle) for name, n in self._threads.items()) or 1.0
        self._left = sum(map(self._size, self._ready))
        self._late = self._stragglers(now) if self._exhausted else []

    def _reopen(self, task: Task) -> None:
        """Others may have the jobs of a task."""
        if task.shared:
            return
        task.shared = True
        for job in task.jobs:
            goal = self._goals.get(job.goal)
            if goal is not None:
                goal.out.discard((job.first, job.count))
                self._renew(goal)

    def _renew(self, goal: _Goal) -> None:
        """Looks again at what a goal lacks, unless others are at it."""
        if goal.out or goal.ended:
            return
        goal.advance(self.judge, self.mode, self.info.n0)
        if not goal.ended:
            self._left += self._size(goal)
            if not goal.queued:
                goal.queued = True
                self._ready.appendleft(goal)

    def _take(self, outcome: Outcome) -> None:
        """An outcome: answers are kept, and count."""
        task, member = outcome.task, outcome.task.member
        mine, threads = self._tasks.get(member, []), self._threads.get(member, 1)
        if task in mine:
            mine.remove(task)
            if len(mine) >= threads:
                mine[threads - 1].begun = time.monotonic()
        if outcome.error is not None:
            raise outcome.error
        if outcome.wrong:
            self._disbelieve(member, outcome.wrong)
        if outcome.answers is None or member in self._wrong:
            self._reopen(task)
            return
        samples = sum(answer.samples for answer in outcome.answers)
        if samples and outcome.seconds > 0:
            rate, before = samples / outcome.seconds, self._rates.get(member)
            self._rates[member] = rate if before is None else (rate + before) / 2
        share = outcome.seconds / max(1, samples) / self._width
        for job, answer in zip(task.jobs, outcome.answers, strict=True):
            counted = answer.samples
            if job.mode is not None:
                self._spent = (self._spent[0] + counted, self._spent[1] + 1)
            goal = self._goals.get(job.goal)
            if goal is None or goal.ended:
                continue
            goal.seconds += share * counted
            if answer.found is not None and self.crew.decides and self.keeper is None:
                goal.found = answer.found
                continue
            for first, count, votes in answer.parts:
                self._keep(goal, Range(first, count, votes, member))
            if (job.first, job.count) in goal.out:
                goal.out.discard((job.first, job.count))
                self._renew(goal)

    def _keep(self, goal: _Goal, found: Range) -> None:
        if len(found.votes) != self.info.classes or sum(found.votes) != found.count:
            raise IntrsError(f"{found.by}: {sum(found.votes)} votes for {found.count} samples of {goal.stream.image}")
        end = found.first + found.count
        if any(part.first < end and found.first < part.first + part.count for part in goal.parts):  # counted twice
            return
        if self.keeper is not None:
            self.keeper.keep(goal.image, goal.stream, found)
        goal.parts.append(found)

    def _disbelieve(self, name: str, why: str) -> None:
        """All that somebody said of images that are under way is counted again."""
        self._wrong.add(name)
        if self.keeper is not None:
            self.keeper.disbelieve(name, why)
        for goal in self._goals.values():
            sound = [part for part in goal.parts if part.by != name]
            if len(sound) < len(goal.parts) and goal.error is None:
                goal.parts, goal.found = sound, None
                self._renew(goal)

    # who is given what

    def _fill_all(self, work: Iterator[tuple[Image, Stream]]) -> None:
        """In turns, so that all have something before anybody has more."""
        idle = 0
        for _ in range(_AT_HAND * max(self._threads.values(), default=0)):
            for name in self._threads:
                idle += not self._fill(name, work, 1)
                if idle > _IDLE:
                    return

    def _fill(self, name: str, work: Iterator[tuple[Image, Stream]], most: int = 1 << 30) -> bool:
        """Gives somebody tasks, ``most`` or as many as it should have; whether it has all that it should have."""
        tasks = self._tasks.setdefault(name, [])
        room = _AT_HAND * self._threads.get(name, 0) - len(tasks)
        for _ in range(min(most, room)):
            task = self._task(name, work) or self._of_another(name)
            if task is None:
                return False
            task.begun = time.monotonic()
            tasks.append(task)
            self.crew.start(task)
        return True

    def _task(self, name: str, work: Iterator[tuple[Image, Stream]]) -> Task | None:
        """A task from what is open, as long as `Crew.seconds`, or shorter when little is left."""
        rate, batch, seconds = self._rates.get(name, 0.0), self.crew.batch, self.crew.seconds
        self._pull(work)
        if self._exhausted:
            seconds = max(seconds * _SHORTEST, min(seconds, self._left / (2 * self._speed)))
        room = max(1, int(rate * seconds)) if rate else self.crew.probe
        jobs: list[Job] = []
        while self._ready and room > 0:
            goal = self._ready[0]
            if goal.ended or not goal.open:
                goal.queued = False
                self._ready.popleft()
                continue
            if self._begins(goal):
                job = Job(goal.number, goal.image, goal.stream, 0, self._mean(), self.mode)
                goal.open = []
            else:
                first, count = goal.open.pop(0)
                size = min(count, ceil_div(room, batch) * batch, self.largest)
                if size < count:
                    goal.open.insert(0, (first + size, count - size))
                job = Job(goal.number, goal.image, goal.stream, first, size)
            jobs.append(job)
            goal.out.add((job.first, job.count))
            room -= job.count
            self._left = max(0, self._left - job.count)
        if not jobs:
            return None
        task = Task(name, jobs)
        task.expected = task.samples / rate if rate else 0.0
        return task

    def _begins(self, goal: _Goal) -> bool:
        return self.crew.begins and self.mode != Mode.FIXED and not goal.parts and not goal.out

    def _mean(self) -> int:
        """Samples that a job with a mode takes, by those so far."""
        return self._spent[0] // self._spent[1] + 1 if self._spent[1] else 256

    def _size(self, goal: _Goal) -> int:
        """Samples of a goal that are open, about."""
        return self._mean() if self._begins(goal) else sum(count for _, count in goal.open)

    def _pull(self, work: Iterator[tuple[Image, Stream]]) -> None:
        """Takes up images until there is enough for everybody."""
        enough = max(2 * self.crew.seconds * self._speed, _AT_HAND * self.crew.probe * self._width)
        while not self._exhausted and self._left < enough and len(self._goals) < _MOST_GOALS:
            item = next(work, None)
            if item is None:
                self._exhausted = True
                return
            goal = _Goal(self._counter, *item)
            self._counter += 1
            self._goals[goal.number] = goal
            try:
                check_image(goal.image, self.info)
                check_stream(goal.stream)
                goal.parts = self.keeper.known(goal.image, goal.stream) if self.keeper is not None else []
                goal.advance(self.judge, self.mode, self.info.n0)
            except IntrsError as error:
                goal.error = error
            if not goal.ended:
                goal.queued = True
                self._ready.append(goal)
                self._left += self._size(goal)

    def _stragglers(self, now: float) -> list[tuple[float, Task]]:
        """What is under way, by the seconds that it will take yet, as far as is known."""
        found = []
        for name, tasks in self._tasks.items():
            threads, waits = self._threads[name], 0.0
            for place, task in enumerate(tasks):
                expected = task.expected or self.crew.seconds
                if place < threads:
                    passed = now - task.begun
                    waits = max(waits, expected - passed, passed / 2)  # who is late already will be later still
                    seconds = max(expected - passed, passed / 2)
                else:
                    seconds = waits + expected
                if not task.shared:
                    found.append((seconds, task))
        return sorted(found, key=lambda entry: entry[0])

    def _of_another(self, name: str) -> Task | None:
        """At the end: the task of somebody who will need longer for it than this one would."""
        rate = self._rates.get(name, 0.0)
        if not self._exhausted or not rate or len(self._tasks[name]) >= self._threads[name]:
            return None
        while self._late:
            seconds, task = self._late[-1]
            if task.shared or task not in self._tasks.get(task.member, ()):
                self._late.pop()
                continue
            if task.member == name or seconds < 2 * task.samples / rate + _SHORTEST:
                return None
            self._late.pop()
            task.shared = True
            return Task(name, task.jobs, task.samples / rate)
        return None
