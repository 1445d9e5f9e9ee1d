"""AVX2 residual sums and average pooling for x86-64."""

from __future__ import annotations

from intrs_edge.codegen.kernels.base import Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import requant_fields, window_fields
from intrs_edge.codegen.kernels.x86_conv import FOLDER, HEADERS, sum_fields, sum_reason
from intrs_edge.graph.geometry import window
from intrs_edge.graph.quantize import add_params, pool_params


class _Sum(Kernel):
    requires = frozenset({"avx2"})

    @staticmethod
    def call(site: Site, function: str, struct: str, fields: dict[str, Value]) -> Emit:
        """The output may take over either operand."""
        source = (f"{FOLDER}/{function}.c",)
        inputs, outputs = site.op.inputs[:2], site.op.outputs
        return Emit(function, struct, fields, inputs, outputs, source, batched=True, inplace=(0, 1), headers=HEADERS)


@register
class SumAvx2(_Sum):
    """ADD and SUB by (a x + b y + offset) >> shift, checked over all pairs of operands."""

    name = "add.sum_avx2"
    patterns = (("ADD",), ("SUB",))

    def reject(self, site: Site) -> str | None:
        """No broadcast, and four numbers that give all 65 536 sums."""
        why = sum_reason(site, 0)
        if why is None and sum_fields(site, 0, 0) is None:
            return "no exact formula for this sum"
        return why

    def cost(self, site: Site) -> Cost:
        """No constants."""
        return Cost(1.5 * site.output().elements, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_sum_n``."""
        fields: dict[str, Value] = {"n": site.output().elements, "sum": sum_fields(site, 0, 0)}
        return self.call(site, "intrs_sum_avx2", "intrs_x86_sum_n", fields)


@register
class AddAvx2(_Sum):
    """ADD and SUB step by step, as TFLite computes them."""

    name = "add.avx2"
    patterns = (("ADD",), ("SUB",))

    def reject(self, site: Site) -> str | None:
        """No broadcast, no left shift."""
        why = sum_reason(site, 0)
        if why is not None:
            return why
        p = add_params(site.graph, site.op)
        return "a scale is shifted left" if max(*p.shift, int(p.q.shift[0])) > 0 else None

    def cost(self, site: Site) -> Cost:
        """No constants."""
        return Cost(6.0 * site.output().elements, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_add``."""
        p = add_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "n": site.output().elements,
            "zero_point": p.zero_point,
            "multiplier": p.multiplier,
            "shift": p.shift,
            "left_shift": p.left_shift,
            "q": requant_fields(p.q),
            "broadcast": None,
        }
        return self.call(site, "intrs_add_avx2", "intrs_add", fields)


@register
class AveragePool2dAvx2(Kernel):
    """AVERAGE_POOL_2D of at most 256 taps."""

    name = "average_pool2d.avx2"
    patterns = (("AVERAGE_POOL_2D",),)
    requires = frozenset({"avx2"})

    def reject(self, site: Site) -> str | None:
        """Sums must fit int16."""
        if site.input(0).dtype != "int8":
            return f"{site.input(0).dtype} values"
        w = window(site.graph, site.op)
        taps = w.filter_h * w.filter_w
        return None if taps <= 256 else f"{taps} taps: sums pass 16 bits"

    def cost(self, site: Site) -> Cost:
        """No constants."""
        w = window(site.graph, site.op)
        return Cost(site.output().elements * (0.3 * w.filter_h * w.filter_w + 8.0), 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_pool2d``."""
        p = pool_params(site.graph, site.op)
        fields: dict[str, Value] = {"w": window_fields(window(site.graph, site.op)), "min": p.min, "max": p.max}
        function = "intrs_average_pool2d_avx2"
        source = (f"{FOLDER}/{function}.c",)
        inputs, outputs = site.op.inputs[:1], site.op.outputs
        return Emit(function, "intrs_pool2d", fields, inputs, outputs, source, batched=True, headers=HEADERS)
