# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions by Winograd's F(4x4, 3x3), filters transformed in flash or on the way."""

from __future__ import annotations

from typing import ClassVar

from intrs_edge.codegen.kernels.arm_dsp import pack
from intrs_edge.codegen.kernels.arm_dsp.call import DSP, HEADERS, files
from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.checks import int8_reason, square_reason
from intrs_edge.codegen.kernels.common.filters import filters_of
from intrs_edge.codegen.kernels.common.params import window_fields
from intrs_edge.codegen.kernels.common.requant import requant_reason
from intrs_edge.codegen.kernels.common.winograd import tiles_of
from intrs_edge.graph.geometry import Window, window
from intrs_edge.integers import ceil_div


class _Winograd4(Kernel):
    patterns = (("CONV_2D",),)
    requires = DSP
    code_bytes = 5300
    expand: ClassVar[bool] = False
    passes: ClassVar[int] = 1  # over the filters' transforms: more of them need less scratch

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, 4 to 64 channels, accumulators below 2^25."""
        w = window(site.graph, site.op)
        why = int8_reason(site) or square_reason(site, w)
        if why is not None:
            return why
        if w.in_c % 4 or w.in_c > 64:
            return f"{w.in_c} input channels: not a multiple of 4 up to 64"
        if self.expand and w.out_c % 2:
            return "an odd number of filters"
        if self.passes > 1 and ceil_div(tiles_of(w), 2 * self.passes) == ceil_div(tiles_of(w), 2 * (self.passes - 1)):
            return f"{self.passes} passes save nothing"
        return requant_reason(filters_of(site)[2], 6)

    def pairs(self, w: Window) -> int:
        """Pairs of tiles whose transforms lie in scratch together."""
        if not self.expand:
            return 1
        return min(ceil_div(tiles_of(w), 2 * self.passes), max(1, 36864 // (144 * w.in_c)))

    def scratch(self, w: Window) -> int:
        """INTRS_CONV2D_ARM_DSP_WINOGRAD4_SCRATCH."""
        gathered = 144 + 36 * w.in_c if w.in_c > 16 else 720
        return 144 * w.in_c * self.pairs(w) + (144 * w.in_c + 576 if self.expand else gathered)

    def cost(self, site: Site) -> Cost:
        """Counted: input transform, products, output transform, and the filters' transform for every block of tiles."""
        w = window(site.graph, site.op)
        tiles = tiles_of(w)
        quads, filters = w.in_c // 4, w.out_c + w.out_c % 2
        blocks = ceil_div(tiles, 2 * self.pairs(w))
        instructions = tiles * (840 * quads + 150) + (tiles + tiles % 2) * filters * (9.0 * (10 * quads + 8) + 365)
        if self.expand:
            return Cost(
                instructions + blocks * filters * quads * 505,
                filters // 2 * 64 + site.input(1).bytes,
                self.scratch(w),
            )
        return Cost(instructions, filters // 2 * (64 + 144 * w.in_c), self.scratch(w))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_arm_dsp_winograd4``."""
        w, q, filters = filters_of(site)
        function = "intrs_conv2d_arm_dsp_winograd4"
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": filters.in_zero_point,
            "min": q.min,
            "max": q.max,
            "pairs": self.pairs(w),
            "linear": int(filters.linear),
            "stream": Array(pack.winograd4_stream(filters, not self.expand)),
            "weights": Array(filters.weights.reshape(-1)) if self.expand else None,
        }
        return Emit(
            function,
            function,
            fields,
            site.op.inputs[:1],
            site.op.outputs,
            files(function, "intrs_clamp_arm_dsp"),
            scratch_bytes=self.scratch(w),
            headers=HEADERS,
        )


@register
class Conv2dWinograd4(_Winograd4):
    """CONV_2D 3x3 by F(4x4, 3x3), filters transformed in flash."""

    name = "conv2d.arm_dsp_winograd4"


@register
class Conv2dWinograd4Expand(_Winograd4):
    """CONV_2D 3x3 by F(4x4, 3x3), filters transformed on the way: the flash of int8 weights."""

    name = "conv2d.arm_dsp_winograd4_expand"
    expand = True


@register
class Conv2dWinograd4Expand2(Conv2dWinograd4Expand):
    """The same with half of the tiles at a time: less scratch, the filters' transforms twice."""

    name = "conv2d.arm_dsp_winograd4_expand2"
    passes = 2


@register
class Conv2dWinograd4Expand3(Conv2dWinograd4Expand):
    """The same with a third of the tiles at a time."""

    name = "conv2d.arm_dsp_winograd4_expand3"
    passes = 3


@register
class Conv2dWinograd4Expand4(Conv2dWinograd4Expand):
    """The same with a quarter of the tiles at a time."""

    name = "conv2d.arm_dsp_winograd4_expand4"
    passes = 4
