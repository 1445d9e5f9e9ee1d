# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions."""

from __future__ import annotations

from typing import ClassVar

from intrs_edge.codegen.kernels.common.base import Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.common.checks import depthwise_reason
from intrs_edge.codegen.kernels.common.filters import filters_of
from intrs_edge.codegen.kernels.common.layout import frame_extent
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.codegen.kernels.scalar.call import RV32, THUMB1, THUMB2, call
from intrs_edge.codegen.kernels.scalar.pack import depthwise_stream
from intrs_edge.graph.geometry import Window, window
from intrs_edge.integers import ceil_div


class _Depthwise(Kernel):
    patterns = (("DEPTHWISE_CONV_2D",),)
    code_bytes = 1800
    # instructions of a tap: of four outputs together, of one alone, of another shape; of an output, of a row
    together: ClassVar[float]
    alone: ClassVar[float]
    other: ClassVar[float]
    per_output: ClassVar[float]
    per_row: ClassVar[float]

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, accumulators below 2^25."""
        why = depthwise_reason(site)
        return why if why is not None else requant_reason(filters_of(site)[2], 6)

    def scratch(self, w: Window) -> int:
        """A line of sums along the longer side, and a channel's plane with its padding."""
        rows, columns = frame_extent(w)
        return 4 * max(w.out_h, w.out_w) + rows * columns

    def cost(self, site: Site) -> Cost:
        w = window(site.graph, site.op)
        taps = w.filter_h * w.filter_w
        three = (w.filter_h, w.filter_w, w.dilation_h, w.dilation_w) == (3, 3, 1, 1) and w.stride_h == w.stride_w <= 2
        lines, n = sorted((w.out_h, w.out_w)) if three else (w.out_h, w.out_w)
        fours = n // 4 * 4 if three else 0
        line = taps * (fours * self.together + (n - fours) * (self.alone if three else self.other))
        plane = lines * (line + n * self.per_output + self.per_row) + 9 * w.in_h * w.in_w + 80
        words = ceil_div(taps, 4)
        return Cost(w.in_c * plane + 6 * self.scratch(w), w.in_c * 4 * (4 + words), self.scratch(w))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_depthwise2d_scalar``."""
        found = w, _, filters = filters_of(site)
        inplace = (0,) if site.input(0).shape == site.output().shape else ()
        return call("intrs_depthwise2d_scalar", site, found, depthwise_stream(filters), self.scratch(w), inplace)


@register
class Depthwise2dThumb1(_Depthwise):
    """DEPTHWISE_CONV_2D with multiplier 1, on Armv6-M."""

    name = "depthwise2d.scalar_thumb1"
    requires = THUMB1
    together, alone, other, per_output, per_row = 5.2, 9.2, 14.0, 62.0, 110.0


@register
class Depthwise2dThumb2(_Depthwise):
    """DEPTHWISE_CONV_2D with multiplier 1, on Armv7-M and later without DSP."""

    name = "depthwise2d.scalar_thumb2"
    requires = THUMB2
    together, alone, other, per_output, per_row = 2.0, 3.2, 9.0, 21.6, 55.0


@register
class Depthwise2dRv32(_Depthwise):
    """DEPTHWISE_CONV_2D with multiplier 1, on RV32IM."""

    name = "depthwise2d.scalar_rv32"
    requires = RV32
    together, alone, other, per_output, per_row = 3.6, 6.0, 10.0, 19.3, 50.0
