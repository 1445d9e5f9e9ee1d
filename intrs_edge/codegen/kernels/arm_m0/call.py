# SPDX-License-Identifier: Apache-2.0
"""Where the kernels without the DSP extension are. Costs in this folder are instructions counted under emulation
(docs/performance.md).
"""

from __future__ import annotations

FOLDER = "kernels/arm_m0"
HEADERS = (f"{FOLDER}/intrs_arm_m0.h",)
THUMB1 = frozenset({"thumb1"})
THUMB2 = frozenset({"armv6m", "armv7m"})  # both, and so without DSP


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)
