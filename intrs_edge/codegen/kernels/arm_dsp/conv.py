# SPDX-License-Identifier: Apache-2.0
"""Direct and depthwise convolutions, and fully connected layers as rows of pixels."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_dsp import pack
from intrs_edge.codegen.kernels.arm_dsp.call import DSP, HEADERS, files
from intrs_edge.codegen.kernels.common.base import Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.common.checks import depthwise_reason
from intrs_edge.codegen.kernels.common.filters import FilterKernel, Filters, filters_of, stream_fields
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import Requant
from intrs_edge.integers import ceil_div


class _Direct(FilterKernel):
    requires = DSP
    wide = False

    def limit(self, w: Window, filters: Filters) -> str | None:
        """The range of three-instruction requantisation."""
        return requant_reason(filters, 1)

    def work(self, w: Window) -> Cost:
        """Products, staging of windows, requantisation."""
        taps = w.filter_h * w.filter_w * w.in_c
        steps, pixels, filters = ceil_div(taps, 4), w.out_h * w.out_w, w.out_c + w.out_c % 2
        stage = (7.75 if w.in_c % 4 == 0 else 14.0) * steps + 70
        block = (10.4 if self.wide else 14.4) * steps + 56
        instructions = pixels / 2 * (2 * stage / 2 + filters / 2 * block + 40)
        words = 4 * steps if self.wide else 2 * steps
        return Cost(instructions, filters // 2 * 4 * (words + 8), 24 * steps + w.out_c)

    def call(self, site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
        """The struct ``intrs_conv2d_arm_dsp``."""
        function = "intrs_conv2d_arm_dsp_w16" if self.wide else "intrs_conv2d_arm_dsp_w8"
        return Emit(
            function,
            "intrs_conv2d_arm_dsp",
            stream_fields(w, q, filters, pack.direct_stream(filters, self.wide)),
            site.op.inputs[:1],
            site.op.outputs,
            files(function, "intrs_stage_arm_dsp", "intrs_clamp_arm_dsp"),
            scratch_bytes=self.work(w).scratch_bytes,
            headers=HEADERS,
        )


@register
class Conv2dW8(_Direct):
    """CONV_2D, int8 weights widened in the loop."""

    name = "conv2d.arm_dsp_w8"
    patterns = (("CONV_2D",),)
    code_bytes = 2300


@register
class Conv2dW16(_Direct):
    """CONV_2D, int16 weights."""

    name = "conv2d.arm_dsp_w16"
    patterns = (("CONV_2D",),)
    code_bytes = 2300
    wide = True


@register
class FullyConnected(_Direct):
    """FULLY_CONNECTED: a direct convolution of rows of pixels with a 1x1 filter."""

    name = "fully_connected.arm_dsp_w8"
    patterns = (("FULLY_CONNECTED",),)


@register
class Depthwise2d(Kernel):
    """DEPTHWISE_CONV_2D with multiplier 1."""

    name = "depthwise2d.arm_dsp"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = DSP
    code_bytes = 1500

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, four channels or more, and the range of three-instruction requantisation."""
        why = depthwise_reason(site)
        if why is not None:
            return why
        w, _, filters = filters_of(site)
        return "fewer than four channels" if w.in_c < 4 else requant_reason(filters, 1)

    def cost(self, site: Site) -> Cost:
        w = window(site.graph, site.op)
        taps, groups = w.filter_h * w.filter_w, ceil_div(w.in_c, 4)
        return Cost(w.out_h * w.out_w * (groups * (8.5 * taps + 45) + 40), groups * (8 * taps + 64), taps * w.in_c)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_arm_dsp``."""
        w, q, filters = filters_of(site)
        function = "intrs_depthwise2d_arm_dsp"
        return Emit(
            function,
            "intrs_conv2d_arm_dsp",
            stream_fields(w, q, filters, pack.depthwise_stream(filters)),
            site.op.inputs[:1],
            site.op.outputs,
            files(function, "intrs_clamp_arm_dsp"),
            scratch_bytes=w.filter_h * w.filter_w * w.in_c,
            headers=HEADERS,
        )
