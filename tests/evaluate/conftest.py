"""Rows and a target that answers from a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.log import SETTINGS, Row
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Stop, Stream


@pytest.fixture
def settings() -> dict[str, str]:
    return {name: f"{name}-value" for name in SETTINGS} | {"seed": "7", "n": "1000", "mode": "fixed"}


@pytest.fixture
def make_rows() -> Callable[..., list[Row]]:
    def make(*cases: tuple[int, int, float]) -> list[Row]:
        """(label, predict, radius) -> rows."""
        return [
            Row(k, label, predict, radius, predict == label, "0:00:01")
            for k, (label, predict, radius) in enumerate(cases)
        ]

    return make


@pytest.fixture
def images() -> ImageSet:
    rng = np.random.default_rng(0)
    return ImageSet(
        "toy:test",
        rng.integers(0, 256, (6, 2, 2, 1), np.uint8),
        np.array([0, 1, 2, 0, 1, 2]),
        np.array([3, 5, 7, 9, 11, 13], np.uint32),
        ("a", "b", "c"),
    )


class FakeTarget:
    """Certifies class id % 3 with L = id * 1000; abstains for id 7; stops the world at ``interrupt``. A sequential mode
    accepts after 950 samples.
    """

    def __init__(self, interrupt: int | None = None) -> None:
        self.interrupt = interrupt
        self.asked: list[int] = []

    def certify(self, image: np.ndarray, stream: Stream, mode: Mode) -> Certificate:
        if stream.image == self.interrupt:
            raise KeyboardInterrupt
        assert image.shape == (2, 2, 1)
        assert stream.seed == 7
        self.asked.append(stream.image)
        selected = stream.image % 3
        label = ABSTAIN if stream.image == 7 else selected
        radius = 0 if label == ABSTAIN else stream.image * 1000
        samples, stop = (1000, Stop.FULL) if mode is Mode.FIXED else (950, Stop.ACCEPT)
        votes = tuple(900 if c == selected else (samples - 900) // 2 for c in range(3))
        return Certificate(label, selected, 900, samples, radius, stop, votes)


@pytest.fixture
def fake_target() -> type[FakeTarget]:
    return FakeTarget
