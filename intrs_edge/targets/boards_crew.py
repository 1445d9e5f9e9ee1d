# SPDX-License-Identifier: Apache-2.0
"""Boards as a Crew: each has a thread here that speaks with it, checks a share of its answers, and opens it again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Protocol, TypeVar

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets.base import Image, Votes
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.connection import LinkLostError
from intrs_edge.targets.crew import Answer, Outcome, Task
from intrs_edge.targets.protocol import BoardFaultError

_SHORTEST, _LONGEST = 2.0, 16.0  # seconds of a task: a board writes each image that it has a part of
_TASKS_A_SECOND = 100
_TURNS = 2  # threads that work at a time, rather than wait for a board
_T = TypeVar("_T")
_STACK = 256 * 1024  # bytes of such a thread: there may be thousands
_stack_lock = threading.Lock()


class Board(Protocol):
    """A board of a fleet. ``out``: why it was given up, "" for one that counts."""

    name: str
    out: str
    losses: int

    def connect(self) -> BoardTarget:
        """Opens it unless it is open; raises IntrsError."""

    def reconnect(self) -> str:
        """Opens it again after a loss; gives why not when it stays away."""


class BoardsCrew:
    """A run's boards. dropped(name, why): told of one that is given up. audit: the share of ranges that ``recount``,
    the host, counts again; audited(stream, first, count): told of each of those.
    """

    probe, batch, begins, decides = 4, 1, False, False

    def __init__(
        self,
        boards: Mapping[str, Board],
        dropped: Callable[[str, str], None],
        audit: float,
        recount: Callable[[Image, Stream, int, int], Votes],
        audited: Callable[[Stream, int, int], None],
    ) -> None:
        self._boards = boards
        # one process speaks with all: the more there are, the more seldom with each
        self.seconds = min(_LONGEST, max(_SHORTEST, len(boards) / _TASKS_A_SECOND))
        self._dropped, self._audit, self._recount, self._audited = dropped, audit, recount, audited
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._random = random.Random()  # a board must not be able to foresee which ranges are audited
        self._tried: set[str] = set()  # a board's first range is audited always: who is broken is found at once
        # of a thousand threads that are ready at once all but a few would only ask for the interpreter, in vain
        self._turns = threading.Semaphore(_TURNS)
        self._stopped = threading.Event()
        self._queues: dict[str, SimpleQueue[Task | None]] = {}
        self._threads: list[threading.Thread] = []

    def members(self) -> Mapping[str, int]:
        """See Crew; raises LinkLostError when no board is left."""
        there = {name: 1 for name, board in self._boards.items() if not board.out}
        if not there:
            reasons = "; ".join(f"{name}: {board.out}" for name, board in self._boards.items())
            raise LinkLostError(f"no board is left ({reasons}); what was counted is in the journal, if one was named")
        return there

    def start(self, task: Task) -> None:
        """See Crew."""
        name = task.member
        if name not in self._queues:
            self._queues[name] = SimpleQueue()
            thread = threading.Thread(target=self._serve, args=(self._boards[name], self._queues[name]), daemon=True)
            with _stack_lock:
                before = threading.stack_size(_STACK)
                try:
                    thread.start()
                finally:
                    threading.stack_size(before)
            self._threads.append(thread)
        self._queues[name].put(task)

    def stop(self) -> None:
        """See Crew; a board that is in the middle of a range ends it first."""
        self._stopped.set()
        for queue in self._queues.values():
            queue.put(None)
        deadline = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self, board: Board, tasks: SimpleQueue[Task | None]) -> None:
        while (task := tasks.get()) is not None and not self._stopped.is_set():
            try:
                with self._turns:
                    outcome = self._count(board, task)
            except BaseException as error:  # handed to the caller's thread
                outcome = Outcome(task, None, error=error)
            self.outcomes.put(outcome)
            if outcome.wrong or board.out:
                return

    def _aside(self, call: Callable[[], _T]) -> _T:
        """What takes long and is no board's answer: without a turn."""
        self._turns.release()
        try:
            return call()
        finally:
            self._turns.acquire()

    def _count(self, board: Board, task: Task) -> Outcome:
        """What a board says; it is asked again when it comes back after a loss."""
        answers: list[Answer] = []
        begun = time.monotonic()
        for job in task.jobs:
            while True:
                if self._stopped.is_set():
                    return Outcome(task, None)
                try:
                    target = board.connect()
                    target.in_turns(self._turns, max(0.25, self.seconds / 8))
                    votes = target.votes(job.image, job.stream, job.first, job.count)
                    break
                except BoardFaultError as error:
                    return Outcome(task, None, wrong=str(error))
                except IntrsError as error:
                    why = self._aside(board.reconnect) if isinstance(error, LinkLostError) else str(error)
                    if why:
                        self._dropped(board.name, why)
                        return Outcome(task, None)
            board.losses = 0
            if self._audit and (board.name not in self._tried or self._random.random() < self._audit):
                self._tried.add(board.name)
                right = self._aside(partial(self._recount, job.image, job.stream, job.first, job.count))
                if (right != votes).any():
                    last = job.first + job.count - 1
                    why = f"answered wrongly on samples {job.first}..{last} of image {job.stream.image}"
                    return Outcome(task, None, wrong=why)
                self._audited(job.stream, job.first, job.count)
            answers.append(Answer.of(job, votes))
        return Outcome(task, answers, time.monotonic() - begun)
