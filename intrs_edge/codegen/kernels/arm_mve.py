"""Cortex-M55 and M85: kernels with integer MVE. Costs are instructions counted on an emulated M55
(docs/performance.md).
"""

from __future__ import annotations

from intrs_edge.codegen.kernels import arm_mve_pack as pack
from intrs_edge.codegen.kernels.arm_dsp import conv_filters, filters_of, fully_connected_window, int8_reason, sum_reason
from intrs_edge.codegen.kernels.arm_dsp_pack import Filters, add_reason, exact_operand
from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import bias_of, constant, window_fields
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import Requant, add_params, fully_connected_params

FOLDER = "kernels/arm_mve"
HEADERS = (f"{FOLDER}/intrs_mve.h",)


def _sources(*functions: str) -> tuple[str, ...]:
    return tuple(f"{FOLDER}/{name}.c" for name in functions)


def _cost(w: Window) -> Cost:
    steps = -(-w.filter_h * w.filter_w * w.in_c // 16)
    groups, pairs = -(-w.out_c // 4), -(-w.out_w // 2)
    columns = (w.out_w - 1) * w.stride_w + w.filter_w
    strip = columns * w.filter_h * (-(-w.in_c // 16) * 5 + 2)
    block = 14 * steps + 2 * (steps // 8) + 28
    instructions = w.out_h * (strip + groups * (pairs * block + 19) + 250)
    return Cost(instructions, groups * 64 * (steps + 1), columns * w.filter_h * w.in_c + 32)


def _emit(site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
    function = "intrs_mve_conv2d"
    fields: dict[str, Value] = {
        "w": window_fields(w),
        "in_zero_point": filters.in_zero_point,
        "out_zero_point": q.zero_point,
        "min": q.min,
        "max": q.max,
        "kind": pack.kind(filters),
        "stream": Array(pack.conv_stream(filters), align=16),
    }
    return Emit(
        function,
        function,
        fields,
        site.op.inputs[:1],
        site.op.outputs,
        _sources(function, "intrs_mve_clamp"),
        scratch_bytes=_cost(w).scratch_bytes,
        headers=HEADERS,
    )


@register
class Conv2d(Kernel):
    """CONV_2D of one group without horizontal dilation."""

    name = "conv2d.mve"
    patterns = (("CONV_2D",),)
    requires = frozenset({"mve"})
    code_bytes = 1700

    def reject(self, site: Site) -> str | None:
        """One group, no horizontal dilation, accumulators in 32 bits."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, _, filters = conv_filters(site)
        if site.input(1).shape[3] != w.in_c:
            return "a grouped convolution"
        return "a horizontal dilation" if w.dilation_w != 1 else pack.mve_reason(filters)

    def cost(self, site: Site) -> Cost:
        return _cost(window(site.graph, site.op))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mve_conv2d``."""
        return _emit(site, *conv_filters(site))


@register
class FullyConnected(Kernel):
    """FULLY_CONNECTED: a convolution with a 1x1 filter over a row of pixels."""

    name = "fully_connected.mve"
    patterns = (("FULLY_CONNECTED",),)
    requires = frozenset({"mve"})

    def _filters(self, site: Site) -> tuple[Window, Requant, Filters]:
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        filters = filters_of(
            weights.reshape(weights.shape[0], 1, 1, -1), bias_of(site, weights.shape[0]), p.in_zero_point, p.q
        )
        return fully_connected_window(site), p.q, filters

    def reject(self, site: Site) -> str | None:
        """Accumulators in 32 bits."""
        return int8_reason(site) or pack.mve_reason(self._filters(site)[2])

    def cost(self, site: Site) -> Cost:
        return _cost(fully_connected_window(site))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mve_conv2d``."""
        return _emit(site, *self._filters(site))


@register
class Add(Kernel):
    """ADD and SUB of two activations of one shape."""

    name = "add.mve"
    patterns = (("ADD",), ("SUB",))
    requires = frozenset({"mve"})
    code_bytes = 400

    def reject(self, site: Site) -> str | None:
        """Two int8 activations of one shape, one of which is scaled by exactly 1/2."""
        return sum_reason(site) or add_reason(add_params(site.graph, site.op))

    def cost(self, site: Site) -> Cost:
        formula = pack.sum_formula(add_params(site.graph, site.op), 0)["down"] != 0
        return Cost((2.25 if formula else 3.5) * site.output().elements + 80, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mve_add``."""
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
        function = "intrs_mve_add"
        inputs = (site.op.inputs[other], site.op.inputs[exact])
        source = _sources(function)
        return Emit(function, function, fields, inputs, site.op.outputs, source, inplace=(0, 1), headers=HEADERS)
