# SPDX-License-Identifier: Apache-2.0
"""Speed, measured fairly: every engine in turn, round after round, in one run.

A busy machine then slows all of them alike, and the ratios stand even where the absolute figures do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intrs_edge.bench.peers import Absent, Engine

OURS = "IntRS-Edge int8"


@dataclass(frozen=True)
class Speed:
    """Images a second of an engine in each round."""

    name: str
    version: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """The slowest and the fastest round."""
        return min(self.rounds), max(self.rounds)


@dataclass(frozen=True)
class Comparison:
    """Ours, and the peers that ran."""

    ours: Speed
    peers: tuple[Speed, ...]
    absent: tuple[Absent, ...]

    def ratio(self, peer: Speed) -> float:
        """How much faster ours is: the median of the ratios round by round."""
        return statistics.median(a / b for a, b in zip(self.ours.rounds, peer.rounds, strict=True))


def compare(
    ours: Engine,
    peers: Sequence[Engine | Absent],
    rounds: int,
    seconds: float,
    tick: Callable[[int], None] = lambda i: None,
) -> Comparison:
    """``rounds`` rounds of every engine in turn, each for at least ``seconds``; ``tick`` hears of finished rounds."""
    engines = [ours, *(p for p in peers if isinstance(p, Engine))]
    for engine in engines:
        engine.run()
    speeds: list[list[float]] = [[] for _ in engines]
    for i in range(rounds):
        for speed, engine in zip(speeds, engines, strict=True):
            speed.append(_images_per_second(engine, seconds))
        tick(i + 1)
    found = [Speed(e.name, e.version, tuple(s)) for e, s in zip(engines, speeds, strict=True)]
    return Comparison(found[0], tuple(found[1:]), tuple(p for p in peers if isinstance(p, Absent)))


def _images_per_second(engine: Engine, seconds: float) -> float:
    start = time.perf_counter()
    calls = 0
    while True:
        engine.run()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return calls * engine.images / elapsed


def noisy_inputs(
    image: npt.NDArray[np.uint8],
    sigma: float,
    batch: int,
    apply: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int8]],
) -> npt.NDArray[np.int8]:
    """``[batch, H, W, C]`` inputs for the peers: the image with rounded Gaussian noise of ``sigma`` ([0,1] pixels)."""
    noise = np.rint(np.random.default_rng(0).normal(0.0, sigma * 255, (batch, *image.shape))).astype(np.int64)
    return apply(image.astype(np.int64) + noise)
