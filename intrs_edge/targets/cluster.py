# SPDX-License-Identifier: Apache-2.0
"""A cluster of machines behind one Target, on Dask's distributed scheduler: see docs/cluster.md."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError, several
from intrs_edge.smoothing.results import Certificate, Mode, Stream
from intrs_edge.targets.base import ContextMixin, Image, TargetInfo, Votes
from intrs_edge.targets.cluster_worker import PROBE, Admission, Bundle, admit, bundle_of, count
from intrs_edge.targets.crew import Outcome, Task
from intrs_edge.targets.host import open_host
from intrs_edge.targets.journal import Journal, Kept
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.sharing import Sharing

_WAIT = 60.0  # seconds for workers to come, on an idle machine
_LOOK = 1.0  # seconds between looks at who has come and gone
_SAID = 10.0
_WISHES = 20  # tasks for nobody, a thread: more workers are wanted (Dask's adaptive clusters count what waits)
_LARGEST = 1 << 16


class ClusterCrew:
    """Workers of a Dask scheduler as a Crew. Each is checked before it counts; one that is gone is nobody's loss."""

    seconds, probe, begins, decides = 1.0, PROBE, True, False

    def __init__(self, client: Any, bundle: Bundle, right: Votes, info: TargetInfo, batch: int, adaptive: bool) -> None:
        """right: the votes of the bundle's samples, counted here."""
        self.client, self.batch = client, batch
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.admitted: dict[str, Admission] = {}
        self.refused: dict[str, str] = {}
        self._threads: dict[str, int] = {}
        self._bundle, self._right, self._info, self._adaptive = bundle, right, info, adaptive
        self._asked: dict[str, Any] = {}
        self._under_way: dict[Any, Task] = {}
        self._arrived: SimpleQueue[Any] = SimpleQueue()
        self._wishes: list[Any] = []
        self._looked = -_LOOK
        self._without = time.monotonic()  # since when nobody is there
        self._said = time.monotonic()
        self._stopped = False
        self._gatherer = threading.Thread(target=self._gather, daemon=True)
        self._gatherer.start()

    def members(self) -> Mapping[str, int]:
        """See Crew: the workers that were checked, by their addresses."""
        now = time.monotonic()
        if now - self._looked < _LOOK and self.admitted:
            return self._there()
        self._looked = now
        try:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TypeError, KeyError):
            workers = {}
        if getattr(self.client, "status", "running") != "running" and not self._stopped:
            raise IntrsError("the scheduler is gone; what is in the log stays: the same command goes on from there")
        self._threads = {name: int(worker["nthreads"]) for name, worker in workers.items()}
        for name in [name for name in self.admitted if name not in self._threads]:
            self._lost(name)
        for name in self._threads:
            if name not in self.admitted and name not in self.refused and name not in self._asked:
                self._asked[name] = self.client.submit(
                    admit, self._bundle, self._threads[name], workers=[name], pure=False, retries=0, priority=10
                )
        for name, future in list(self._asked.items()):
            if name not in self._threads:
                del self._asked[name]
                future.cancel()
            elif future.done():
                del self._asked[name]
                self._checked(name, future)
        there = self._there()
        self._wish(sum(there.values()))
        if there:
            self._without = now
        else:
            self._wait_for_somebody(now)
        return there

    def start(self, task: Task) -> None:
        """See Crew."""
        future = self.client.submit(
            count, self._bundle.key, task.jobs, workers=[task.member], pure=False, retries=0, allow_other_workers=False
        )
        self._under_way[future] = task
        future.add_done_callback(self._arrived.put)

    def stop(self) -> None:
        """See Crew; what workers are at ends there within a second or so, and is dropped."""
        self._stopped = True
        with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to cancel
            self.client.cancel([*self._under_way, *self._wishes, *self._asked.values()], force=True)
        self._under_way.clear()
        self._wishes.clear()
        self._arrived.put(None)
        self._gatherer.join(patient(5))

    def _there(self) -> dict[str, int]:
        return {name: self._threads[name] for name in self.admitted}

    def _checked(self, name: str, future: Any) -> None:
        """Takes a worker on, or says why not."""
        try:
            found = future.result(timeout=patient(10))
        except Exception as error:
            if type(error).__name__ in ("FutureCancelledError", "CancelledError", "KilledWorker"):
                return  # it went away meanwhile
            said = " ".join(str(error).split())
            known = isinstance(error, IntrsError)
            why = said if known else f"{said}; is intrs-edge {self._bundle.version} installed there?"
        else:
            why = self._differs(found)
            if not why:
                self.admitted[name] = found
                return
        self.refused[name] = why
        print(f"intrs-edge: warning: worker {name} is not used: {why}", file=sys.stderr)

    def _differs(self, found: Admission) -> str:
        """What a worker has that is not what is here; "" for nothing."""
        pairs = [
            ("intrs-edge", found.version, self._bundle.version),
            ("project", found.manifest_hash[:16], self._bundle.manifest_hash[:16]),
            ("model", f"{found.model_hash:08x}", f"{self._info.model_hash:08x}"),
            ("tables", f"{found.table_hash:08x}", f"{self._info.table_hash:08x}"),
        ]
        if not found.built:
            pairs.append(("library", found.library_hash[:16], self._bundle.library_hash[:16]))
        pairs.append((f"votes of {PROBE} samples", str(list(found.votes)), str(self._right.tolist())))
        return next(
            (f"it has {what} {there}, and here it is {here}" for what, there, here in pairs if there != here), ""
        )

    def _lost(self, name: str) -> None:
        """A worker that is gone; its tasks are somebody else's (`Sharing` sees that it is no member)."""
        self.admitted.pop(name, None)
        futures = [future for future, task in list(self._under_way.items()) if task.member == name]
        for future in futures:
            self._under_way.pop(future, None)
        self.client.cancel(futures, force=True)

    def _wish(self, threads: int) -> None:
        """Where a cluster grows with what waits, tasks that nobody can run wait while all have enough to do."""
        busy = self._adaptive and (not threads or len(self._under_way) > threads)
        if busy and not self._wishes:
            self._wishes = self.client.map(
                abs, range(_WISHES * max(1, threads)), pure=False, resources={"intrs-edge-wish": 1}
            )
        elif self._wishes and (not busy or len(self._wishes) < _WISHES * threads):
            self.client.cancel(self._wishes, force=True)
            self._wishes = []

    def _wait_for_somebody(self, now: float) -> None:
        told = "; ".join(f"{name}: {why}" for name, why in self.refused.items())
        if not self._asked and not self._adaptive and now - self._without > patient(_WAIT):
            raise IntrsError(
                f"no worker is there{f' that may count ({told})' if told else ''}: start some (dask worker ADDRESS); "
                "what is in the log stays, and the same command goes on from there"
            )
        if now - self._said > _SAID:
            self._said = now
            print("intrs-edge: waiting for workers", file=sys.stderr)

    def _gather(self) -> None:
        """In a thread: fetches what has arrived, all at once."""
        while (future := self._arrived.get()) is not None:
            some = [future]
            with contextlib.suppress(Empty):
                while len(some) < 256 and (more := self._arrived.get_nowait()) is not None:
                    some.append(more)
            done = [f for f in some if f.status == "finished" and f in self._under_way]
            answers = self._results(done)
            for f in some:
                task = self._under_way.pop(f, None)
                if task is None or self._stopped:
                    continue
                if f in answers:
                    self.outcomes.put(Outcome(task, *answers[f]))
                else:
                    self.outcomes.put(Outcome(task, None))
                    self._failed(task.member, f)

    def _results(self, futures: list[Any]) -> dict[Any, Any]:
        try:
            return dict(zip(futures, self.client.gather(futures), strict=True)) if futures else {}
        except Exception:  # one of them was lost on the way: those that were not
            found = {}
            for future in futures:
                with contextlib.suppress(Exception):
                    found[future] = future.result(timeout=patient(2))
            return found

    def _failed(self, name: str, future: Any) -> None:
        """A worker that is there and cannot count is given up; one that was started anew is checked anew."""
        if future.status != "error":
            return
        error = future.exception(timeout=patient(2))
        if isinstance(error, IntrsError):
            self.refused[name] = str(error)
            print(f"intrs-edge: warning: worker {name} is not used any more: {error}", file=sys.stderr)
        self.admitted.pop(name, None)


