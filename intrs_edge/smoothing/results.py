"""What the device is asked and what it answers: the fields of ``firmware/include/intrs.h``, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

ABSTAIN = -1


class Mode(IntEnum):
    """How many samples a certification takes."""

    FIXED = 0
    TARGET = 1
    PRECISION = 2


class Stop(IntEnum):
    """Why a certification ended."""

    FULL = 0
    ACCEPT = 1
    REJECT = 2


@dataclass(frozen=True)
class Stream:
    """Which noise: that of Monte-Carlo sample i is a function of (seed, image, i). seed: 64 bits; image: 32 bits."""

    seed: int
    image: int


@dataclass(frozen=True)
class Prediction:
    """PREDICT of Cohen et al. 2019. ``label`` is ``top`` or ABSTAIN; ``votes`` are those of the top two classes."""

    label: int
    top: int
    votes: tuple[int, int]
    samples: int


@dataclass(frozen=True)
class Certificate:
    """CERTIFY of Cohen et al. 2019 in integers. ``radius_squared`` is floor(R^2), lattice steps squared; 0 with
    ABSTAIN. ``votes`` are those of every class in the counting phase: ``count`` is the selected one's, ``samples``
    their sum.
    """

    label: int
    selected: int
    count: int
    samples: int
    radius_squared: int
    stop: Stop
    votes: tuple[int, ...] = ()
