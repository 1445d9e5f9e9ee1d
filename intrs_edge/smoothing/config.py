# SPDX-License-Identifier: Apache-2.0
"""One configuration of the certificate, and the integer tables that follow from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.binomial import checked_alpha
from intrs_edge.smoothing.claims import Rule
from intrs_edge.smoothing.gates import GatePlan, gate_plan
from intrs_edge.smoothing.generator import Generator, generator
from intrs_edge.smoothing.noise import DiscreteGaussian, Noise, exact, noise
from intrs_edge.smoothing.prediction import PredictTable, predict_table
from intrs_edge.smoothing.radius import PaperRule, RadiusTable, SoundRule, radius_table
from intrs_edge.smoothing.results import Mode
from intrs_edge.smoothing.sampler import Sampler
from intrs_edge.smoothing.sequential import SequentialPlan, precision_plan, target_plan
from intrs_edge.smoothing.settings import CERTIFICATES, Number, Settings
from intrs_edge.smoothing.twosided import TwoSidedTable, two_sided_table

SAMPLES_MAX = 10**7
DIMENSION_MAX = 1 << 24


@dataclass(frozen=True)
class Smoothing(Settings):
    """What is claimed, how surely, and with which noise.

    shape: (H, W, C) of the image. sigma: standard deviation in [0,1] pixels, a decimal taken as written
    (``sigma_steps`` = 255 sigma exactly). n0 samples select the class, n others count it; with n0 = 0 it is the leader
    of the n (docs/certificate.md, theorem 3). alpha: probability of a
    false certificate, per image. seed: of the runs, None for a fresh one each; not part of the tables. noise, rng:
    by name (`settings`). certificate: "one-sided"; "two-sided" (a precision stays
    one-sided); or "paper" for the published quantile, which is NOT sound.
    target_radius ([0,1] pixels) and precision (0.1 is 10 %) ask for the tables of the two sequential modes. Raises
    IntrsError for anything out of range.
    """

    shape: tuple[int, int, int]
    sigma: Number = field(kw_only=True)
    certificate: str = field(default="one-sided", kw_only=True)

    def __post_init__(self) -> None:
        """Normalises the numbers to Fractions and refuses what cannot be certified."""
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "sigma", exact(self.sigma, "sigma"))
        object.__setattr__(self, "alpha", checked_alpha(self.alpha))
        if len(self.shape) != 3 or min(self.shape) < 1 or self.dimension > DIMENSION_MAX:
            raise IntrsError(
                f"image shape {self.shape} is not (H, W, C) of at most {DIMENSION_MAX} values: give the raw image's"
            )
        for name, least in (("n0", 0), ("n", 1)):
            value = getattr(self, name)
            if not least <= value <= SAMPLES_MAX:
                raise IntrsError(
                    f"{name} of {value} samples is outside {least} .. {SAMPLES_MAX}: choose one in that range"
                )
        if self.seed is not None and not 0 <= self.seed < 1 << 64:
            raise IntrsError(f"seed {self.seed} is outside 0 .. 2^64-1: give a 64-bit seed")
        generator(self.rng)
        noise(self.noise, self.sigma_steps)
        if self.certificate not in CERTIFICATES:
            raise IntrsError(
                f"unknown certificate {self.certificate!r}: choose two-sided or one-sided, or paper for the published "
                "figures"
            )
        sequential = self.target_radius is not None or self.precision is not None
        if self.certificate == "paper" and (self.noise != "discrete" or sequential):
            raise IntrsError(
                "the paper's certificate exists for discrete noise and fixed samples only: drop the other options"
            )
        for name in ("target_radius", "precision"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, exact(getattr(self, name), name.replace("_", " ")))

    @property
    def sigma_steps(self) -> Fraction:
        """Sigma in lattice steps, exactly."""
        return 255 * exact(self.sigma)

    @property
    def dimension(self) -> int:
        """Coordinates of the noise vector."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @cached_property
    def distribution(self) -> Noise:
        """The noise on the lattice with its threshold table."""
        return noise(self.noise, self.sigma_steps)

    @property
    def generator(self) -> Generator:
        """The random generator."""
        return generator(self.rng)

    @cached_property
    def sampler(self) -> Sampler:
        """The numpy twin of the device's sampler."""
        return Sampler(self.distribution, self.generator)

    @cached_property
    def total_variation(self) -> Fraction:
        """D: total variation of the d-dimensional noise vector, at most; charged to every sound radius, not to the
        paper's.
        """
        return self.distribution.vector_total_variation(self.dimension)

    @cached_property
    def rule(self) -> Rule:
        """Which probability proves which radius."""
        if self.certificate == "paper":
            return PaperRule(DiscreteGaussian(self.sigma_steps))
        return SoundRule(self.sigma_steps, self.total_variation)

    @property
    def sound(self) -> bool:
        """False for the paper's quantile, whose claims are not proved."""
        return self.certificate != "paper"

    @cached_property
    def radius(self) -> RadiusTable | TwoSidedTable:
        """Count of n, and the most votes of another class -> squared radius."""
        if self.certificate == "two-sided":
            rounded = self.distribution.rounded
            return two_sided_table(
                self.n, exact(self.alpha), self.sigma_steps, self.total_variation, self.dimension, rounded, self.n0 > 0
            )
        return radius_table(self.n, exact(self.alpha), self.rule, selected=self.n0 > 0)

    @cached_property
    def predict(self) -> PredictTable:
        """The binomial test of PREDICT, on n samples."""
        return predict_table(self.n, exact(self.alpha))

    @cached_property
    def target_plan(self) -> SequentialPlan | GatePlan | None:
        """The looks of Mode.TARGET, when a target radius was asked for."""
        if self.target_radius is None:
            return None
        target = exact(self.target_radius)
        if self.certificate == "two-sided":
            rounded, selected = self.distribution.rounded, self.n0 > 0
            made = (self.n, exact(self.alpha), self.sigma_steps, self.total_variation, self.dimension)
            return gate_plan(*made, target, rounded, selected)
        return target_plan(self.n, exact(self.alpha), self.rule, target, self.sigma_steps, selected=self.n0 > 0)

    @cached_property
    def precision_plan(self) -> SequentialPlan | None:
        """The looks of Mode.PRECISION, when a precision was asked for."""
        if self.precision is None or not isinstance(self.rule, SoundRule):
            return None
        return precision_plan(self.n, exact(self.alpha), self.rule, exact(self.precision), selected=self.n0 > 0)

    @property
    def plans(self) -> dict[Mode, SequentialPlan | GatePlan]:
        """The plans of the modes that were asked for, in the order of their tables."""
        made = {Mode.TARGET: self.target_plan, Mode.PRECISION: self.precision_plan}
        return {mode: plan for mode, plan in made.items() if plan is not None}

    def plan(self, mode: Mode) -> SequentialPlan | GatePlan | None:
        """The looks of a mode; None for Mode.FIXED. Raises IntrsError when it was not asked for."""
        if mode.setting is not None and mode not in self.plans:
            option = mode.setting.replace("_", " ")
            raise IntrsError(f"{mode.name.lower()} certification has no tables here: configure a {option} first")
        return self.plans.get(mode)

    def proved(self, mode: Mode, samples: int, count: int, other: int) -> int:
        """The squared radius that stands when the caller stops after ``samples`` (docs/certificate.md, section 5), as
        ``intrs_proved``. other: the most votes of another class.
        """
        if samples > self.n or count > samples or other > samples - count:
            return 0
        plan = self.plan(mode)
        if plan is None:
            return self.radius.lookup(count, other + self.n - samples)
        return plan.proved(samples, count, other)

    @cached_property
    def tables_digest(self) -> str:
        """SHA-256 (hex) of every number of every table."""
        plans = [self.plans[mode].canonical() if mode in self.plans else None for mode in Mode if mode.setting]
        content = {
            "limits": self.distribution.limits,
            "radius": self.radius.canonical(),
            "predict": self.predict.totals,
            "plans": plans,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def table_hash(self) -> str:
        """SHA-256 (hex) of everything that decides noise, counts and radii: all tables and settings but the seed."""
        return self.bound_hash(self.tables_digest)

    def bound_hash(self, tables_digest: str) -> str:
        """The table hash that these settings have with tables of that digest; the tables themselves are not made."""
        settings = {f.name: str(getattr(self, f.name)) for f in fields(self) if f.name != "seed"}
        content = {"settings": settings, "tables": tables_digest}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
