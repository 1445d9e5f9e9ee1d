"""The kernels the generator can choose from. A module registers its kernels when it is imported; list new modules here."""

from intrs_edge.codegen.kernels import portable_conv, portable_data, portable_elementwise, portable_pool  # noqa: F401
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
