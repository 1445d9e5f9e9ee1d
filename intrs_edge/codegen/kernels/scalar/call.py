# SPDX-License-Identifier: Apache-2.0
"""Where the kernels for cores without SIMD are, and which cores those are. Costs in this folder are instructions
counted under emulation (docs/performance.md).
"""

from __future__ import annotations

FOLDER = "kernels/scalar"
HEADERS = (f"{FOLDER}/intrs_scalar.h",)
THUMB1 = frozenset({"thumb1"})
THUMB2 = frozenset({"armv6m", "armv7m"})  # both, and so without DSP
RV32 = frozenset({"rv32"})


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)
