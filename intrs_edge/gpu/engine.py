# SPDX-License-Identifier: Apache-2.0
"""Samples of many images at once: noise, input map, network, votes (docs/gpu.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intrs_edge.errors import IntrsError
from intrs_edge.gpu.noise import NoiseSource
from intrs_edge.gpu.program import Program
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.ir import Graph
from intrs_edge.smoothing.results import Stream
from intrs_edge.smoothing.sampler import Sampler

_CPU_BYTES = 1 << 26
_MOST_BATCH = 1 << 15
_NOISE_BYTES = 120  # of a coordinate, while it is drawn


@dataclass(frozen=True)
class Request:
    """Samples first .. first+count-1 of an image, uint8 [H, W, C] in the model's order of channels."""

    image: npt.NDArray[np.uint8]
    stream: Stream
    first: int
    count: int


def open_device(name: str) -> torch.device:
    """The device of "cuda", "cuda:N" or "cpu"; IntrsError where this computer, or this build of torch, has none."""
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise IntrsError(
            f"target {name}: PyTorch {torch.__version__} finds no GPU here: install its CUDA build and a driver, or "
            "certify with --target host"
        )
    device, there = torch.device(name), torch.cuda.device_count()
    if device.index is not None and device.index >= there:
        raise IntrsError(f"target {name}: there are {there} GPUs, numbered from 0: ask for one of them")
    return device


class Engine:
    """A network under noise on a device.

    graph: int8 at both ends, validated. input_map: of its input. batch: samples that are run together; halved when the
    device has no memory for them. Raises IntrsError for an operator that it lacks.
    """

    def __init__(self, graph: Graph, input_map: InputMap, sampler: Sampler, device: torch.device) -> None:
        shape = graph.tensors[graph.inputs[0]].shape
        self.device, self.program = device, Program(graph, device, integer=device.type == "cuda")
        self.dimension = int(np.prod(shape))
        self._sampler = sampler
        self._noise: NoiseSource | None = None
        channels = len(input_map.mul)
        self._mul, self._add = (
            torch.tensor(x, dtype=torch.int64, device=device).repeat(self.dimension // channels)
            for x in (input_map.mul, input_map.add)
        )
        self._shift = input_map.shift
        memory = torch.cuda.mem_get_info(device)[0] // 4 if device.type == "cuda" else _CPU_BYTES
        self.batch = max(1, min(_MOST_BATCH, memory // (self.program.bytes_a_run + _NOISE_BYTES * self.dimension)))

    @property
    def noise(self) -> NoiseSource:
        """The noise of this network's images."""
        if self._noise is None:
            self._noise = NoiseSource(self._sampler, self.dimension, self.device)
        return self._noise

    def infer(self, codes: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """Logits int8 ``[K, classes]`` of inputs int8 ``[K, ...]``."""
        parts = [
            self.program(torch.from_numpy(codes[at : at + self.batch]).to(self.device)).flatten(1).cpu().numpy()
            for at in range(0, len(codes), self.batch)
        ]
        classes = int(np.prod(self.program.graph.tensors[self.program.graph.outputs[0]].shape))
        found: npt.NDArray[np.int8] = np.concatenate([np.empty((0, classes), np.int8), *parts])
        return found

    def votes(self, requests: Sequence[Request]) -> npt.NDArray[np.int64]:
        """The votes of every request: int64 ``[R, classes]``. Raises IntrsError when not even one sample fits."""
        classes = int(np.prod(self.program.graph.tensors[self.program.graph.outputs[0]].shape))
        total = torch.zeros(len(requests) * classes, dtype=torch.int64, device=self.device)
        at = [0] * len(requests)  # samples of each that are counted
        while any(done < request.count for done, request in zip(at, requests, strict=True)):
            size, pieces = self.batch, []
            for number, request in enumerate(requests):
                count = min(size, request.count - at[number])
                if count > 0:
                    pieces.append((number, request, request.first + at[number], count))
                    size -= count
            try:
                counted = self._count(pieces, classes, len(total))
            except torch.cuda.OutOfMemoryError as error:
                if self.batch == 1:
                    raise IntrsError(f"{self.device}: no memory for one sample: certify with --target host") from error
                self.batch //= 2
                continue
            total += counted
            for number, _, _, count in pieces:
                at[number] += count
        found: npt.NDArray[np.int64] = total.reshape(len(requests), classes).cpu().numpy()
        return found

    def _count(self, pieces: Sequence[tuple[int, Request, int, int]], classes: int, bins: int) -> Tensor:
        choices = self.choices([(request.image, request.stream, first, count) for _, request, first, count in pieces])
        counts = torch.tensor([count for *_, count in pieces], device=self.device)
        owner = torch.tensor([number for number, *_ in pieces], device=self.device).repeat_interleave(counts)
        return torch.bincount(owner * classes + choices, minlength=bins)

    def choices(self, ranges: Sequence[tuple[npt.NDArray[np.uint8], Stream, int, int]]) -> Tensor:
        """The class of every sample of (image, stream, first, count): the lowest of those with the largest logit."""
        states = torch.cat([self.noise.streams.states(stream, first, count) for _, stream, first, count in ranges])
        pixels = np.stack([image.reshape(-1) for image, *_ in ranges])
        counts = torch.tensor([count for *_, count in ranges], device=self.device)
        noisy = torch.from_numpy(pixels).to(self.device, torch.int64).repeat_interleave(counts, 0)
        noisy += self.noise.noise(states)
        codes = ((noisy * self._mul + self._add) >> self._shift).clamp(-128, 127).to(torch.int8)
        logits = self.program(codes).flatten(1).to(torch.int64)
        classes = logits.shape[1]
        order = torch.arange(classes - 1, -1, -1, device=self.device)
        best = (logits * classes + order).amax(1)  # no two are equal
        return classes - 1 - best % classes
