# SPDX-License-Identifier: Apache-2.0
"""A convolution with the sum behind it, a row of outputs at a time."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_mve.call import FOLDER, MVE
from intrs_edge.codegen.kernels.arm_mve.conv import Conv2d
from intrs_edge.codegen.kernels.arm_mve.elementwise import Add
from intrs_edge.codegen.kernels.common.base import register
from intrs_edge.codegen.kernels.common.residual import ConvAdd
from intrs_edge.graph.geometry import Window


@register
class Conv2dAdd(ConvAdd):
    """`conv2d.arm_mve` and `add.arm_mve`, a row of outputs at a time."""

    name = "conv2d_add.arm_mve"
    requires = MVE
    conv = Conv2d()
    add = Add()
    headers = (f"{FOLDER}/intrs_arm_mve_fused.h",)
    function = "intrs_conv2d_add_arm_mve"
    struct = "intrs_conv2d_add_arm_mve"
    code_bytes = 2500

    def rows(self, w: Window) -> int:
        """One: the kernel pairs pixels within rows."""
        return 1
