# SPDX-License-Identifier: Apache-2.0
"""The network on a GPU, or on this computer's processor by the same code. It only counts; the host's tables decide."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.manifest import smoothing_of
from intrs_edge.errors import IntrsError
from intrs_edge.gpu.engine import Engine, Request, open_device
from intrs_edge.graph.digest import graph_digest
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import simplify
from intrs_edge.graph.passes.signed_ends import unsigned_ends
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.validate import validate
from intrs_edge.smoothing.results import Certificate, Mode, Prediction, Stream
from intrs_edge.targets.base import (
    Codes,
    ContextMixin,
    Image,
    TargetInfo,
    Votes,
    certify_by_votes,
    check_image,
    check_inputs,
    check_range,
    check_stream,
    prediction_of,
)
from intrs_edge.targets.crew import Answer, Job, ThreadCrew
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.manifest import Manifest
from intrs_edge.targets.sharing import Sharing

_CHECKED = 32  # samples that are compared with the host's library before anything counts


class _Crew(ThreadCrew):
    """One thread, which gives the device ranges of many images at once: looks are decided outside."""

    seconds, probe, begins = 1.0, 256, False


class GpuTarget(ContextMixin):
    """Counts on a device. ``liars``: this target by its name, and how, once an audit proved it wrong.

    audit: share of the ranges that the host recomputes. When one differs, an IntrsError ends the run, and
    `take_suspects` names the images that were counted here.
    """

    def __init__(self, manifest: Manifest, host: HostTarget, device: str, audit: float = 0.0) -> None:
        """Reads the project's model, and compares logits and votes with the host's library.

        Raises IntrsError when there is no such device, the model is not the manifest's or has an operator that the
        engine lacks, or the device computes anything else than the host.
        """
        if not 0.0 <= audit <= 1.0:
            raise IntrsError(f"audit share {audit} must be within 0 and 1")
        self.host, self.audit, self.name = host, audit, "torch-cpu" if device == "cpu" else device
        graph, found = project_graph(manifest), manifest.raw["input_map"]
        to_input = InputMap(tuple(found["mul"]), tuple(found["add"]), found["shift"], found["reach"], found["exact"])
        self._engine = Engine(graph, to_input, smoothing_of(manifest.raw).sampler, open_device(device))
        info = host.info
        self.info = TargetInfo(
            self.name, self.name, info.model_hash, info.table_hash, info.classes, info.image_shape, info.n0, info.n, 0,
            info.ends,
        )  # fmt: skip
        self.liars: dict[str, str] = {}
        self._answered: set[int] = set()
        self._suspects: set[int] = set()
        self._random = random.Random()
        self._lock = threading.Lock()  # one thread at a time on the device
        self._pool = ThreadPoolExecutor(1)
        self._compare()

    def _compare(self) -> None:
        rng = np.random.default_rng(0)
        ends = self.info.ends
        low, high = (0, 256) if ends.input_dtype == "uint8" else (-128, 128)
        codes: Codes = rng.integers(low, high, (_CHECKED, *self.info.image_shape)).astype(ends.input_dtype)
        same = np.array_equal(self.infer(codes), self.host.infer(codes))
        if same and not ends.refused:
            image, stream = rng.integers(0, 256, self.info.image_shape).astype(np.uint8), Stream(0, 0)
            same = np.array_equal(self._count(image, stream, 0, _CHECKED), self.host.votes(image, stream, 0, _CHECKED))
        if not same:
            raise IntrsError(
                f"target {self.name} does not compute what the host's library computes: certify with --target host"
            )

    def close(self) -> None:
        """Ends the thread, and closes the host's library."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.host.close()

    def infer(self, inputs: Codes) -> Codes:
        """See Target."""
        codes = _as_int8(check_inputs(inputs, self.info))
        with self._lock:
            logits = self._engine.infer(codes)
        return _as_uint8(logits) if self.info.ends.output_dtype == "uint8" else logits

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """See Target."""
        return self._audited([(image, stream, first, count)])[0]

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """See Target."""
        return prediction_of(self.host, self.votes(image, stream, 0, self.info.n))

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """See Target."""
        return certify_by_votes(self.host, self.info.n0, mode, lambda a, k: self.votes(image, stream, a, k))

    def certify_many(
        self, work: Iterable[tuple[Image, Stream]], mode: Mode
    ) -> Iterator[tuple[Stream, Certificate, float]]:
        """As of the host: see `sharing.Sharing.certify`. Ranges of several images fill a batch."""

        def count(jobs: Sequence[Job], stopped: threading.Event) -> list[Answer]:
            if stopped.is_set():
                raise IntrsError("the certification was interrupted")
            votes = self._audited([(job.image, job.stream, job.first, job.count) for job in jobs])
            return [Answer.of(job, v) for job, v in zip(jobs, votes, strict=True)]

        crew = _Crew(count, self._pool, 1, self._engine.batch)
        return Sharing(crew, self.host, self.info, mode).certify(work)

    def entropy(self) -> int:
        """A 64-bit seed from the operating system."""
        return self.host.entropy()

    def take_suspects(self) -> set[int]:
        """The images in which it took part before it was proved wrong, and that were not taken yet."""
        found, self._suspects = self._suspects, set()
        return found

    def _audited(self, ranges: Sequence[tuple[Image, Stream, int, int]]) -> list[Votes]:
        found = self._counted(ranges)
        for (image, stream, first, count), votes in zip(ranges, found, strict=True):
            self._answered.add(stream.image)
            if self._random.random() < self.audit and (self.host.votes(image, stream, first, count) != votes).any():
                last = first + count - 1
                self.liars[self.name] = why = f"answered wrongly on samples {first}..{last} of image {stream.image}"
                self._suspects |= self._answered
                raise IntrsError(f"target {self.name} {why}: certify with --target host")
        return found

    def _count(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        return self._counted([(image, stream, first, count)])[0]

    def _counted(self, ranges: Sequence[tuple[Image, Stream, int, int]]) -> list[Votes]:
        requests = []
        for image, stream, first, count in ranges:
            check_stream(stream)
            check_range(first, count)
            pixels = np.frombuffer(check_image(image, self.info), np.uint8).reshape(self.info.image_shape)
            requests.append(Request(pixels, stream, first, count))
        with self._lock:
            return list(self._engine.votes(requests))


def project_graph(manifest: Manifest) -> Graph:
    """The network of a project, int8 at its ends, from its ``model.tflite``; raises IntrsError unless it is the one
    that the manifest names.
    """
    path = manifest.directory / "model.tflite"
    graph = read_tflite(path)
    dtypes = (manifest.ends.input_dtype, graph.inputs), (manifest.ends.output_dtype, graph.outputs)
    named = {i for dtype, indices in dtypes if dtype == "uint8" for i in indices}
    if graph_digest(unsigned_ends(graph, named)) != manifest.raw["model_hash"]:
        raise IntrsError(f"{path} is not the model that the project was generated from: generate the project again")
    validate(graph)
    return simplify(graph)


def _as_int8(codes: Codes) -> npt.NDArray[np.int8]:
    """Codes as the network inside has them: uint8 ones less 128."""
    return (codes ^ 128).view(np.int8) if codes.dtype == np.uint8 else codes.astype(np.int8)


def _as_uint8(codes: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    return codes.view(np.uint8) ^ np.uint8(128)
