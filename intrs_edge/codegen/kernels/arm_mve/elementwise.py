# SPDX-License-Identifier: Apache-2.0
"""Residual sums."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_mve import pack
from intrs_edge.codegen.kernels.arm_mve.call import HEADERS, MVE, files
from intrs_edge.codegen.kernels.common.base import Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.checks import sum_reason
from intrs_edge.codegen.kernels.common.sums import exact_operand, table_reason
from intrs_edge.graph.quantize import add_params


@register
class Add(Kernel):
    """ADD and SUB of two activations of one shape."""

    name = "add.arm_mve"
    patterns = (("ADD",), ("SUB",))
    requires = MVE
    code_bytes = 400

    def reject(self, site: Site) -> str | None:
        """Two int8 activations of one shape, one of which is scaled by exactly 1/2."""
        return sum_reason(site) or table_reason(add_params(site.graph, site.op))

    def cost(self, site: Site) -> Cost:
        formula = pack.sum_formula(add_params(site.graph, site.op), 0)["down"] != 0
        return Cost((2.25 if formula else 3.5) * site.output().elements + 80, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_add_arm_mve``."""
        p = add_params(site.graph, site.op)
        exact = exact_operand(p)
        other = 1 - exact
        fields: dict[str, Value] = {
            "n": site.output().elements,
            "zero_point": (p.zero_point[other], p.zero_point[exact]),
            "multiplier": p.multiplier[other],
            "shift": p.shift[other],
            "out_multiplier": int(p.q.multiplier[0]),
            "out_shift": int(p.q.shift[0]),
            "out_zero_point": p.q.zero_point,
            "min": p.q.min,
            "max": p.q.max,
            **pack.sum_formula(p, other),
        }
        function = "intrs_add_arm_mve"
        inputs = (site.op.inputs[other], site.op.inputs[exact])
        source = files(function)
        return Emit(function, function, fields, inputs, site.op.outputs, source, inplace=(0, 1), headers=HEADERS)
