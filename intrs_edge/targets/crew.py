# SPDX-License-Identifier: Apache-2.0
"""Those who count: what they are given, and what they give back. Who gets what: sharing.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import NamedTuple, Protocol

from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import Image, Votes
from intrs_edge.targets.journal import Range

ALONE = 4096  # samples of an image that one thread counts by itself in a sequential mode, before all share the rest
Part = tuple[int, int, tuple[int, ...]]  # first sample, how many, votes of each class


@dataclass(frozen=True)
class Job:
    """Samples first .. first+count-1 of an image; with a ``mode`` from the image's first sample on, look by look, until
    the mode's tables stop it or the next look is beyond ALONE.
    """

    goal: int
    image: Image
    stream: Stream
    first: int
    count: int
    mode: Mode | None = None


class Answer(NamedTuple):
    """Of one job. ``found``: what the parts prove, where who counted decided that by the same tables. ``samples``: of
    all parts.
    """

    parts: list[Part]
    samples: int
    found: Certificate | None = None

    @classmethod
    def of(cls, job: Job, votes: Votes) -> Answer:
        """The votes [classes] of a job without a mode."""
        return cls([(job.first, job.count, tuple(votes.tolist()))], job.count)


@dataclass(eq=False)
class Task:
    """What somebody is given at a time. ``expected``: seconds, 0 where that is not known yet."""

    member: str
    jobs: list[Job]
    expected: float = 0.0
    begun: float = 0.0
    shared: bool = False  # its jobs are somebody else's now, too

    def __post_init__(self) -> None:
        self.samples = sum(job.count for job in self.jobs)  # about


@dataclass(frozen=True)
class Outcome:
    """What came of a task: answers, or None where it is lost and somebody else shall do it. ``wrong``: why all that
    the member ever said is not believed. Another ``error`` ends the run.
    """

    task: Task
    answers: Sequence[Answer] | None
    seconds: float = 0.0
    error: BaseException | None = None
    wrong: str = ""


class Crew(Protocol):
    """Those who count. ``outcomes``: where they put what came of the tasks that were started."""

    outcomes: SimpleQueue[Outcome]
    seconds: float  # that a task should take
    probe: int  # samples of the first task of somebody whose speed is not known
    batch: int  # samples that are best run together
    begins: bool  # whether a job may have a mode
    decides: bool  # whether `Answer.found` is believed

    def members(self) -> Mapping[str, int]:
        """Who may be given tasks now, and how many of them each works on at once. Raises IntrsError when there is
        nobody, and nobody is awaited.
        """

    def start(self, task: Task) -> None:
        """Gives a task to its member; returns at once."""

    def stop(self) -> None:
        """What is under way is not wanted any more; returns when nobody works on it here."""


class Keeper(Protocol):
    """Where ranges are kept before they count."""

    def known(self, image: Image, stream: Stream) -> list[Range]:
        """What an earlier run left of an image."""

    def keep(self, image: Image, stream: Stream, found: Range) -> None:
        """Keeps a range."""

    def disbelieve(self, name: str, why: str) -> None:
        """Forgets all that a member said."""


class ThreadCrew:
    """Threads of this process. count(jobs, stopped): answers a task in the thread that calls it, or raises; once
    ``stopped`` is set it ends soon.
    """

    seconds, probe, begins, decides = 0.25, 64, True, True

    def __init__(
        self,
        count: Callable[[Sequence[Job], threading.Event], list[Answer]],
        pool: ThreadPoolExecutor,
        threads: int,
        batch: int,
    ) -> None:
        self._count, self._pool, self._threads, self.batch = count, pool, threads, batch
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._stopped = threading.Event()
        self._futures: set[Future[None]] = set()

    def members(self) -> Mapping[str, int]:
        """See Crew: one, with all threads."""
        return {"host": self._threads}

    def start(self, task: Task) -> None:
        """See Crew."""
        future = self._pool.submit(self._run, task)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)

    def stop(self) -> None:
        """See Crew."""
        self._stopped.set()
        wait([future for future in list(self._futures) if not future.cancel()])

    def _run(self, task: Task) -> None:
        begun = time.monotonic()
        try:
            answers = self._count(task.jobs, self._stopped)
        except BaseException as error:  # handed to the caller's thread
            self.outcomes.put(Outcome(task, None, error=error))
        else:
            self.outcomes.put(Outcome(task, answers, time.monotonic() - begun))
