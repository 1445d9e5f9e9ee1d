# SPDX-License-Identifier: Apache-2.0
"""A convolution with the sum behind it, some rows of tiles at a time."""

from __future__ import annotations

import math
from typing import ClassVar

from intrs_edge.codegen.kernels.common.base import register
from intrs_edge.codegen.kernels.common.residual import ConvAdd
from intrs_edge.codegen.kernels.scalar import elementwise, winograd
from intrs_edge.codegen.kernels.scalar.call import RV32, THUMB1, THUMB2
from intrs_edge.graph.geometry import Window
from intrs_edge.integers import ceil_div


class _Winograd4(ConvAdd):
    conv: ClassVar[winograd.Winograd4]
    headers = ()
    function = struct = "intrs_conv2d_add_scalar_winograd4"

    def rows(self, w: Window) -> int:
        """So many that their tiles fill whole blocks."""
        across = ceil_div(w.out_w, 4)
        return min(4 * self.conv.tiles // math.gcd(self.conv.tiles, across), w.out_h)


@register
class Conv2dAddWinograd4Thumb1(_Winograd4):
    """`conv2d.scalar_winograd4_thumb1` and `add.scalar_thumb1`."""

    name = "conv2d_add.scalar_winograd4_thumb1"
    requires = THUMB1
    conv, add = winograd.Conv2dWinograd4Thumb1(), elementwise.AddThumb1()
    code_bytes = 4900


@register
class Conv2dAddWinograd4Thumb2(_Winograd4):
    """`conv2d.scalar_winograd4_thumb2` and `add.scalar_thumb2`."""

    name = "conv2d_add.scalar_winograd4_thumb2"
    requires = THUMB2
    conv, add = winograd.Conv2dWinograd4Thumb2(), elementwise.AddThumb2()
    code_bytes = 3700


@register
class Conv2dAddWinograd4Rv32(_Winograd4):
    """`conv2d.scalar_winograd4_rv32` and `add.scalar_rv32`."""

    name = "conv2d_add.scalar_winograd4_rv32"
    requires = RV32
    conv, add = winograd.Conv2dWinograd4Rv32(), elementwise.AddRv32()
    code_bytes = 4900
