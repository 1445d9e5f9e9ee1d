# SPDX-License-Identifier: Apache-2.0
"""The generated shared library, in this process, on all cores."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stop, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    TargetInfo,
    Votes,
    certificate_of,
    certify_by_votes,
    check_image,
    check_inputs,
    check_range,
    check_stream,
    first_look,
    prediction_of,
)
from intrs_edge.targets.crew import ALONE, Answer, Job, ThreadCrew
from intrs_edge.targets.journal import Journal, Kept
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.sharing import Sharing
from intrs_edge.targets.tables import TableJudge

_ALIGN = 64
_PIECE = 256  # samples after which a thread sees an interrupt
_MORE = 1  # intrs.h: INTRS_MORE


class _Stream(ctypes.Structure):
    _fields_ = (("seed", ctypes.c_uint64), ("image", ctypes.c_uint32))


class _Prediction(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_int32),
        ("top", ctypes.c_uint32),
        ("votes", ctypes.c_uint32 * 2),
        ("samples", ctypes.c_uint32),
    )


class _Certificate(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_int32),
        ("selected", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
        ("samples", ctypes.c_uint32),
        ("radius_squared", ctypes.c_uint32),
        ("stop", ctypes.c_uint32),
    )


_PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


class _Named:
    """A library whose functions have a project's prefix, under their usual names."""

    def __init__(self, library: ctypes.CDLL, prefix: str) -> None:
        self._library, self._prefix = library, prefix

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, self._prefix + name.removeprefix("intrs"))
        setattr(self, name, function)  # found once
        return function


_MOST_BYTES = 1 << 29  # of the workspaces of all threads, unless their number is given


