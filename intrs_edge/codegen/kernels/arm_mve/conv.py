# SPDX-License-Identifier: Apache-2.0
"""Convolutions, and fully connected layers as rows of pixels."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_mve import pack
from intrs_edge.codegen.kernels.arm_mve.call import HEADERS, MVE, files
from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Site, Value, register
from intrs_edge.codegen.kernels.common.filters import FilterKernel, Filters
from intrs_edge.codegen.kernels.common.params import window_fields
from intrs_edge.graph.geometry import Window
from intrs_edge.graph.quantize import Requant
from intrs_edge.integers import ceil_div


class _Direct(FilterKernel):
    requires = MVE

    def limit(self, w: Window, filters: Filters) -> str | None:
        """No horizontal dilation, accumulators in 32 bits."""
        return "a horizontal dilation" if w.dilation_w != 1 else pack.mve_reason(filters)

    def work(self, w: Window) -> Cost:
        steps = ceil_div(w.filter_h * w.filter_w * w.in_c, 16)
        groups, pairs = ceil_div(w.out_c, 4), ceil_div(w.out_w, 2)
        columns = (w.out_w - 1) * w.stride_w + w.filter_w
        strip = columns * w.filter_h * (ceil_div(w.in_c, 16) * 5 + 2)
        block = 14 * steps + 2 * (steps // 8) + 28
        instructions = w.out_h * (strip + groups * (pairs * block + 19) + 250)
        return Cost(instructions, groups * 64 * (steps + 1), columns * w.filter_h * w.in_c + 32)

    def call(self, site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
        """The struct ``intrs_conv2d_arm_mve``."""
        function = "intrs_conv2d_arm_mve"
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
            files(function, "intrs_clamp_arm_mve"),
            scratch_bytes=self.work(w).scratch_bytes,
            headers=HEADERS,
        )


@register
class Conv2d(_Direct):
    """CONV_2D of one group without horizontal dilation."""

    name = "conv2d.arm_mve"
    patterns = (("CONV_2D",),)
    code_bytes = 1700


@register
class FullyConnected(_Direct):
    """FULLY_CONNECTED: a convolution with a 1x1 filter over a row of pixels."""

    name = "fully_connected.arm_mve"
    patterns = (("FULLY_CONNECTED",),)
