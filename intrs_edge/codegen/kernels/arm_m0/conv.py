# SPDX-License-Identifier: Apache-2.0
"""Convolutions, and fully connected layers as rows of pixels."""

from __future__ import annotations

from typing import ClassVar

from intrs_edge.codegen.kernels.arm_m0.call import HEADERS, THUMB1, THUMB2, files
from intrs_edge.codegen.kernels.arm_m0.pack import conv_stream
from intrs_edge.codegen.kernels.common.base import Cost, Emit, Site, register
from intrs_edge.codegen.kernels.common.filters import FilterKernel, Filters, stream_fields
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.graph.geometry import Window
from intrs_edge.graph.quantize import Requant
from intrs_edge.integers import ceil_div


class _Direct(FilterKernel):
    code_bytes = 900
    # instructions a pixel: of a tap and besides; and a filter: of a tap and besides, both times four
    stage: ClassVar[tuple[float, float]] = (4.2, 150)
    block: ClassVar[tuple[float, float]] = (14, 240)

    def limit(self, w: Window, filters: Filters) -> str | None:
        """The range of the requantisation."""
        return requant_reason(filters, 1)

    def work(self, w: Window) -> Cost:
        taps = ceil_div(w.filter_h * w.filter_w * w.in_c, 4) * 4
        pixels, filters = w.out_h * w.out_w, w.out_c + w.out_c % 2
        stage = self.stage[0] * taps + self.stage[1]
        instructions = pixels * (stage + filters / 4 * (self.block[0] * taps + self.block[1]))
        return Cost(instructions, filters // 2 * (2 * taps + 32), 8 * taps)

    def call(self, site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
        """The struct ``intrs_conv2d_arm_m0``."""
        function = "intrs_conv2d_arm_m0"
        return Emit(
            function,
            function,
            stream_fields(w, q, filters, conv_stream(filters)),
            site.op.inputs[:1],
            site.op.outputs,
            files(function),
            scratch_bytes=self.work(w).scratch_bytes,
            headers=HEADERS,
        )


class _Mla(_Direct):
    requires = THUMB2
    stage, block = (3.8, 103), (7.95, 145)


@register
class Conv2d(_Direct):
    """CONV_2D of one group."""

    name = "conv2d.arm_m0"
    patterns = (("CONV_2D",),)
    requires = THUMB1


@register
class FullyConnected(_Direct):
    """FULLY_CONNECTED: a convolution with a 1x1 filter over a row of pixels."""

    name = "fully_connected.arm_m0"
    patterns = (("FULLY_CONNECTED",),)
    requires = THUMB1


@register
class Conv2dMla(_Mla):
    """CONV_2D of one group where the core multiplies and accumulates: Armv7-M."""

    name = "conv2d.arm_m0_mla"
    patterns = (("CONV_2D",),)


@register
class FullyConnectedMla(_Mla):
    """FULLY_CONNECTED in the same way."""

    name = "fully_connected.arm_m0_mla"
    patterns = (("FULLY_CONNECTED",),)
