"""Rows and a target that answers from a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.identity import rows_digest
from intrs_edge.evaluate.log import SETTINGS, Row, certificate_row
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Stop, Stream


@pytest.fixture
def settings() -> dict[str, str]:
    return {name: f"{name}-value" for name in SETTINGS} | {
        "seed": "7", "n": "1000", "mode": "fixed", "shape": "2x2x1"}  # fmt: skip


@pytest.fixture
def make_rows() -> Callable[..., list[Row]]:
    def make(*cases: tuple[int, int, float]) -> list[Row]:
        """(label, predict, radius) -> rows."""
        return [
            Row(k, label, predict, radius, predict == label, "0:00:01")
            for k, (label, predict, radius) in enumerate(cases)
        ]

    return make


CLASSES = ("aeroplane", "<b>bird</b>", "a cat with a very long name, which no legend and no table may cut", "deer")


@pytest.fixture
def certified_rows() -> Callable[..., list[Row]]:
    """Rows as certify writes them, with the radius that their votes prove."""

    def make(*cases: tuple[int, int, int], labels: bool = True, mode: str = "fixed", **changes: str) -> list[Row]:
        """(votes of the selected class out of 1000, label, selected) -> rows."""
        settings = {**dict.fromkeys(SETTINGS, "1"), "method": "intrs", "n0": "100", "n": "1000", "mode": mode}
        settings |= {
            "shape": "8x8x1",
            "sigma": "0.25",
            "alpha": "0.001",
            "noise": "discrete",
            "certificate": "one-sided",
        }
        settings |= {"source": "toy:test", "size": str(len(cases)), "select": "", "shard": "1/1", **changes}
        smoothing = Smoothing((8, 8, 1), sigma="0.25", n=1000, alpha="0.001")
        rows = []
        for k, (count, label, selected) in enumerate(cases):
            squared = smoothing.radius.lookup(count)
            votes = [0, 0, 0, 0]
            votes[selected], votes[(selected + 1) % 4] = count, 1000 - count
            answer = selected if squared else ABSTAIN
            result = Certificate(answer, selected, count, 1000, squared, Stop.FULL, tuple(votes))
            names = {"file": f"some/{k}.png", "pixels": f"{k:016x}"}
            names |= {"predict_name": CLASSES[answer]} if squared else {}
            names |= {"label_name": CLASSES[label]} if labels else {}
            rows.append(certificate_row(k, label if labels else -1, result, 0.5, settings, names))
        digest = rows_digest(rows)
        return [replace(row, extra={**row.extra, "images": digest}) for row in rows]

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
