# SPDX-License-Identifier: Apache-2.0
"""Cohen's CERTIFY for noise in floating point: which votes prove which radius (Cohen et al. 2019).

``noise`` of such a log is ``gaussian``, ``certificate`` is ``unproved``: the theorem is about real numbers. A sampler
in floating point draws other ones, and whoever knows which can break what the log says (docs/certificate.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.noise import continuous
from intrs_edge.smoothing.settings import ANY_TIME


@dataclass(frozen=True)
class Cohen(Smoothing):
    """R = sigma * Phi^-1(p_A) with the exact Clopper-Pearson bound; nothing is charged for the sampler. The noise is
    continuous: of its parent's fields ``noise`` is the rounded Gaussian, for which the theorem is the same."""

    @property
    def total_variation(self) -> Fraction:
        """0: the sampler is taken to be ideal, which in floating point it is not."""
        return Fraction(0)


def cohen_of(settings: Mapping[str, Any], shape: tuple[int, int, int]) -> Cohen:
    """The tables for the settings of a project's manifest: the same n0, n, alpha, sigma and modes."""
    own: dict[str, Any] = {name: settings.get(name) for name in (*ANY_TIME, "sigma")}
    return Cohen(shape, noise=continuous(), **own)
