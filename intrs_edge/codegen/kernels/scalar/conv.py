# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions, and fully connected layers as rows of pixels."""

from __future__ import annotations

from intrs_edge.codegen.kernels.common.base import Cost, Emit, Site, register
from intrs_edge.codegen.kernels.common.filters import FilterKernel, Filters
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.codegen.kernels.scalar.call import RV32, call
from intrs_edge.codegen.kernels.scalar.pack import direct_stream
from intrs_edge.graph.geometry import Window
from intrs_edge.graph.quantize import Requant
from intrs_edge.integers import ceil_div


class _Direct(FilterKernel):
    requires = RV32
    code_bytes = 1700

    def limit(self, w: Window, filters: Filters) -> str | None:
        """Accumulators below 2^25, and the range of the requantisation."""
        return requant_reason(filters, 6)

    def work(self, w: Window) -> Cost:
        taps = ceil_div(w.filter_h * w.filter_w * w.in_c, 4) * 4
        pixels, fours = w.out_h * w.out_w, ceil_div(w.out_c, 4)
        blocks, single = ceil_div(pixels, 4), pixels % 4 == 1
        stage = pixels * ((1.4 if w.in_c % 4 == 0 else 9.0) * taps + 60 + 30 * w.filter_h)
        products = fours * ((blocks - single) * (40.75 * taps + 80) + single * (14 * taps + 40))
        outputs = pixels * 4 * fours * 16.0
        return Cost(stage + products + outputs, fours * 4 * (16 + taps), 4 * taps)

    def call(self, site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
        """The struct ``intrs_conv2d_scalar``."""
        return call("intrs_conv2d_scalar", site, (w, q, filters), direct_stream(filters), self.work(w).scratch_bytes)


@register
class Conv2d(_Direct):
    """CONV_2D of one group."""

    name = "conv2d.scalar_rv32"
    patterns = (("CONV_2D",),)


@register
class FullyConnected(_Direct):
    """FULLY_CONNECTED: a convolution with a 1x1 filter over a row of pixels."""

    name = "fully_connected.scalar_rv32"
    patterns = (("FULLY_CONNECTED",),)
