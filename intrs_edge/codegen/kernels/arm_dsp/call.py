# SPDX-License-Identifier: Apache-2.0
"""Where the kernels with the DSP extension are. Costs in this folder are instructions counted on an emulated M4
(docs/performance.md).
"""

from __future__ import annotations

FOLDER = "kernels/arm_dsp"
HEADERS = (f"{FOLDER}/intrs_arm_dsp.h",)
DSP = frozenset({"dsp"})


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)
