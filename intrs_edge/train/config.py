# SPDX-License-Identifier: Apache-2.0
"""Every setting of a training run, in one place, with the defaults of the paper where it states them."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.graph.words import RESIZES

DEVICES = ("cpu", "cuda")
SCHEDULES = ("steps", "cosine", "onecycle")
WARM_UP = 0.3  # of a one-cycle schedule (Smith and Topin 2018): the share in which the rate rises
START_FACTOR = 25.0  # and what its first rate is divided by

# what changes nothing in what is trained
OF_A_RUN = (
    "out", "resume", "progress", "threads", "validate", "checkpoint_minutes", "fast_dev_run", "device"
)  # fmt: skip

_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 1e6),
    ("float_epochs", 0, 1e6),
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
    ("validate", 0, 1e9),
    ("checkpoint_minutes", 0, 1e6),
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `train`. Sigma in [0,1] pixels; learning-rate steps are fractions of the run.

    out: folder for ``checkpoint.pt``, ``log.jsonl`` and ``model.onnx``. float_epochs: how many of the epochs, the
    first ones, run in plain float under the same noise; the rest is quantisation-aware. schedule: ``steps`` multiplies
    the rate by ``step_factor`` at each of ``steps``, ``cosine`` lets it fall to 0, ``onecycle`` rises for the first
    30 % and then falls; all count batches, not epochs. freeze: the last share of the quantisation-aware batches, which
    runs with frozen observers and batch statistics. consistency: weight of the regulariser of Jeong and Shin (2020)
    over two noisy copies, 0 for none (their eta is 0.5). bank: noise samples drawn once and reshuffled every epoch.
    start: a float checkpoint (``state_dict``) or a model.onnx of ``train`` to begin from. mean, std: what the images of
    that checkpoint were normalised with, of pixel / 255, one or one per channel. threads: 0 leaves torch's
    choice. resize: how the images came to their size, ``stretch`` or ``crop`` (`load_images` does it), which the model
    then says; empty where they had it. plain_float: a network that stays fp32, under a continuous Gaussian on real
    pixels (the paper's baseline); ``model.onnx`` is a float model. validate: how many test images are looked at after
    each epoch. checkpoint_minutes: a checkpoint is also written this often within an epoch. fast_dev_run: two batches
    an epoch and one or two epochs, to see that all of it works, in ``out/fast-dev-run``. device: ``cpu`` or ``cuda``.
    """

    network: str = "resnet8"
    sigma: float = 0.25
    out: Path = Path("train")
    network_options: dict[str, object] = field(default_factory=dict)
    epochs: int = 90
    float_epochs: int = 0
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "steps"
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
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: str = ""
    plain_float: bool = False
    resume: bool = False
    progress: bool = True
    validate: int = 1000
    checkpoint_minutes: float = 5.0
    fast_dev_run: bool = False
    device: str = "cpu"

    def check(self) -> None:
        """Raises IntrsError naming the first setting that is out of range."""
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise IntrsError(f"training setting {name!r} is {value}; it must be from {low:g} to {high:g}")
        if self.schedule not in SCHEDULES:
            raise IntrsError(
                f"training setting 'schedule' is {self.schedule!r}; it must be one of {', '.join(SCHEDULES)}"
            )
        if self.resize not in ("", *RESIZES):
            raise IntrsError(f"training setting 'resize' is {self.resize!r}; it must be one of {', '.join(RESIZES)}")
        if self.device not in DEVICES:
            raise IntrsError(f"training setting 'device' is {self.device!r}; it must be one of {', '.join(DEVICES)}")
        if self.float_epochs >= self.epochs and not self.plain_float:
            raise IntrsError(
                f"training setting 'float_epochs' is {self.float_epochs} of {self.epochs} epochs; leave at least one "
                "for quantisation-aware training"
            )
        if any(not 0 < s < 1 for s in self.steps):
            raise IntrsError(f"training setting 'steps' is {self.steps}; give fractions of the epochs between 0 and 1")

    def fingerprint(self) -> str:
        """The settings that a checkpoint must share with the run that resumes it, as JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in OF_A_RUN}
        return json.dumps(values, sort_keys=True, default=str)

    def rate(self, done: float) -> float:
        """The learning rate after a share ``done`` of the run's batches, 0 <= done < 1."""
        if self.schedule == "steps":
            return self.learning_rate * self.step_factor ** sum(done >= s for s in self.steps)
        if self.schedule == "onecycle":
            if done < WARM_UP:
                start = self.learning_rate / START_FACTOR
                return start + (self.learning_rate - start) * done / WARM_UP
            done = (done - WARM_UP) / (1 - WARM_UP)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def first_frozen(self, batches: int) -> int:
        """The first batch of the run, of ``batches`` an epoch, with frozen observers; never the first
        quantisation-aware one, because an observer needs data."""
        first, total = self.float_epochs * batches, self.epochs * batches
        frozen = round(self.freeze * (total - first))
        return max(first + 1, total - frozen) if self.freeze > 0 else total
