"""Several boards share one image's samples; they may die, come back, or prove wrong. Counts are those of one board."""

from __future__ import annotations

import random
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    Votes,
    check_image,
    check_range,
    check_stream,
    full_certificate,
)
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.journal import Journal, Key, Range, disjoint, missing
from intrs_edge.targets.transport import LinkLostError
from intrs_edge.targets.wire import LinkTarget

_T = TypeVar("_T")
_Opener = Callable[[], LinkTarget]
_RANGE_SECONDS = 0.5  # how long a range should take: what is lost with a board
_LARGEST_RANGE = 1 << 16
_REOPEN_WAITS = (0.0, 0.5, 1.0, 2.0, 4.0)  # seconds: a board that was unplugged or reset may come back


class _Member:
    """One board: opened again when it is lost, ``out`` when it is given up."""

    def __init__(self, name: str, opener: _Opener) -> None:
        self.name, self._opener = name, opener
        self.target: LinkTarget | None = None
        self.out = ""
        self.used_for: set[int] = set()  # image numbers

    def connect(self) -> LinkTarget:
        if self.target is None:
            self.target = self._opener()
        return self.target

    def reconnect(self) -> bool:
        """Opens it again after a loss; False when it stays away."""
        self.close()
        for wait in _REOPEN_WAITS:
            time.sleep(wait)
            try:
                self.connect()
                return True
            except LinkLostError as error:
                self.out = str(error)
        return False

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


class FleetTarget(ContextMixin):
    """Boards behind one Target. ``dropped``: those given up, and why; ``suspects``: earlier images they took part in.

    audit: share of the ranges that the host recomputes. A board whose answer differs is dropped, and all it counted for
    the image is counted again.
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
        self.suspects: set[int] = set()
        self._lock = threading.Lock()
        self._random = random.Random()  # a board must not be able to foresee which ranges are audited
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
        """See Target; by the first board that lives."""
        return self._first(lambda target: target.predict(image, stream))

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target. A sequential mode has no samples to share: the first board that lives does it."""
        if mode != Mode.FIXED:
            return self._first(lambda target: target.certify(image, stream, mode))
        selected = int(self.votes(image, stream, 0, self.info.n0).argmax())
        return full_certificate(
            selected, self.votes(image, stream, self.info.n0, self.info.n), self.host.radius_squared
        )

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
        wrong: set[str] = set()
        for found in self.journal.read_back(key):
            if found.by in wrong or not self._random.random() < self.audit:
                continue
            if (self.host.votes(image, stream, found.first, found.count) != np.asarray(found.votes)).any():
                wrong.add(found.by)
                self.journal.drop(None, found.by)
                print(
                    f"intrs-edge: warning: the journal's samples {found.first}..{found.first + found.count - 1} of "
                    f"image {stream.image}, by {found.by}, are wrong; all that it counted is counted again",
                    file=sys.stderr,
                )

    def entropy(self) -> int:
        """A 64-bit seed of the first board that lives."""
        return self._first(lambda target: target.entropy())

    def _first(self, call: Callable[[LinkTarget], _T]) -> _T:
        for member in self.members:
            while not member.out:
                try:
                    return call(member.connect())
                except LinkLostError as error:
                    if member.reconnect():
                        member.out = ""
                    else:
                        self._drop(member, str(error))
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
        stop = threading.Event()

        def serve(member: _Member) -> None:
            try:
                while not stop.is_set() and self._one(member, key, image, stream, todo):
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

    def _one(self, member: _Member, key: Key, image: Image, stream: Stream, todo: list[tuple[int, int]]) -> bool:
        """One range on one board; False when there is none left or the board is given up."""
        target = member.connect()
        speed = target.seconds_per_sample
        size = min(_LARGEST_RANGE, max(1, int(_RANGE_SECONDS / speed))) if speed else 4
        with self._lock:
            if not todo:
                return False
            first, count = todo.pop()
            if count > size:
                todo.append((first + size, count - size))
                count = size
        try:
            votes = target.votes(image, stream, first, count)
        except LinkLostError as error:
            with self._lock:
                todo.append((first, count))
            if member.reconnect():
                member.out = ""
                return True
            self._drop(member, str(error))
            return False
        audited = self._random.random() < self.audit
        if audited and (self.host.votes(image, stream, first, count) != votes).any():
            with self._lock:
                self._drop(member, f"answered wrongly on samples {first}..{first + count - 1} of image {stream.image}")
                self.suspects |= member.used_for - {stream.image}
                self.journal.drop(key, member.name)  # `votes` looks again for what is missing
            return False
        with self._lock:
            member.used_for.add(stream.image)
            self.journal.add(key, Range(first, count, tuple(int(v) for v in votes), member.name, audited))
        return True

    def _drop(self, member: _Member, why: str) -> None:
        member.out = why
        member.close()
        self.dropped[member.name] = why
        print(f"intrs-edge: warning: {member.name} dropped: {why}", file=sys.stderr)
