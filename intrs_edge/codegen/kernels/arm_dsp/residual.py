# SPDX-License-Identifier: Apache-2.0
"""Convolutions with the sum behind them: direct ones by rows, Winograd's by tiles."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.codegen.kernels.arm_dsp import conv, winograd
from intrs_edge.codegen.kernels.arm_dsp.call import DSP, FOLDER
from intrs_edge.codegen.kernels.arm_dsp.elementwise import Add
from intrs_edge.codegen.kernels.common.base import Cost, Emit, Site, Value, register
from intrs_edge.codegen.kernels.common.residual import ConvAdd, parts
from intrs_edge.codegen.kernels.common.winograd import tiles_of
from intrs_edge.graph.geometry import window

# instructions a tile of one filter takes besides the two kernels' own, counted on an emulated M4
_PER_TILE = 50.0


class _ConvAdd(ConvAdd):
    requires = DSP
    add = Add()
    headers = (f"{FOLDER}/intrs_arm_dsp_fused.h",)


@register
class Conv2dW8Add(_ConvAdd):
    """`conv2d.arm_dsp_w8` and `add.arm_dsp`, a row of outputs at a time."""

    name = "conv2d_add.arm_dsp_w8"
    conv = conv.Conv2dW8()
    function = "intrs_conv2d_add_arm_dsp_w8"
    struct = "intrs_conv2d_add_arm_dsp"
    code_bytes = 2900


@register
class Conv2dW16Add(_ConvAdd):
    """`conv2d.arm_dsp_w16` and `add.arm_dsp`, a row of outputs at a time."""

    name = "conv2d_add.arm_dsp_w16"
    conv = conv.Conv2dW16()
    function = "intrs_conv2d_add_arm_dsp_w16"
    struct = "intrs_conv2d_add_arm_dsp"
    code_bytes = 2900


class _Winograd4Add(_ConvAdd):
    function = "intrs_conv2d_arm_dsp_winograd4"  # its file; the function that adds lies in it
    struct = "intrs_conv2d_add_arm_dsp_winograd4"
    code_bytes = 5300

    def cost(self, site: Site) -> Cost:
        """The two kernels', and the calls for every tile of every filter."""
        conv, add = (kernel.cost(part) for kernel, part in zip((self.conv, self.add), parts(site), strict=True))
        w = window(site.graph, site.op)
        tiles = tiles_of(w)
        return Cost(
            conv.instructions + add.instructions + _PER_TILE * tiles * w.out_c,
            conv.weight_bytes + add.weight_bytes,
            conv.scratch_bytes,
        )

    def place(self, site: Site, conv: Emit, second: int) -> dict[str, Value]:
        """Tile by tile."""
        return {"second": second}

    def emit(self, site: Site) -> Emit:
        """The structs of the convolution and of the addition."""
        return replace(super().emit(site), function="intrs_conv2d_add_arm_dsp_winograd4")


@register
class Conv2dWinograd4Add(_Winograd4Add):
    """`conv2d.arm_dsp_winograd4` and `add.arm_dsp`, a tile at a time."""

    name = "conv2d_add.arm_dsp_winograd4"
    conv = winograd.Conv2dWinograd4()


@register
class Conv2dWinograd4ExpandAdd(_Winograd4Add):
    """`conv2d.arm_dsp_winograd4_expand` and `add.arm_dsp`, a tile at a time."""

    name = "conv2d_add.arm_dsp_winograd4_expand"
    conv = winograd.Conv2dWinograd4Expand()


@register
class Conv2dWinograd4Expand2Add(_Winograd4Add):
    """`conv2d.arm_dsp_winograd4_expand2` and `add.arm_dsp`, a tile at a time."""

    name = "conv2d_add.arm_dsp_winograd4_expand2"
    conv = winograd.Conv2dWinograd4Expand2()


@register
class Conv2dWinograd4Expand3Add(_Winograd4Add):
    """`conv2d.arm_dsp_winograd4_expand3` and `add.arm_dsp`, a tile at a time."""

    name = "conv2d_add.arm_dsp_winograd4_expand3"
    conv = winograd.Conv2dWinograd4Expand3()


@register
class Conv2dWinograd4Expand4Add(_Winograd4Add):
    """`conv2d.arm_dsp_winograd4_expand4` and `add.arm_dsp`, a tile at a time."""

    name = "conv2d_add.arm_dsp_winograd4_expand4"
    conv = winograd.Conv2dWinograd4Expand4()
