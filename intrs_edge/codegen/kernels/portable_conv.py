"""Portable convolutions and fully connected layers: TFLite's weights as they are, one multiplier an output channel."""

from __future__ import annotations

import numpy as np

from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.params import bias_of, constant, requant_bytes, requant_fields, window_fields
from intrs_edge.graph.geometry import window
from intrs_edge.graph.quantize import conv_params, fully_connected_params

# instructions a multiply-accumulate and an output, gcc -O2 for Cortex-M
_PER_MAC, _PER_OUTPUT = 8.0, 60.0


@register
class Conv2d(Kernel):
    """CONV_2D of any group count, stride, dilation and padding."""

    name = "conv2d.portable"
    patterns = (("CONV_2D",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """Fits every validated CONV_2D."""
        return None

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.elements // weights.shape[0]
        return Cost(_PER_MAC * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(weights.shape[0]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        weights = constant(site, 1)
        fields = {
            "w": window_fields(w),
            "groups": w.in_c // weights.shape[3],
            "in_zero_point": p.in_zero_point,
            "weights": Array(weights.reshape(-1)),
            "bias": Array(bias_of(site, w.out_c)),
            "q": requant_fields(p.q),
        }
        return Emit(
            "intrs_conv2d", "intrs_conv2d", fields, site.op.inputs[:1], site.op.outputs, ("kernels/intrs_conv2d.c",)
        )


class _Depthwise(Kernel):
    def reject(self, site: Site) -> str | None:
        """Fits every validated DEPTHWISE_CONV_2D."""
        return None

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.shape[1] * weights.shape[2]
        return Cost((_PER_MAC + 4) * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(out.shape[3]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_depthwise2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        fields = {
            "w": window_fields(w),
            "multiplier": w.out_c // w.in_c,
            "in_zero_point": p.in_zero_point,
            "weights": Array(constant(site, 1).reshape(-1)),
            "bias": Array(bias_of(site, w.out_c)),
            "q": requant_fields(p.q),
        }
        function = "intrs_depthwise2d"
        return Emit(function, function, fields, site.op.inputs[:1], site.op.outputs, (f"kernels/{function}.c",))


@register
class Depthwise2d(_Depthwise):
    """DEPTHWISE_CONV_2D of any multiplier."""

    name = "depthwise2d.portable"
    patterns = (("DEPTHWISE_CONV_2D",),)
    code_bytes = 400


@register
class FullyConnected(Kernel):
    """FULLY_CONNECTED, per-tensor or per-channel."""

    name = "fully_connected.portable"
    patterns = (("FULLY_CONNECTED",),)
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Needs constant weights."""
        return None if site.input(1).constant else "the weights are not constant"

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.shape[1]
        return Cost((_PER_MAC - 2) * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(weights.shape[0]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_fully_connected``."""
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        out_n, in_n = weights.shape
        fields = {
            "rows": site.input(0).elements // in_n,
            "in_n": in_n,
            "out_n": out_n,
            "in_zero_point": p.in_zero_point,
            "weights": Array(np.ascontiguousarray(weights).reshape(-1)),
            "bias": Array(bias_of(site, out_n)),
            "q": requant_fields(p.q),
        }
        function = "intrs_fully_connected"
        return Emit(function, function, fields, site.op.inputs[:1], site.op.outputs, (f"kernels/{function}.c",))
