# SPDX-License-Identifier: Apache-2.0
"""Where the kernels with integer MVE are. Costs in this folder are instructions counted on an emulated M55
(docs/performance.md).
"""

from __future__ import annotations

FOLDER = "kernels/arm_mve"
HEADERS = (f"{FOLDER}/intrs_arm_mve.h",)
MVE = frozenset({"mve"})


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)
