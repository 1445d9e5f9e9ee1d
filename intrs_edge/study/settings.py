# SPDX-License-Identifier: Apache-2.0
"""What a study is asked for, read from its TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.methods import FP, INTRS, METHODS
from intrs_edge.paths import shipped
from intrs_edge.typed import from_table, read_toml
from intrs_edge.zoo import model_file

EVERY = ("kind", "title", "about", "images", "case", "seed")
_CERTIFYING = ("n0", "n", "alpha", "mode", "radii")
KINDS: dict[str, tuple[str, ...]] = {
    "certified-accuracy": _CERTIFYING,
    "certified-percentage": _CERTIFYING,
    "mismatch": (*_CERTIFYING, "sigmas"),
    "attack": ("eps", "steps", "n0", "n", "alpha", "copies"),
    "efficiency": ("n0", "n", "alpha", "target_radius", "rounds", "samples", "threads", "boards", "milliwatts"),
    "size": ("boards", "n0", "n", "alpha"),
}
MODES = ("fixed", "target-radius")


@dataclass(frozen=True)
class Case:
    """One network under one method. model: a file, or zoo:NAME; sigma: None is what the model was trained for.
    network: of floatrs-fp, the float network ("": the model read as float). build, options: of ``attack``, the network
    and options that `train` was given for it.
    """

    name: str
    model: str
    method: str = INTRS
    sigma: Decimal | None = None
    network: str = ""
    build: str = ""
    options: dict[str, object] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The model's file."""
        return model_file(self.model)

    @property
    def float_path(self) -> Path:
        """The float network's file, or the model that is read as one."""
        return model_file(self.network or self.model)


@dataclass(frozen=True)
class Study:
    """The settings of a study; `KINDS` says which a kind has. Radii in [0,1] pixels; eps in lattice steps (1/255).

    mode: fixed (n samples an image) or target-radius (a run for every radius, which stops when it is decided). steps,
    copies: of a PGD attack, and how many noisy copies give it its direction. rounds, samples: of a measurement, and the
    noisy samples that each method runs in one. boards: ids, for estimates from counted instructions;
    milliwatts: what each draws, for its energy.
    """

    kind: str
    title: str
    about: str
    images: str
    case: tuple[Case, ...]
    seed: int = 0
    n0: int = 100
    n: int = 1000
    alpha: Decimal = Decimal("0.001")
    mode: str = "fixed"
    radii: tuple[Decimal, ...] = ()
    sigmas: tuple[Decimal, ...] = ()
    eps: tuple[int, ...] = ()
    steps: int = 20
    copies: int = 16
    target_radius: Decimal = Decimal("0.5")
    rounds: int = 5
    samples: int = 1024
    threads: int = 0
    boards: tuple[str, ...] = ()
    milliwatts: tuple[float, ...] = ()


def study_names() -> list[str]:
    """The names of those that are shipped, sorted."""
    return sorted(path.stem for path in shipped("studies").glob("*.toml"))


def load_study(name_or_path: str) -> tuple[str, Study]:
    """(name, settings) of a shipped study, or of one in a TOML file.

    Raises IntrsError when there is none, or for a field that is unknown, missing, of a wrong type or out of range.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if name_or_path not in study_names():
            raise IntrsError(
                f"unknown study {name_or_path!r}; known: {', '.join(study_names())}; or give the path of a .toml"
            )
        path = shipped("studies") / f"{name_or_path}.toml"
    return path.stem, parse_study(read_toml(path, "study"), f"study {path}")


def parse_study(content: dict[str, Any], where: str) -> Study:
    """The settings that a TOML table holds; ``where`` names it. Raises IntrsError as `load_study`."""
    kind = content.get("kind")
    if kind not in KINDS:
        raise IntrsError(f"{where}: kind {kind!r} is none of {', '.join(KINDS)}")
    study: Study = from_table(Study, content, where, dict.fromkeys((*EVERY, *KINDS[kind])))
    _check(study, where)
    return study


def _check(study: Study, where: str) -> None:
    def require(good: bool, line: str) -> None:
        if not good:
            raise IntrsError(f"{where}: {line}")

    names = [case.name for case in study.case]
    require(bool(names), "has no [[case]]: name at least one network")
    require(len({*map(slug, names)}) == len(names), "two cases have one name")
    for case in study.case:
        require(case.method in METHODS, f"method {case.method!r} of {case.name!r} is none of {', '.join(METHODS)}")
        for path in (case.path, case.float_path):
            require(path.is_file(), f"{path}: no such file: give a model's path, or zoo:NAME")
        require(not case.network or case.method == FP, f"network of {case.name!r} is for method {FP}")
    require(study.mode in MODES, f"mode {study.mode!r} is none of {', '.join(MODES)}")
    needed = {"radii": "radii" in KINDS[study.kind], "sigmas": study.kind == "mismatch", "eps": study.kind == "attack"}
    for name, is_needed in needed.items():
        require(not is_needed or bool(getattr(study, name)), f"{name} is empty: give some")
    require(all(0 <= r <= 100 for r in study.radii), "radii are [0,1] pixels, from 0 on")
    for name, most in (("steps", 10_000), ("copies", 4096), ("rounds", 1000), ("samples", 10**7)):
        require(1 <= getattr(study, name) <= most, f"{name} must be from 1 to {most}")
    require(all(0 <= e <= 255 for e in study.eps), "eps are lattice steps, 0 to 255")
    require(
        len(study.milliwatts) in (0, len(study.boards)) and all(0 < w < 1e6 for w in study.milliwatts),
        "milliwatts must be one for each of boards",
    )
    require(0 <= study.threads <= 1024, "threads must be from 0 (all cores) to 1024")


def slug(name: str) -> str:
    """A name as part of a file's."""
    return "-".join("".join(c if c.isalnum() or c == "." else " " for c in name.lower()).split())
