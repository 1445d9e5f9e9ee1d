"""Every setting of a training run, in one place, with the defaults of the paper where it states them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from intrs_edge.errors import IntrsError

_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 1e6),
    ("batch", 2, 1e6),
    ("learning_rate", 1e-9, 1e3),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1),
    ("step_factor", 1e-6, 1),
    ("freeze", 0, 1),
    ("consistency", 0, 1e3),
    ("entropy", 0, 1e3),
    ("shift", 0, 64),
    ("bank", 1, 1 << 31),
    ("seed", 0, 2**63 - 1),
    ("threads", 0, 4096),
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `train`. Sigma in [0,1] pixels; learning-rate steps are fractions of ``epochs``.

    out: folder for ``checkpoint.pt``, ``log.jsonl`` and ``model.onnx``. freeze: the last share of the epochs that
    runs with frozen observers and batch statistics. consistency: weight of the regulariser of Jeong and Shin (2020)
    over two noisy copies, 0 for none (their eta is 0.5). bank: noise samples drawn once and reshuffled every epoch.
    start: a float checkpoint (``state_dict`` of the public CIFAR ResNets) to begin from. threads: 0 leaves torch's
    choice.
    """

    network: str = "resnet8"
    sigma: float = 0.25
    out: Path = Path("train")
    network_options: dict[str, object] = field(default_factory=dict)
    epochs: int = 90
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    steps: tuple[float, ...] = (0.5, 0.75, 0.9)
    step_factor: float = 0.1
    freeze: float = 0.1
    consistency: float = 0.0
    entropy: float = 0.5
    flip: bool = False
    shift: int = 0
    bank: int = 1 << 24
    seed: int = 0
    threads: int = 0
    start: Path | None = None
    resume: bool = False
    progress: bool = True

    def check(self) -> None:
        """Raises IntrsError naming the first setting that is out of range."""
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise IntrsError(f"training setting {name!r} is {value}; it must be from {low:g} to {high:g}")
        if any(not 0 < s < 1 for s in self.steps):
            raise IntrsError(f"training setting 'steps' is {self.steps}; give fractions of the epochs between 0 and 1")

    def fingerprint(self) -> str:
        """The settings that a checkpoint must share with the run that resumes it, as JSON."""
        skip = {"out", "resume", "progress", "threads"}
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in skip}
        return json.dumps(values, sort_keys=True, default=str)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch (counted from 0)."""
        passed = sum(epoch >= round(s * self.epochs) for s in self.steps)
        return self.learning_rate * self.step_factor**passed

    def first_frozen(self) -> int:
        """The first epoch with frozen observers; at least the last one is frozen when ``freeze`` > 0."""
        return self.epochs - max(1, round(self.freeze * self.epochs)) if self.freeze > 0 else self.epochs
