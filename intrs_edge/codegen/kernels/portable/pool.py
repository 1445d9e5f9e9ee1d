# SPDX-License-Identifier: Apache-2.0
"""Portable pooling, and resizing by interpolation."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import window_fields
from intrs_edge.codegen.kernels.portable.call import call
from intrs_edge.graph.geometry import Interpolation, interpolation, window
from intrs_edge.graph.quantize import pool_params


class _Pool(Kernel):
    function: str
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Fits every validated pooling."""
        return None

    def cost(self, site: Site) -> Cost:
        """No constants."""
        w = window(site.graph, site.op)
        return Cost(site.output().elements * (5.0 * w.filter_h * w.filter_w + 20.0), 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_pool2d``."""
        p = pool_params(site.graph, site.op)
        fields: dict[str, Value] = {"w": window_fields(window(site.graph, site.op)), "min": p.min, "max": p.max}
        return call(self.function, "intrs_pool2d", fields, site.op.inputs[:1], site.op.outputs)


@register
class AveragePool2d(_Pool):
    """AVERAGE_POOL_2D."""

    name = "average_pool2d.portable"
    patterns = (("AVERAGE_POOL_2D",),)
    function = "intrs_average_pool2d_portable"


@register
class MaxPool2d(_Pool):
    """MAX_POOL_2D."""

    name = "max_pool2d.portable"
    patterns = (("MAX_POOL_2D",),)
    function = "intrs_max_pool2d_portable"


@register
class ResizeBilinear(Kernel):
    """RESIZE_BILINEAR in every mode."""

    name = "resize_bilinear.portable"
    patterns = (("RESIZE_BILINEAR",),)
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Fits every validated RESIZE_BILINEAR."""
        return None

    def cost(self, site: Site) -> Cost:
        """Twelve bytes a row and a column."""
        _, height, width, _ = site.output().shape
        return Cost(30.0 * site.output().elements, 12 * (height + width))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_resize_bilinear``."""
        _, height, width, channels = site.output().shape
        rows, columns = interpolation(site.graph, site.op)
        fields: dict[str, Value] = {
            "rows": height,
            "columns": width,
            "channels": channels,
            "row": _mixes(rows, site.input(0).shape[2] * channels),
            "column": _mixes(columns, channels),
        }
        return call(
            "intrs_resize_bilinear_portable", "intrs_resize_bilinear", fields, site.op.inputs[:1], site.op.outputs
        )


def _mixes(axis: Interpolation, step: int) -> Array:
    """Where the two inputs of every position begin, and the second one's weight."""
    table = [(first * step, second * step, w) for first, second, w in zip(*astuple(axis), strict=True)]
    return Array(np.array(table, np.int32).reshape(-1))
