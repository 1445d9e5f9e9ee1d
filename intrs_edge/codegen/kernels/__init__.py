# SPDX-License-Identifier: Apache-2.0
"""The kernels to choose from, a folder an instruction set. A module registers its kernels when it is imported.

A folder's ``__init__`` names its modules; list new folders here.
"""

from intrs_edge.codegen.kernels import arm_dsp, arm_m0, arm_mve, neon, portable, scalar, x86  # noqa: F401
from intrs_edge.codegen.kernels.common.base import (
    Array,
    Choice,
    Cost,
    Emit,
    Kernel,
    Site,
    Struct,
    Symbol,
    Value,
    register,
    registered,
)

__all__ = ["Array", "Choice", "Cost", "Emit", "Kernel", "Site", "Struct", "Symbol", "Value", "register", "registered"]
