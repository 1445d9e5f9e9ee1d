# SPDX-License-Identifier: Apache-2.0
"""Residual sums and average pooling with the DSP extension."""

from __future__ import annotations

from intrs_edge.codegen.kernels.arm_dsp.call import DSP, HEADERS, files
from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.base import Site, register
from intrs_edge.graph.geometry import window


@register
class Add(elementwise.TableAdd):
    """ADD and SUB by a table."""

    name = "add.arm_dsp"
    requires = DSP
    code_bytes = 300
    function = struct = "intrs_add_arm_dsp"
    files = files(function, "intrs_clamp_arm_dsp")
    headers = HEADERS
    per_element = 10.5


@register
class AveragePool2d(elementwise.AveragePool2d):
    """AVERAGE_POOL_2D, four channels at a time."""

    name = "average_pool2d.arm_dsp"
    requires = DSP
    code_bytes = 350
    function = "intrs_average_pool2d_arm_dsp"
    files = files(function)
    headers = HEADERS
    batched = False
    most_taps = 255
    per_tap, per_element = 2.25, 15.0

    def reject(self, site: Site) -> str | None:
        """Also channels a multiple of four."""
        channels = window(site.graph, site.op).in_c
        return super().reject(site) or (f"{channels} channels: not a multiple of 4" if channels % 4 else None)
