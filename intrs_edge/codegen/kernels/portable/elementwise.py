# SPDX-License-Identifier: Apache-2.0
"""Portable elementwise kernels: two operands with broadcasting, and every unary op as a table of 256 values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import add_fields, broadcast_fields, requant_fields
from intrs_edge.codegen.kernels.portable.call import call
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.quantize import add_params, mul_params, prelu_params, squared_difference_params


class _Binary(Kernel):
    code_bytes = 400
    per_element = 40.0

    def reject(self, site: Site) -> str | None:
        """Up to four axes after merging those that walk together."""
        try:
            broadcast_fields(site.input(0).shape, site.input(1).shape, site.output().shape)
        except ValueError as error:
            return str(error)
        return None

    def cost(self, site: Site) -> Cost:
        """A constant operand lies in flash."""
        flash = sum(site.input(i).bytes for i in (0, 1) if site.input(i).constant)
        return Cost(self.per_element * site.output().elements, flash)

    @staticmethod
    def common(site: Site, function: str, struct: str, fields: Mapping[str, Value]) -> Emit:
        """The call; the output may take over an operand that is not repeated."""
        a, b, out = site.input(0), site.input(1), site.output()
        whole = tuple(i for i, t in enumerate((a, b)) if t.elements == out.elements)
        broadcast = broadcast_fields(a.shape, b.shape, out.shape)
        every: dict[str, Value] = {"n": out.elements, **fields, "broadcast": broadcast}
        return call(function, struct, every, site.op.inputs[:2], site.op.outputs, inplace=whole)


@register
class Add(_Binary):
    """ADD and SUB."""

    name = "add.portable"
    patterns = (("ADD",), ("SUB",))
    per_element = 79.0

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_add``."""
        return self.common(site, "intrs_add_portable", "intrs_add", add_fields(add_params(site.graph, site.op)))


@register
class SquaredDifference(_Binary):
    """SQUARED_DIFFERENCE."""

    name = "squared_difference.portable"
    patterns = (("SQUARED_DIFFERENCE",),)
    per_element = 79.0

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_add``."""
        fields = add_fields(squared_difference_params(site.graph, site.op))
        return self.common(site, "intrs_squared_difference_portable", "intrs_add", fields)


@register
class Mul(_Binary):
    """MUL."""

    name = "mul.portable"
    patterns = (("MUL",),)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mul``."""
        p = mul_params(site.graph, site.op)
        return self.common(
            site, "intrs_mul_portable", "intrs_mul", {"zero_point": p.zero_point, "q": requant_fields(p.q)}
        )


@register
class Extremum(_Binary):
    """MAXIMUM and MINIMUM."""

    name = "extremum.portable"
    patterns = (("MAXIMUM",), ("MINIMUM",))
    per_element = 8.0

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_extremum``."""
        return self.common(
            site, "intrs_extremum_portable", "intrs_extremum", {"maximum": int(site.op.kind == "MAXIMUM")}
        )


@register
class Prelu(_Binary):
    """PRELU: slopes as a second operand."""

    name = "prelu.portable"
    patterns = (("PRELU",),)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_prelu``."""
        p = prelu_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "in_zero_point": p.in_zero_point,
            "alpha_zero_point": p.alpha_zero_point,
            "positive": requant_fields(p.positive),
            "negative": requant_fields(p.negative),
        }
        return self.common(site, "intrs_prelu_portable", "intrs_prelu", fields)


@register
class Lut(Kernel):
    """A unary op on 8-bit values: its 256 values, computed by the reference."""

    name = "lut.portable"
    patterns = tuple((kind,) for kind in TABLES)
    code_bytes = 60

    def reject(self, site: Site) -> str | None:
        """8-bit values only."""
        wide = [t.dtype for t in (site.input(0), site.output()) if t.dtype not in ("int8", "uint8")]
        return f"{wide[0]} values" if wide else None

    def cost(self, site: Site) -> Cost:
        """One table."""
        return Cost(5.0 * site.output().elements, 256)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_lut``."""
        fields: dict[str, Value] = {
            "n": site.output().elements,
            "table": Array(lut(site.graph, site.op).view(np.int8), align=1),
        }
        return call("intrs_lut_portable", "intrs_lut", fields, site.op.inputs[:1], site.op.outputs, inplace=(0,))
