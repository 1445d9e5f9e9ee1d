# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions for x86-64 with AVX2 by Winograd's F(4x4, 3x3), alone and with the residual sum behind them."""

from __future__ import annotations

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.elementwise import affine_fields, affine_reason
from intrs_edge.codegen.kernels.common.params import convolution, window_fields
from intrs_edge.codegen.kernels.common.winograd import ONE_GAIN, block_reason, block_scratch, tiles_of
from intrs_edge.codegen.kernels.x86 import pack
from intrs_edge.codegen.kernels.x86.call import AVX2, call, requant_fields
from intrs_edge.graph.geometry import window


class _Winograd4(Kernel):
    requires = AVX2
    code_bytes = 6000

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, channels in multiples of 16, accumulators below 2^25."""
        return block_reason(site, pack.BLOCK)

    def cost(self, site: Site) -> Cost:
        """36 products for 9 weights, of whole tiles."""
        w = window(site.graph, site.op)
        tiles = tiles_of(w)
        products = 36 * tiles * w.in_c * w.out_c
        instructions = products * 0.2 + 36 * tiles * w.in_c * 0.6 + 16 * tiles * w.out_c * 6
        return Cost(instructions, 8 * site.input(1).elements)

    def _conv(self, site: Site) -> tuple[dict[str, Value], int]:
        w, p, weights, bias = convolution(site)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.winograd4_weights(weights), align=32),
            "q": requant_fields(bias, p.q, ONE_GAIN),
        }
        return fields, block_scratch(w, pack.BLOCK, 64)


@register
class Conv2dWinograd4(_Winograd4):
    """CONV_2D 3x3, stride 1, by F(4x4, 3x3)."""

    name = "conv2d.x86_winograd4"
    patterns = (("CONV_2D",),)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_x86_winograd4``."""
        fields, scratch = self._conv(site)
        return call("intrs_conv2d_x86_winograd4", "intrs_conv2d_x86_winograd4", fields, site, scratch)


@register
class Conv2dAddWinograd4(_Winograd4):
    """CONV_2D as above and the residual ADD after it."""

    name = "conv2d_add.x86_winograd4"
    patterns = (("CONV_2D", "ADD"),)

    def reject(self, site: Site) -> str | None:
        """Also an exact formula for the sum."""
        return super().reject(site) or affine_reason(site, 1)

    def cost(self, site: Site) -> Cost:
        """The sum adds about one instruction an element."""
        cost = super().cost(site)
        return Cost(cost.instructions + site.output().elements, cost.weight_bytes)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_add_x86_winograd4``; the output may take over the skip."""
        conv, scratch = self._conv(site)
        position = site.last.inputs.index(site.op.outputs[0])
        fields: dict[str, Value] = {"conv": conv, "sum": affine_fields(site, 1, position)}
        skip = (site.last.inputs[1 - position],)
        return call("intrs_conv2d_add_x86_winograd4", "intrs_conv2d_add_x86_winograd4", fields, site, scratch, skip)
