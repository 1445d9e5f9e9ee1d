# SPDX-License-Identifier: Apache-2.0
"""Residual sums."""

from __future__ import annotations

from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.base import register
from intrs_edge.codegen.kernels.scalar.call import HEADERS, RV32, THUMB1, THUMB2, files


class _Add(elementwise.TableAdd):
    code_bytes = 150
    function = struct = "intrs_add_scalar"
    files = files(function)
    headers = HEADERS


@register
class AddThumb1(_Add):
    """ADD and SUB by a table, on Armv6-M."""

    name = "add.scalar_thumb1"
    requires = THUMB1
    per_element = 60.0


@register
class AddThumb2(_Add):
    """ADD and SUB by a table, on Armv7-M and later without DSP."""

    name = "add.scalar_thumb2"
    requires = THUMB2
    per_element = 18.5


@register
class AddRv32(_Add):
    """ADD and SUB by a table, on RV32IM."""

    name = "add.scalar_rv32"
    requires = RV32
    per_element = 20.0
