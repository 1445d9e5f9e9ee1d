# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions with NEON by Winograd's F(4x4, 3x3)."""

from __future__ import annotations

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import convolution, window_fields
from intrs_edge.codegen.kernels.common.winograd import ONE_GAIN, block_reason, block_scratch, tiles_of
from intrs_edge.codegen.kernels.neon import pack
from intrs_edge.codegen.kernels.neon.call import NEON, call, requant_fields
from intrs_edge.graph.geometry import window


@register
class Conv2dWinograd4(Kernel):
    """CONV_2D 3x3, stride 1, by F(4x4, 3x3); on a CPU with SDOT the direct kernel costs less."""

    name = "conv2d.neon_winograd4"
    patterns = (("CONV_2D",),)
    requires = NEON
    code_bytes = 4000

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, channels in multiples of 8, accumulators below 2^25."""
        return block_reason(site, pack.BLOCK)

    def cost(self, site: Site) -> Cost:
        """36 products for 9 weights, of whole tiles."""
        w = window(site.graph, site.op)
        tiles = tiles_of(w)
        instructions = 36 * tiles * w.in_c * w.out_c * 0.3 + 36 * tiles * w.in_c * 1.6 + 16 * tiles * w.out_c * 9
        return Cost(instructions, 8 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_neon``."""
        w, p, weights, bias = convolution(site)
        table = pack.requant_table(bias.astype(np.int64) * ONE_GAIN, p.q)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.winograd4_weights(weights), align=16),
            "q": requant_fields(table, p.q),
        }
        scratch = block_scratch(w, pack.BLOCK, 16)
        return call("intrs_conv2d_neon_winograd4", "intrs_conv2d_neon", fields, site, scratch)
