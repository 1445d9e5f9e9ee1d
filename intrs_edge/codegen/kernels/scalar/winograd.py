# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions by Winograd's F(4x4, 3x3), filters transformed in flash."""

from __future__ import annotations

from typing import ClassVar

from intrs_edge.codegen.kernels.common.base import Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.common.checks import int8_reason, square_reason
from intrs_edge.codegen.kernels.common.filters import filters_of
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.codegen.kernels.common.winograd import tiles_of
from intrs_edge.codegen.kernels.scalar.call import RV32, THUMB1, THUMB2, call
from intrs_edge.codegen.kernels.scalar.pack import winograd4_stream
from intrs_edge.graph.geometry import Window, window
from intrs_edge.integers import ceil_div


class Winograd4(Kernel):
    """What the cores share."""

    patterns = (("CONV_2D",),)
    tiles: ClassVar[int]  # INTRS_SCALAR_TILES
    # instructions a tile: of four channels in; of a product; of a position of four filters; of a filter out
    per_input: ClassVar[float]
    per_product: ClassVar[float]
    per_position: ClassVar[float]
    per_output: ClassVar[float]

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, accumulators below 2^25."""
        why = int8_reason(site) or square_reason(site, window(site.graph, site.op))
        return why if why is not None else requant_reason(filters_of(site)[2], 6)

    def scratch(self, w: Window) -> int:
        """INTRS_SCALAR_WINOGRAD4_SCRATCH."""
        channels = ceil_div(w.in_c, 4) * 4
        return 72 * channels * self.tiles + max(36 * channels, 576 * self.tiles)

    def cost(self, site: Site) -> Cost:
        """Input transform, products, output transform."""
        w = window(site.graph, site.op)
        blocks = ceil_div(tiles_of(w), self.tiles)
        quads, fours = ceil_div(w.in_c, 4), ceil_div(w.out_c, 4)
        products = 36 * fours * (16 * quads * self.per_product + self.per_position)
        tile = quads * self.per_input + products + w.out_c * self.per_output
        return Cost(blocks * self.tiles * tile, fours * (128 + 36 * 16 * quads * 2), self.scratch(w))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_scalar_winograd4``."""
        found = w, _, filters = filters_of(site)
        return call("intrs_conv2d_scalar_winograd4", site, found, winograd4_stream(filters), self.scratch(w))


@register
class Conv2dWinograd4Thumb1(Winograd4):
    """CONV_2D 3x3 by F(4x4, 3x3) on Armv6-M, one tile at a time."""

    name = "conv2d.scalar_winograd4_thumb1"
    requires = THUMB1
    code_bytes = 4400
    tiles = 1
    per_input, per_product, per_position, per_output = 2050.0, 3.65, 21.0, 1450.0


@register
class Conv2dWinograd4Thumb2(Winograd4):
    """CONV_2D 3x3 by F(4x4, 3x3) on Armv7-M and later without DSP, two tiles at a time."""

    name = "conv2d.scalar_winograd4_thumb2"
    requires = THUMB2
    code_bytes = 3300
    tiles = 2
    per_input, per_product, per_position, per_output = 1350.0, 1.85, 7.0, 610.0


@register
class Conv2dWinograd4Rv32(Winograd4):
    """CONV_2D 3x3 by F(4x4, 3x3) on RV32IM, four tiles at a time."""

    name = "conv2d.scalar_winograd4_rv32"
    requires = RV32
    code_bytes = 4400
    tiles = 4
    per_input, per_product, per_position, per_output = 1550.0, 2.55, 9.0, 610.0
