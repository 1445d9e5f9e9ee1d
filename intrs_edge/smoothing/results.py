# SPDX-License-Identifier: Apache-2.0
"""What the device is asked and what it answers: the fields of ``firmware/include/intrs.h``, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from math import isqrt

from intrs_edge.errors import IntrsError

ABSTAIN = -1
LEVELS = 255  # lattice steps in one unit of [0,1] pixels
_MICRO = 10**6


def lattice_squared(radius: Fraction) -> int:
    """floor((255 r)^2), lattice steps squared: an integer perturbation is within ``radius`` ([0,1] pixels, >= 0)
    exactly when its squared length is at most this.
    """
    return int((LEVELS * radius) ** 2)


def radius_text(radius_squared: int) -> str:
    """The radius in [0,1] pixels of ``radius_squared`` lattice steps squared, six digits.

    The largest such decimal r for which ``lattice_squared(r) <= radius_squared``: everything that it claims is proved,
    and every target radius of six digits that L proves is at most it. 0.000000 for 0.
    """
    micro = isqrt(((radius_squared + 1) * _MICRO**2 - 1) // LEVELS**2) if radius_squared else 0
    return f"{micro // _MICRO}.{micro % _MICRO:06d}"


def l1(radius_squared: int) -> int:
    """Every integer change whose absolute values sum to at most this (lattice steps) is within ``radius_squared``: the
    longest of them changes one value alone.
    """
    return isqrt(radius_squared)


def linf(radius_squared: int, values: int) -> int:
    """Every change of ``values`` values, each by at most this (lattice steps), is within ``radius_squared``."""
    return isqrt(radius_squared // values)


def linf_target(values: int, steps: int) -> Decimal:
    """The radius in [0,1] pixels that certifies ``values`` values, each changed by at most ``steps`` (1 .. 255): the
    decimal of nine digits whose ``lattice_squared`` is ``values`` steps^2. Raises IntrsError for other steps.
    """
    if not 1 <= steps <= LEVELS:
        raise IntrsError(f"{steps} steps of 1/255 are outside 1 .. {LEVELS}: give the most that a value is off by")
    nano = isqrt((values * steps**2 * 10**18 - 1) // LEVELS**2) + 1  # rounded up: (255 r)^2 is less than 1 above
    return Decimal(nano).scaleb(-9)


class Mode(IntEnum):
    """How many samples a certification takes."""

    FIXED = 0
    TARGET = 1
    PRECISION = 2

    @property
    def setting(self) -> str | None:
        """The setting that asks for it; None: none does."""
        return (None, "target_radius", "precision")[self]

    @property
    def one_sided(self) -> bool:
        """Whether its plans are, whatever the certificate."""
        return self == Mode.PRECISION

    @property
    def word(self) -> str:
        """What a log calls it; ``=`` and the setting's value follow where it has one."""
        return "fixed" if self.setting is None else self.setting.replace("_", "-")


class Stop(IntEnum):
    """Why a certification ended."""

    FULL = 0
    ACCEPT = 1
    REJECT = 2
    CALLER = 3


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

    @property
    def l1(self) -> int:
        """Every integer change whose absolute values sum to at most this (lattice steps) is certified too."""
        return l1(self.radius_squared)

    def linf(self, values: int) -> int:
        """Every image of ``values`` values, each changed by at most this, is certified too (lattice steps)."""
        return linf(self.radius_squared, values)

    @property
    def radius(self) -> float:
        """``radius_squared`` in [0,1] pixels, as logs print it (``radius_text``)."""
        return float(radius_text(self.radius_squared))

    def _repr_html_(self) -> str:
        """For notebooks."""
        what = "abstains" if self.label == ABSTAIN else f"class {self.label}, radius {self.radius:.3f}"
        return f"<b>{what}</b> ({self.count} of {self.samples} votes)"
