"""Where the kernels without the DSP extension are. Costs in this folder are instructions counted under emulation on an
M0 (docs/performance.md).
"""

from __future__ import annotations

FOLDER = "kernels/arm_m0"
HEADERS = (f"{FOLDER}/intrs_arm_m0.h",)
ARMV6M = frozenset({"armv6m"})


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)
