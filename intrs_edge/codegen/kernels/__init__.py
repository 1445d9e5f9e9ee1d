"""The kernels to choose from. A module registers its kernels when it is imported; list new modules here."""

from intrs_edge.codegen.kernels import (  # noqa: F401  # noqa: F401
    arm_dsp,
    arm_m0,
    arm_mve,
    fused_conv,
    neon_conv,
    neon_elementwise,
    portable_conv,
    portable_data,
    portable_elementwise,
    portable_pool,
    portable_reduce,
    x86_conv,
    x86_elementwise,
)
from intrs_edge.codegen.kernels.base import (
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
