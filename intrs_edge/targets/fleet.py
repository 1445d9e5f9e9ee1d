# SPDX-License-Identifier: Apache-2.0
"""Several boards share one image's samples; they may die, come back, or prove wrong. Counts are those of one board."""

from __future__ import annotations

import contextlib
import random
import resource
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    Votes,
    certify_by_votes,
    check_image,
    check_range,
    check_stream,
    prediction_of,
)
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.boards_crew import BoardsCrew
from intrs_edge.targets.connection import LinkLostError
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.journal import Journal, Kept, Key, Range, disjoint, missing
from intrs_edge.targets.protocol import BoardFaultError
from intrs_edge.targets.sharing import Sharing

_T = TypeVar("_T")
_Opener = Callable[[], BoardTarget]
_RANGE_SECONDS = 0.5  # how long a range should take: what is lost with a board
_LARGEST_RANGE = 1 << 16
# where ranges are audited, so many an image at least: a board that takes all of it at once is asked once only
_AUDITED_RANGES, _SMALLEST_AUDITED = 16, 8
_FILES, _FILES_A_BOARD = 256, 4  # that are open
_REOPEN_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0)  # seconds: a board that was unplugged or reset may come back
_LOSSES = 5  # in a row without an answer, after which a board that always comes back is given up


class _Member:
    """One board: opened again when it is lost, ``out`` when it is given up."""

    def __init__(self, name: str, opener: _Opener) -> None:
        self.name, self._opener = name, opener
        self.target: BoardTarget | None = None
        self.out = ""
        self.losses = 0

    def connect(self) -> BoardTarget:
        if self.target is None:
            self.target = self._opener()
        return self.target

    def reconnect(self) -> str:
        """Opens it again after a loss; gives why not when it stays away."""
        self.close()
        self.losses += 1
        if self.losses > _LOSSES:
            return f"lost {self.losses} times without an answer"
        why = ""
        for wait in _REOPEN_WAITS:
            time.sleep(wait)
            try:
                self.connect()
                return ""
            except LinkLostError as error:
                why = str(error)
                if isinstance(error, BoardFaultError):
                    break
            except IntrsError as error:  # another firmware now
                return str(error)
        return why

    def close(self) -> None:
        if self.target is not None:
            self.target.close()
            self.target = None


def _told_apart(openers: Sequence[tuple[str, _Opener]]) -> list[tuple[str, _Opener]]:
    """By what they are, not by their place in the list, so that a journal means the same boards in another order."""
    names = [name for name, _ in openers]
    return [
        (name if names.count(name) == 1 else f"{name}#{names[: i + 1].count(name)}", opener)
        for i, (name, opener) in enumerate(openers)
    ]


def _allow_files(more: int) -> None:
    """Raises this process's limit of open files where it would not do and may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES + more
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Kept(Kept):
    """The fleet's journal: in memory too, so that it is known who counted what when one proves wrong."""

    def __init__(self, fleet: FleetTarget) -> None:
        super().__init__(fleet.journal, fleet.info)
        self._fleet = fleet
        self._audited: set[tuple[Stream, int, int]] = set()

    def known(self, image: Image, stream: Stream) -> list[Range]:
        """Those that are left when a share of what an earlier run had was recomputed."""
        self._fleet._audit_read_back(self._key(image, stream), image, stream)
        return super().known(image, stream)

    def _believed(self, name: str) -> bool:
        """Boards too: a share of what they left was just recomputed."""
        return True

    def keep(self, image: Image, stream: Stream, found: Range) -> None:
        """On disk before it returns, where there is a file."""
        audited = (stream, found.first, found.count) in self._audited
        self._audited.discard((stream, found.first, found.count))
        with self._fleet._lock:
            self._fleet.journal.add(self._key(image, stream), replace(found, audited=audited))

    def audited(self, stream: Stream, first: int, count: int) -> None:
        """A range that the host has recomputed."""
        self._audited.add((stream, first, count))

    def disbelieve(self, name: str, why: str) -> None:
        """Earlier images become suspects; the board is dropped."""
        with self._fleet._lock:
            self._fleet._proved_wrong(name, None, why)


