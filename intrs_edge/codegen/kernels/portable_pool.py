"""Portable pooling."""

from __future__ import annotations

from intrs_edge.codegen.kernels.base import Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import window_fields
from intrs_edge.graph.geometry import window
from intrs_edge.graph.quantize import pool_params


class _Pool(Kernel):
    function: str
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Fits every validated pooling."""
        return None

    def cost(self, site: Site) -> Cost:
        """No constants."""
        w = window(site.graph, site.op)
        return Cost(site.output().elements * (5.0 * w.filter_h * w.filter_w + 20.0), 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_pool2d``."""
        p = pool_params(site.graph, site.op)
        fields: dict[str, Value] = {"w": window_fields(window(site.graph, site.op)), "min": p.min, "max": p.max}
        source = (f"kernels/{self.function}.c",)
        return Emit(self.function, "intrs_pool2d", fields, site.op.inputs[:1], site.op.outputs, source)


@register
class AveragePool2d(_Pool):
    """AVERAGE_POOL_2D."""

    name = "average_pool2d.portable"
    patterns = (("AVERAGE_POOL_2D",),)
    function = "intrs_average_pool2d"


@register
class MaxPool2d(_Pool):
    """MAX_POOL_2D."""

    name = "max_pool2d.portable"
    patterns = (("MAX_POOL_2D",),)
    function = "intrs_max_pool2d"
