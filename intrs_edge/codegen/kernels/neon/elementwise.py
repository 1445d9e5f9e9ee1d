# SPDX-License-Identifier: Apache-2.0
"""Residual sums and average pooling with NEON."""

from __future__ import annotations

from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.base import register
from intrs_edge.codegen.kernels.neon.call import HEADERS, NEON, files


class _Neon(elementwise.Elementwise):
    requires = NEON
    headers = HEADERS


@register
class AffineAdd(_Neon, elementwise.AffineAdd):
    """ADD and SUB by one formula."""

    name = "add.neon_affine"
    function, struct = "intrs_add_neon_affine", "intrs_add_neon_affine"
    files = files(function)
    per_element = 2.5


@register
class Add(_Neon, elementwise.Add):
    """ADD and SUB step by step."""

    name = "add.neon"
    function = "intrs_add_neon"
    files = files(function)
    per_element = 7.0


@register
class AveragePool2d(_Neon, elementwise.AveragePool2d):
    """AVERAGE_POOL_2D."""

    name = "average_pool2d.neon"
    function = "intrs_average_pool2d_neon"
    files = files(function)
    per_tap, per_element = 0.4, 8.0