class ClusterTarget(ContextMixin):
    """A Dask cluster that certifies many images. Workers count; what counts prove is decided here, by the host's
    tables.
    """

    def __init__(
        self,
        manifest: Manifest,
        scheduler: str | None = None,
        workers: int = 0,
        adaptive: bool = False,
        journal: Path | None = None,
        client: Any = None,
    ) -> None:
        """scheduler: its address; else ``workers`` processes of one thread are started here (adaptive: up to so many);
        client: a ``distributed.Client`` that is there. Waits for the first worker that may count.

        Raises IntrsError: Dask is not installed, nobody answers there, no worker, or none that may count.
        """
        self._own: list[Any] = []
        self.host = open_host(manifest, 1)
        self.info = self.host.info
        self.journal = Journal(journal, manifest.model_hash, manifest.table_hash)
        self._crew: ClusterCrew | None = None
        try:
            bundle = bundle_of(manifest)
            right = self.host.votes(bundle.image, bundle.stream, 0, PROBE)
            self.client = client or self._connect(scheduler, workers, adaptive)

            def crew() -> ClusterCrew:
                return ClusterCrew(self.client, bundle, right, self.info, self.host.batch, adaptive)

            self._new = crew
            self._crew = self._first = crew()
            wanted = workers if not adaptive and scheduler is None else 1
            begun = time.monotonic()
            while len(self._crew.members()) < wanted:
                if self._crew.admitted and time.monotonic() - begun > patient(_WAIT):
                    break
                time.sleep(0.05)
        except BaseException:
            self.close()
            raise

    def plan(self, images: int, mode: Mode) -> str:
        """What a run over so many images will take, by what workers measured when they were checked."""
        threads = self._first.members()
        _, rate = self.strength
        samples = images * (self.info.n0 + self.info.n)
        most = "" if mode == Mode.FIXED else "at most "
        hosts = len({self._first.admitted[name].host for name in threads})
        return (
            f"plan: {several(images, 'image')} x {self.info.n0 + self.info.n} samples: {most}{samples:.3g} inferences; "
            f"{several(sum(threads.values()), 'thread')} of {several(len(threads), 'worker')} "
            f"on {several(hosts, 'machine')}, {rate:.3g}/s measured: "
            f"{most}{_duration(samples / rate)}"
        )

    @property
    def strength(self) -> tuple[int, float]:
        """Threads of the workers that are there, and samples a second of all, as they measured it."""
        threads = self._first.members()
        return sum(threads.values()), sum(n * self._first.admitted[name].rate for name, n in threads.items())

    @property
    def dashboard(self) -> str:
        """The address of Dask's own pages."""
        return str(self.client.dashboard_link)

    def certify_many(
        self, work: Iterable[tuple[Image, Stream]], mode: Mode
    ) -> Iterator[tuple[Stream, Certificate, float]]:
        """See `HostTarget.certify_many`."""
        if self._crew is None:
            self._crew = self._new()
            self._crew.admitted.update(self._first.admitted)  # those that are gone leave it at the first look
        crew, self._crew = self._crew, None
        yield from Sharing(crew, self.host, self.info, mode, Kept(self.journal, self.info), _LARGEST).certify(work)

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target."""
        return next(found for _, found, _ in self.certify_many([(image, stream)], mode))

    def entropy(self) -> int:
        """See Target."""
        return self.host.entropy()

    def close(self) -> None:
        """Leaves the scheduler; workers that were started here end."""
        if self._crew is not None:
            self._crew.stop()
            self._crew = None
        while self._own:
            with contextlib.suppress(Exception):  # one that is gone already
                self._own.pop().close(timeout=patient(10))
        self.host.close()
        self.journal.close()

    def _connect(self, scheduler: str | None, workers: int, adaptive: bool) -> Any:
        try:
            from distributed import Client, LocalCluster  # noqa: PLC0415 - a second, and an extra
        except ImportError:
            raise IntrsError("a cluster needs Dask: pip install 'intrs-edge[cluster]'") from None
        if scheduler is None:
            first = 1 if adaptive else workers
            local = LocalCluster(n_workers=first, threads_per_worker=1, processes=True, silence_logs=logging.CRITICAL)
            self._own.append(local)
            if adaptive:
                local.adapt(minimum=1, maximum=workers)
            scheduler = local.scheduler_address
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            client = Client(scheduler, timeout=patient(10), set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise IntrsError(
                f"scheduler {scheduler}: nobody answers there ({said}); start one: dask scheduler, or use --workers N"
            ) from None
        self._own.append(client)
        return client


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.3g} {unit}"
    return f"about {seconds:.2g} seconds"
