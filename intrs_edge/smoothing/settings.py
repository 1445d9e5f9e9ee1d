# SPDX-License-Identifier: Apache-2.0
"""The settings of a certificate, each written once: a field's name is that of `Smoothing`, of `GenerateOptions`, of the
manifest's ``settings``, of a log's column and, with dashes, of the commands' option."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any, Union

Number = Union[int, float, str, Decimal, Fraction]
# in words: light, so that the command line's help needs no more; `noise` and `generator` hold what they name
NOISES = ("discrete", "rounded")
GENERATORS = ("xoshiro128++", "lfsr113")
CERTIFICATES = ("two-sided", "one-sided", "paper")


def _about(
    kind: str, what: str, *, choices: tuple[str, ...] = (), metavar: str | None = None, column: bool = False,
    any_time: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """kind: how its text is read: "count", "decimal" or "name" (one of ``choices``). what: the option's help. column: a
    log has it as a column. any_time: it may be another than the project's when samples are counted on this computer.
    """
    return locals()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How many samples claim what, how surely, and with which noise; see `Smoothing`. sigma: None is what the model was
    trained for."""

    n0: int = field(
        default=0,
        metadata=_about(
            "count",
            "samples that choose the class; 0 (default): the leader of those counted",
            column=True,
            any_time=True,
        ),
    )
    n: int = field(
        default=1000,
        metadata=_about("count", "samples that count the class (default %(default)s)", column=True, any_time=True),
    )
    alpha: Number = field(
        default=Decimal("0.001"),
        metadata=_about(
            "decimal", "probability of a false certificate, per image (default %(default)s)", column=True, any_time=True
        ),
    )
    sigma: Number | None = field(
        default=None,
        metadata=_about(
            "decimal", "noise, in [0,1] pixels (default: what the model was trained for, else 0.25)", column=True
        ),
    )
    noise: str = field(
        default="discrete",
        metadata=_about("name", "the Gaussian on the lattice (default %(default)s)", choices=NOISES, column=True),
    )
    certificate: str = field(
        default="two-sided",
        metadata=_about(
            "name",
            "two-sided (default) bounds the class and its rivals, one-sided the class alone; paper: the published "
            "quantile, which is NOT sound",
            choices=CERTIFICATES,
            column=True,
        ),
    )
    rng: str = field(default="xoshiro128++", metadata=_about("name", "default %(default)s", choices=GENERATORS))
    seed: int | None = field(
        default=None,
        metadata=_about(
            "count",
            "a fixed seed for every certification, for replays and demonstrations (default: each draws its own)",
        ),
    )
    target_radius: Number | None = field(
        default=None,
        metadata=_about(
            "decimal", "also the tables of certify --target-radius R ([0,1] pixels)", metavar="R", any_time=True
        ),
    )
    precision: Number | None = field(default=None, metadata=_about(
        "decimal", "also the tables of certify --precision X (0.1: 10 %%)", metavar="X", any_time=True
    ))  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Every setting as the manifest has it: numbers that are not whole as text, as they were written."""
        found = {f.name: getattr(self, f.name) for f in SETTINGS}
        return {name: v if v is None or isinstance(v, int | str) else str(v) for name, v in found.items()}


SETTINGS = fields(Settings)
COLUMNS = tuple(f.name for f in SETTINGS if f.metadata["column"])
ANY_TIME = tuple(f.name for f in SETTINGS if f.metadata["any_time"])
