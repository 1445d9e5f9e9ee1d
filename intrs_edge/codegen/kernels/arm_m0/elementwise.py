"""Residual sums."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_m0.call import ARMV6M, HEADERS, files
from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.base import register


@register
class Add(elementwise.TableAdd):
    """ADD and SUB by a table."""

    name = "add.arm_m0"
    requires = ARMV6M
    code_bytes = 150
    function = struct = "intrs_add_arm_m0"
    files = files(function)
    headers = HEADERS
    per_element = 55.0
