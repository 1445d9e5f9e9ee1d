# SPDX-License-Identifier: Apache-2.0
"""Integer arithmetic that Python has no operator for."""

from __future__ import annotations


def ceil_div(a: int, b: int) -> int:
    """``a / b`` rounded up, exact for integers of any size and either sign (numpy integers too).

    Raises ZeroDivisionError where b is 0.
    """
    return -(-a // b)