class HostTarget(ContextMixin):
    """libintrs.so through ctypes. Calls release the GIL; samples are spread over ``threads`` (default: all cores)."""

    def __init__(
        self, library: Path, manifest: Manifest, threads: int | None = None, journal: Path | None = None
    ) -> None:
        """Loads it; raises IntrsError when it is not there or was built from another model or other tables, and where
        the journal, which keeps what was counted of images that are not done, is another one's."""
        if not library.is_file():
            raise IntrsError(f"{library} is not there; build the project first: intrs-edge build {manifest.directory}")
        try:
            self._lib: Any = _Named(ctypes.CDLL(str(library.resolve())), manifest.prefix)
            fields = (ctypes.c_uint32 * 11)()
            self._lib.intrs_library_fields(fields, 11)
        except (OSError, AttributeError) as error:
            raise IntrsError(f"{library} cannot be loaded: {error}; build the project again") from error
        model, tables, image_bytes, _, classes, n0, n, self.batch, arena, _, self._workspace_bytes = fields
        self.library = library
        manifest.built.check(model, tables, str(library))
        if image_bytes != int(np.prod(manifest.image_shape)):
            raise IntrsError(f"{library}: {image_bytes} bytes an image, but the manifest says {manifest.image_shape}")
        self.info = TargetInfo(
            "host", "host", model, manifest.table_hash, classes, manifest.image_shape, manifest.n0, manifest.n, arena,
            manifest.ends,
        )  # fmt: skip
        self._made = TableJudge(manifest.tables) if manifest.tables is not None else None
        numbers = [ctypes.c_uint32] * 4
        self._lib.intrs_looks.argtypes = [*[ctypes.c_void_p] * 4, *numbers, *[ctypes.c_void_p] * 2]
        self._lib.intrs_judge.argtypes = [*numbers, *[ctypes.POINTER(ctypes.c_uint32)] * 2]
        self._lib.intrs_next_look.argtypes, self._lib.intrs_next_look.restype = numbers[:2], ctypes.c_uint32
        self._lib.intrs_proved.restype = ctypes.c_uint32
        if (classes, n0, n) != (manifest.classes, manifest.built.n0, manifest.built.n):
            raise IntrsError(f"{library} and the manifest disagree on classes or samples; build the project again")
        if self._lib.intrs_check(None) != 0:
            raise IntrsError(f"{library}: weights or tables are damaged; build the project again (remove build first)")
        self.threads = threads or max(1, min(len(os.sched_getaffinity(0)), _MOST_BYTES // self._workspace_bytes))
        self._looks: dict[Mode, Any] = {}
        self._pool = ThreadPoolExecutor(self.threads)
        # as many workspaces as threads; a call takes one for its time, so that calls from several threads share none
        self._spaces: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.threads):
            self._spaces.put(self._space())
        self._journal = Journal(journal, manifest.model_hash, manifest.table_hash) if journal is not None else None

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._journal is not None:
            self._journal.close()

    def infer(self, inputs: Codes) -> Codes:
        """See Target."""
        inputs = check_inputs(inputs, self.info)
        out = np.empty((len(inputs), self.info.classes), self.info.ends.output_dtype)

        def some(space: Any, first: int, end: int) -> None:
            for i in range(first, end):
                self._check(self._lib.intrs_infer(space, _pointer(inputs[i]), _pointer(out[i])))

        self._spread(some, 0, len(inputs), 64)
        return out

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """See Target."""
        data = check_image(image, self.info)
        check_stream(stream)
        check_range(first, count)
        c_stream = _Stream(stream.seed, stream.image)
        parts: list[npt.NDArray[np.uint32]] = []

        def some(space: Any, start: int, end: int) -> None:
            part = np.zeros(self.info.classes, np.uint32)
            self._check(
                self._lib.intrs_votes(
                    space, data, ctypes.byref(c_stream), start, end - start, _pointer(part), None, None
                )
            )
            parts.append(part)

        # whole batches, several a thread, so that an interrupt is seen soon and no core waits long for the last
        chunk = max(self.batch, min(1024, ceil_div(count, 4 * self.threads)) // self.batch * self.batch)
        self._spread(some, first, first + count, chunk)
        return np.sum(parts, axis=0, dtype=np.int64) if parts else np.zeros(self.info.classes, np.int64)

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """See Target."""
        if self._made is not None:
            return prediction_of(self, self.votes(image, stream, 0, self.info.n))
        out = _Prediction()
        self._loop(self._lib.intrs_predict, image, stream, (), out)
        return Prediction(out.label, out.top, (out.votes[0], out.votes[1]), out.samples)

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target; the samples up to each checkpoint are spread over the threads."""
        return certify_by_votes(self, self.info.n0, mode, lambda a, k: self.votes(image, stream, a, k))

    def certify_many(
        self, work: Iterable[tuple[Image, Stream]], mode: Mode
    ) -> Iterator[tuple[Stream, Certificate, float]]:
        """What `certify` says of each of many images, named by its stream, in their order, and its part of the time
        in seconds: see `sharing.Sharing.certify`.
        """
        crew = ThreadCrew(self.count, self._pool, self.threads, self.batch)
        keeper = Kept(self._journal, self.info) if self._journal is not None else None
        return Sharing(crew, self, self.info, mode, keeper).certify(work)

    def count(self, jobs: Sequence[Job], stopped: threading.Event) -> list[Answer]:
        """Answers a task in this thread; raises IntrsError once ``stopped`` is set, after the batches at hand."""
        space = self._spaces.get()
        try:
            return [self._answer(space, job, stopped) for job in jobs]
        finally:
            self._spaces.put(space)

    def _answer(self, space: Any, job: Job, stopped: threading.Event) -> Answer:
        """Samples are run in whole batches. With a mode: to its end or the last checkpoint within `ALONE` samples (at
        least the first); what a checkpoint leaves over of a batch is counted at the next.
        """
        data = check_image(job.image, self.info)
        check_stream(job.stream)
        check_range(job.first, job.count)
        if job.mode is None:
            return Answer.of(job, self._some(space, data, job, stopped))
        n0, ends, classes = self.info.n0, self._ends(job.mode), self.info.classes
        rows: Any = (ctypes.c_uint32 * (len(ends) * classes))()
        at = (ctypes.c_uint32 * (3 + self.batch))()
        votes = np.frombuffer(rows, np.uint32).reshape(len(ends), classes)
        # tables that were made at run time are not the library's: it stops at every look, to be asked here
        mode = job.mode if self._made is None else Mode.FIXED
        stream = ctypes.byref(_Stream(job.stream.seed, job.stream.image))
        done, found, status, first = 0, None, _MORE, int(n0 > 0)  # the first row that counts
        while found is None and status == _MORE:
            if stopped.is_set():
                raise IntrsError("the certification was interrupted")
            before = done
            status = self._lib.intrs_looks(space, data, stream, ends, len(ends), n0, mode, _PIECE, at, rows)
            if status != _MORE:
                self._check(status)
            done = at[1]
            if done > max(before, first):
                found = certificate_of(self, job.mode, int(votes[0].argmax()) if n0 else None, votes[done - 1])
        steps = votes[:done].astype(np.int64)
        steps[first + 1 :] -= votes[first : done - 1]
        limits = [0, *ends[:done]]
        counted = zip(limits, limits[1:], steps.tolist(), strict=False)
        return Answer([(a, b - a, tuple(row)) for a, b, row in counted], limits[-1], found)

    def _ends(self, mode: Mode) -> Any:
        """Where the samples that select end, if there are any, and those of every look within `ALONE`, or the first."""
        if mode not in self._looks:
            looks = [first_look(self, mode)]
            while 0 < (look := self.next_look(mode, looks[-1])) <= ALONE:
                looks.append(look)
            n0 = self.info.n0
            ends = [*([n0] if n0 else []), *(n0 + look for look in looks)]
            self._looks[mode] = (ctypes.c_uint32 * len(ends))(*ends)
        return self._looks[mode]

    def _some(self, space: Any, data: bytes, job: Job, stopped: threading.Event) -> Votes:
        """The votes of a range."""
        c_stream, part = _Stream(job.stream.seed, job.stream.image), np.zeros(self.info.classes, np.uint32)
        total = np.zeros(self.info.classes, np.int64)
        piece = ceil_div(_PIECE, self.batch) * self.batch
        for first in range(job.first, job.first + job.count, piece):
            if stopped.is_set():
                raise IntrsError("the certification was interrupted")
            count = min(piece, job.first + job.count - first)
            part[:] = 0
            self._check(
                self._lib.intrs_votes(space, data, ctypes.byref(c_stream), first, count, _pointer(part), None, None)
            )
            total += part
        return total

    def next_look(self, mode: Mode, samples: int) -> int:
        """See Judge."""
        if self._made is not None:
            return self._made.next_look(mode, samples)
        return int(self._lib.intrs_next_look(mode, samples))

    def judge(self, mode: Mode, samples: int, count: int, other: int) -> tuple[int, Stop] | None:
        """See Judge; raises IntrsError for samples that are no checkpoint."""
        if self._made is not None:
            return self._made.judge(mode, samples, count, other)
        squared, stop = ctypes.c_uint32(), ctypes.c_uint32()
        status = self._lib.intrs_judge(mode, samples, count, other, ctypes.byref(squared), ctypes.byref(stop))
        if status == _MORE:
            return None
        self._check(status)
        return squared.value, Stop(stop.value)

    def proved(self, mode: Mode, samples: int, count: int, other: int) -> int:
        """See Judge."""
        if self._made is not None:
            return self._made.proved(mode, samples, count, other)
        return int(self._lib.intrs_proved(*(ctypes.c_uint32(v) for v in (mode, samples, count, other))))

    def decides(self, top: int, second: int) -> bool:
        """See Judge."""
        if self._made is not None:
            return self._made.decides(top, second)
        return bool(self._lib.intrs_decides(ctypes.c_uint32(top), ctypes.c_uint32(second)))

    def certify_alone(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """The firmware's own loop, in one thread; by the project's own tables."""
        assert self._made is None, "the library's loop has the tables that it was generated with"
        out = _Certificate()
        votes = self._loop(self._lib.intrs_certify, image, stream, (ctypes.c_uint32(mode),), out)
        return Certificate(out.label, out.selected, out.count, out.samples, out.radius_squared, Stop(out.stop), votes)

    def entropy(self) -> int:
        """A 64-bit seed from the operating system."""
        return int.from_bytes(os.urandom(8), "little")

    def _loop(
        self, function: Callable[..., int], image: Image, stream: Stream, extra: tuple[Any, ...], out: ctypes.Structure
    ) -> tuple[int, ...]:
        """Calls one of the firmware's loops; gives the votes that it leaves in its workspace, behind the arena."""
        data = check_image(image, self.info)
        check_stream(stream)
        c_stream = _Stream(stream.seed, stream.image)
        stopped = False
        progress = _PROGRESS(lambda _context, _done, _total: int(stopped))

        def whole() -> tuple[int, ...]:
            space = self._spaces.get()
            try:
                self._check(function(space, data, ctypes.byref(c_stream), *extra, progress, None, ctypes.byref(out)))
                return tuple(
                    np.frombuffer(space, np.uint32, self.info.classes, ceil_div(self.info.arena_bytes, 4) * 4).tolist()
                )
            finally:
                self._spaces.put(space)

        future = self._pool.submit(whole)
        try:
            return future.result()
        except KeyboardInterrupt:
            stopped = True
            wait([future])
            raise

    def _spread(self, work: Any, first: int, end: int, chunk: int) -> None:
        """Runs work(space, a, b) over [first, end) in chunks, each thread with its own workspace."""
        todo = iter(range(first, end, chunk))
        stopped = False

        def worker() -> None:
            space = self._spaces.get()
            try:
                for start in todo:  # an iterator over a range hands out each start once under the GIL
                    if stopped:
                        return
                    work(space, start, min(start + chunk, end))
            finally:
                self._spaces.put(space)

        futures: list[Future[None]] = [self._pool.submit(worker) for _ in range(self.threads)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stopped = True
            begun = [future for future in futures if not future.cancel()]
            wait(begun)
        for future in begun:
            future.result()

    def _space(self) -> Any:
        """An aligned workspace; kept alive by the ctypes object."""
        raw = (ctypes.c_uint8 * (self._workspace_bytes + _ALIGN))()
        return (ctypes.c_uint8 * self._workspace_bytes).from_buffer(raw, -ctypes.addressof(raw) % _ALIGN)

    @staticmethod
    def _check(status: int) -> None:
        if status != 0:
            reason = {
                -1: "bad argument (the mode's tables may not be generated)",
                -2: "sample range",
                -3: "aborted",
                -4: "it takes no images: generated without knowing what a pixel means to the model",
            }
            raise IntrsError(f"host library: {reason.get(status, f'error {status}')}")


def open_host(manifest: Manifest, threads: int | None = None, journal: Path | None = None) -> HostTarget:
    """The host library of a built project; raises IntrsError."""
    return HostTarget(manifest.directory / "build" / "host" / "libintrs.so", manifest, threads, journal)


def _pointer(array: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
