# SPDX-License-Identifier: Apache-2.0
"""Residual sums and average pooling for x86-64 with AVX2."""

from __future__ import annotations

from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.base import Site, Value, register
from intrs_edge.codegen.kernels.x86.call import AVX2, HEADERS, files


class _X86(elementwise.Elementwise):
    requires = AVX2
    headers = HEADERS


@register
class AffineAdd(_X86, elementwise.AffineAdd):
    """ADD and SUB by one formula."""

    name = "add.x86_affine"
    function, struct = "intrs_add_x86_affine", "intrs_add_x86_affine"
    files = files(function)
    per_element = 1.5

    def fields(self, site: Site, found: dict[str, Value]) -> dict[str, Value]:
        return {"n": site.output().elements, "sum": found}


@register
class Add(_X86, elementwise.Add):
    """ADD and SUB step by step."""

    name = "add.x86"
    function = "intrs_add_x86"
    files = files(function)
    per_element = 6.0


@register
class AveragePool2d(_X86, elementwise.AveragePool2d):
    """AVERAGE_POOL_2D."""

    name = "average_pool2d.x86"
    function = "intrs_average_pool2d_x86"
    files = files(function)
    per_tap, per_element = 0.3, 8.0
