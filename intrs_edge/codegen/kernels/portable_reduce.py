"""Portable kernels over an axis: MEAN, SOFTMAX."""

from __future__ import annotations

from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import requant_fields
from intrs_edge.graph.quantize import mean_params, softmax_params


@register
class Mean(Kernel):
    """MEAN over neighbouring axes."""

    name = "mean.portable"
    patterns = (("MEAN",),)
    code_bytes = 200

    def reject(self, site: Site) -> str | None:
        """Fits every validated MEAN."""
        return None

    def cost(self, site: Site) -> Cost:
        """An addition an element."""
        return Cost(7.0 * site.input(0).elements + 60.0 * site.output().elements, 5)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mean``."""
        p = mean_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "outer": p.outer,
            "n": p.count,
            "inner": p.inner,
            "in_zero_point": p.in_zero_point,
            "q": requant_fields(p.q),
        }
        return Emit("intrs_mean", "intrs_mean", fields, site.op.inputs[:1], site.op.outputs, ("kernels/intrs_mean.c",))


@register
class Softmax(Kernel):
    """SOFTMAX over the last axis."""

    name = "softmax.portable"
    patterns = (("SOFTMAX",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """The sum of the exponentials has 12 integer bits."""
        depth = site.output().shape[-1]
        return f"{depth} values in a row, at most 4095" if depth > 4095 else None

    def cost(self, site: Site) -> Cost:
        """Two look-ups a value, a reciprocal a row."""
        return Cost(60.0 * site.output().elements + 300.0 * site.output().elements / site.output().shape[-1], 1024)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_softmax``."""
        p = softmax_params(site.graph, site.op)
        depth = site.output().shape[-1]
        fields: dict[str, Value] = {
            "rows": site.output().elements // depth,
            "depth": depth,
            "exponential": Array(p.exponential),
            "first": p.first,
        }
        source = ("kernels/intrs_softmax.c",)
        return Emit("intrs_softmax", "intrs_softmax", fields, site.op.inputs[:1], site.op.outputs, source, inplace=(0,))
