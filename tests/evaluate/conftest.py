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
    return {name: f"{name}-value" for name in SETTINGS} | {"seed": "7"}


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
    """Certifies class id % 3 with L = id * 1000; abstains for id 7; stops the world at ``interrupt``."""

    def __init__(self, interrupt: int | None = None) -> None:
        self.interrupt = interrupt
        self.asked: list[int] = []

    def certify(self, image: np.ndarray, stream: Stream, mode: Mode) -> Certificate:
        if stream.image == self.interrupt:
            raise KeyboardInterrupt
        assert image.shape == (2, 2, 1)
        assert stream.seed == 7
        self.asked.append(stream.image)
        label = ABSTAIN if stream.image == 7 else stream.image % 3
        radius = 0 if label == ABSTAIN else stream.image * 1000
        return Certificate(label, stream.image % 3, 900, 1000, radius, Stop.FULL if mode is Mode.FIXED else Stop.ACCEPT)


@pytest.fixture
def fake_target() -> type[FakeTarget]:
    return FakeTarget