class FleetTarget(ContextMixin):
    """Boards behind one Target. ``dropped``: those given up, and why; ``liars``: those of them that were proved wrong.

    Boards only count; what counts prove is decided here, by the host's tables. audit: share of the ranges that the host
    recomputes. A board whose answer differs, or makes no sense, is dropped, and all that it ever counted is counted
    again: of this image at once, of earlier ones by whoever asks `take_suspects`.
    """

    def __init__(
        self,
        host: HostTarget,
        openers: Sequence[tuple[str, _Opener]],
        audit: float = 0.0,
        journal: Journal | None = None,
    ) -> None:
        """Opens every board; raises IntrsError when one is not there (at the start, that is a mistake, not a fault)."""
        if not 0.0 <= audit <= 1.0:
            raise IntrsError(f"audit share {audit} must be within 0 and 1")
        self.host, self.audit = host, audit
        self.journal = journal or Journal(None, host.info.model_hash, host.info.table_hash)
        self.members = [_Member(name, opener) for name, opener in _told_apart(openers)]
        self.dropped: dict[str, str] = {}
        self.liars: dict[str, str] = {}
        self.suspects: set[int] = set()
        self._lock = threading.Lock()
        self._random = random.Random()  # a board must not be able to foresee which ranges are audited
        _allow_files(_FILES_A_BOARD * len(self.members))
        try:
            for member in self.members:
                member.connect()
        except BaseException:
            self.close()
            raise
        assert self.members[0].target is not None
        self.info = self.members[0].target.info

    def close(self) -> None:
        """Closes every board, the host's library and the journal."""
        for member in self.members:
            member.close()
        self.host.close()
        self.journal.close()

    def infer(self, inputs: Codes) -> Codes:
        """See Target; by the first board that lives."""
        return self._first(lambda target: target.infer(inputs))

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """See Target."""
        return self._settled(lambda: prediction_of(self.host, self.votes(image, stream, 0, self.info.n)))

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target. The samples up to each checkpoint are shared, audited and kept like any."""

        def votes(first: int, count: int) -> Votes:
            return self.votes(image, stream, first, count)

        return self._settled(lambda: certify_by_votes(self.host, self.info.n0, mode, votes))

    def certify_many(
        self, work: Iterable[tuple[Image, Stream]], mode: Mode
    ) -> Iterator[tuple[Stream, Certificate, float]]:
        """See `HostTarget.certify_many`: boards take ranges of many images, as large as they are fast."""
        kept = _Kept(self)
        boards = {member.name: member for member in self.members}
        crew = BoardsCrew(boards, self._dropped, self.audit, self.host.votes, kept.audited)
        samples = self.info.n0 + self.info.n
        largest = max(_SMALLEST_AUDITED, ceil_div(samples, _AUDITED_RANGES)) if self.audit else _LARGEST_RANGE
        yield from Sharing(crew, self.host, self.info, mode, kept, min(largest, _LARGEST_RANGE)).certify(work)

    def _dropped(self, name: str, why: str) -> None:
        with self._lock:
            self._drop(name, why)

    def _settled(self, call: Callable[[], _T]) -> _T:
        """The answer of a call during which no board was proved wrong: what one counted for its beginning is gone."""
        while True:
            before = len(self.liars)
            answer = call()
            if len(self.liars) == before:
                return answer

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """See Target; ranges that the journal knows are not counted again."""
        check_stream(stream)
        check_range(first, count)
        key = Key(stream.seed, stream.image, zlib.crc32(check_image(image, self.info)))
        self._audit_read_back(key, image, stream)
        while True:
            sound = [r for r in self.journal.ranges(key) if len(r.votes) == self.info.classes]
            known = disjoint(first, count, sound)
            todo = list(missing(first, count, known))
            if not todo:
                break
            self._run(key, image, stream, todo)
        total: Votes = np.zeros(self.info.classes, np.int64)
        for found in known:
            total += np.asarray(found.votes, np.int64)
        if total.sum() != count:
            raise IntrsError(
                f"journal: {total.sum()} votes for {count} samples of image {stream.image}; delete the journal"
            )
        return total

    def _audit_read_back(self, key: Key, image: Image, stream: Stream) -> None:
        """Ranges that an earlier run left are believed no more than a board's answer."""
        for found in self.journal.read_back(key):
            if found.by in self.liars or not self._random.random() < self.audit:
                continue
            if (self.host.votes(image, stream, found.first, found.count) != np.asarray(found.votes)).any():
                last = found.first + found.count - 1
                why = f"its samples {found.first}..{last} of image {stream.image} in the journal are wrong"
                with self._lock:
                    self._proved_wrong(found.by, stream.image, why)

    def take_suspects(self) -> set[int]:
        """Earlier images in which a board took part that was proved wrong since, and that were not taken yet."""
        with self._lock:
            found, self.suspects = self.suspects, set()
        return found

    def entropy(self) -> int:
        """A 64-bit seed of the first board that lives."""
        return self._first(lambda target: target.entropy())

    def _first(self, call: Callable[[BoardTarget], _T]) -> _T:
        for member in self.members:
            while not member.out:
                try:
                    answer = call(member.connect())
                except IntrsError as error:
                    self._failed(member, error, None)
                else:
                    member.losses = 0
                    return answer
        raise self._nobody()

    def _nobody(self) -> LinkLostError:
        reasons = "; ".join(f"{name}: {why}" for name, why in self.dropped.items())
        return LinkLostError(f"no board is left ({reasons}); what was counted is in the journal, if one was named")

    def _run(self, key: Key, image: Image, stream: Stream, todo: list[tuple[int, int]]) -> None:
        """Counts ``todo`` on all boards that live, until nothing is left or nobody."""
        living = [m for m in self.members if not m.out]
        if not living:
            raise self._nobody()
        failures: list[BaseException] = []
        largest = _LARGEST_RANGE
        if self.audit:
            largest = max(_SMALLEST_AUDITED, ceil_div(sum(count for _, count in todo), _AUDITED_RANGES))
        stop = threading.Event()

        def serve(member: _Member) -> None:
            try:
                while not stop.is_set() and self._one(member, key, image, stream, todo, largest):
                    pass
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)
                stop.set()

        threads = [threading.Thread(target=serve, args=(m,), daemon=True) for m in living]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # so that Ctrl-C is seen
        finally:
            stop.set()
            for thread in threads:
                thread.join(5)
        if failures:
            raise failures[0]

    def _one(
        self, member: _Member, key: Key, image: Image, stream: Stream, todo: list[tuple[int, int]], largest: int
    ) -> bool:
        """One range on one board; False when there is none left or the board is given up."""
        first = count = 0
        try:
            target = member.connect()
            speed = target.seconds_per_sample
            size = min(_LARGEST_RANGE, largest, max(1, int(_RANGE_SECONDS / speed))) if speed else 4
            with self._lock:
                if not todo:
                    return False
                first, count = todo.pop()
                if count > size:
                    todo.append((first + size, count - size))
                    count = size
            votes = target.votes(image, stream, first, count)
        except IntrsError as error:
            with self._lock:
                if count:
                    todo.append((first, count))
            return self._failed(member, error, stream.image)
        member.losses = 0
        audited = self._random.random() < self.audit
        if audited and (self.host.votes(image, stream, first, count) != votes).any():
            why = f"answered wrongly on samples {first}..{first + count - 1} of image {stream.image}"
            with self._lock:
                self._proved_wrong(member.name, stream.image, why)  # `votes` looks again for what is missing
            return False
        with self._lock:
            self.journal.add(key, Range(first, count, tuple(int(v) for v in votes), member.name, audited))
        return True

    def _failed(self, member: _Member, error: IntrsError, image: int | None) -> bool:
        """Deals with a board that gave no answer, or none that can be; whether it may be asked again."""
        if isinstance(error, BoardFaultError):
            with self._lock:
                self._proved_wrong(member.name, image, str(error))
            return False
        why = member.reconnect() if isinstance(error, LinkLostError) else str(error)
        if why:
            with self._lock:
                self._drop(member.name, why)
        return not why

    def _proved_wrong(self, name: str, image: int | None, why: str) -> None:
        """Whatever a board counted is in doubt once one answer was wrong. ``image``: the one that is counted now."""
        self.liars[name] = why
        self.suspects |= self.journal.counted_by(name) - {image}
        self.journal.drop(None, name)
        self._drop(name, why)

    def _drop(self, name: str, why: str) -> None:
        for member in self.members:
            if member.name == name:
                member.out = why
                member.close()
        self.dropped[name] = why
        print(f"intrs-edge: warning: {name} dropped: {why}", file=sys.stderr)
