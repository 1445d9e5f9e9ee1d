"""PREDICT of Cohen et al. 2019 as an integer table: the two-sided exact binomial test at 1/2 between the two leading
classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from intrs_edge.smoothing.binomial import tail_at_most
from intrs_edge.smoothing.radius import next_level

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
    totals: list[int] = []
    level = 1
    z = -NormalDist().inv_cdf(float(alpha) / 2)
    while level <= n:
        largest = largest_total(level, n, alpha, guess=int((level / z) ** 2))
        # a lead above the level may have the other parity: it decides one vote more (lemma 2)
        totals.append(largest + 1 if largest else 0)
        if totals[-1] >= n:
            break
        level = next_level(level)
    return PredictTable(n, tuple(totals))


def largest_total(lead: int, n: int, alpha: Fraction, guess: int = 0) -> int:
    """The largest total of at most n, of the lead's parity, with 2 P(Bin(total, 1/2) >= (total + lead) / 2) <= alpha;
    0 for none.
    """

    def passes(pairs: int) -> bool:  # a total of lead + 2 pairs
        return tail_at_most(lead + 2 * pairs, lead + pairs, _HALF, alpha / 2)

    most = (n - lead) // 2
    if not passes(0):
        return 0
    low, high, step = 0, most + 1, 1
    pairs = min(max((guess - lead) // 2, 0), most)
    while low < pairs < high or step == 1:  # gallop away from the guess until it is bracketed
        if passes(pairs):
            low, pairs = pairs, pairs + step
        else:
            high, pairs = pairs, pairs - step
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return lead + 2 * low
