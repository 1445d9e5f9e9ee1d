# SPDX-License-Identifier: Apache-2.0
"""PREDICT of Cohen et al. 2019 as an integer table: the two-sided exact binomial test at 1/2 between the two leading
classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np

from intrs_edge.smoothing.binomial import tail_at_most
from intrs_edge.smoothing.claims import Bools, Ints, log_of, search
from intrs_edge.smoothing.radius import next_level
from intrs_edge.smoothing.tails import Floats, Pair, U, log_tail

_HALF = 1 << 255


@dataclass(frozen=True)
class PredictTable:
    """``totals[j]``: with a lead of at least level j (1, next_level(1), ...), the most votes that the two leaders may
    have together.

    The p-value falls with the lead and rises with the total (docs/certificate.md, lemma 2), so a lead between levels
    is answered by the level below: never optimistic, exact up to a lead of 100.
    """

    n: int
    totals: tuple[int, ...]

    def decides(self, top: int, second: int) -> bool:
        """Whether ``top`` votes against ``second`` reject a tie at level alpha, as ``intrs_predict`` does."""
        limit, level = 0, 1
        for total in self.totals:
            if top - second < level:
                break
            limit, level = total, next_level(level)
        return top + second <= limit


def predict_table(n: int, alpha: Fraction) -> PredictTable:
    """The table for up to n votes."""
    leads = [1]
    while next_level(leads[-1]) <= n:
        leads.append(next_level(leads[-1]))
    # a lead above the level may have the other parity: it decides one vote more (lemma 2)
    totals = [total + 1 if total else 0 for total in largest_totals(leads, n, alpha)]
    enough = next((j for j, total in enumerate(totals) if total >= n), len(totals))
    return PredictTable(n, tuple(totals[: enough + 1]))


def largest_totals(leads: Sequence[int], n: int, alpha: Fraction) -> list[int]:
    """For each lead the largest total of at most n, of the lead's parity, with 2 P(Bin(total, 1/2) >= (total + lead) /
    2) <= alpha; 0 for none.
    """
    lead, half, log_half = np.array(leads), alpha / 2, log_of(alpha / 2)
    values = np.zeros(len(lead))

    def refused(pairs: Ints, entries: Ints) -> Bools:  # a total of lead + 2 pairs
        least = lead[entries] + pairs
        even = np.full(len(pairs), 0.5)
        total = (least + pairs).astype(np.float64)
        value, error = log_tail(total, least.astype(np.float64), Pair(even, even))
        value, error = value - log_half, error + 8 * U * abs(log_half)
        passes = value <= -error
        for i in np.flatnonzero(abs(value) <= error):
            passes[i] = tail_at_most(int(total[i]), int(least[i]), _HALF, half)
        values[entries] = value
        return ~passes

    def move(pairs: Ints, entries: Ints) -> Floats:  # about log Q(lead / sqrt(total))
        step: Floats = -values[entries] * (1 + 2 * pairs / lead[entries]) ** 2
        return np.clip(step, -n, n)

    z = -NormalDist().inv_cdf(float(half))
    guess = (((lead / z) ** 2 - lead) / 2).astype(np.int64)
    found = search(np.full_like(lead, -1), (n - lead) // 2 + 1, guess, refused, move)
    return [int(v) for v in np.where(found > 0, lead + 2 * (found - 1), 0)]
