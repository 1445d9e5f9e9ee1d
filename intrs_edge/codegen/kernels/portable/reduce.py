# SPDX-License-Identifier: Apache-2.0
"""Portable kernels over an axis: MEAN, SOFTMAX."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import requant_fields
from intrs_edge.codegen.kernels.portable.call import call
from intrs_edge.graph.fixedpoint import wrap_int32
from intrs_edge.graph.geometry import reduced_axes
from intrs_edge.graph.quantize import per_tensor, softmax_params, sum_params


@register
class Mean(Kernel):
    """MEAN over neighbouring axes."""

    name = "mean.portable"
    patterns = (("MEAN",),)
    code_bytes = 200

    def reject(self, site: Site) -> str | None:
        """Neighbouring axes."""
        axes = reduced_axes(site.graph, site.op)
        return "axes that are no neighbours" if axes[-1] - axes[0] != len(axes) - 1 else None

    def cost(self, site: Site) -> Cost:
        """An addition an element."""
        return Cost(7.0 * site.input(0).elements + 60.0 * site.output().elements, 5)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_mean``."""
        p, shape, axes = sum_params(site.graph, site.op), site.input(0).shape, reduced_axes(site.graph, site.op)
        fields: dict[str, Value] = {
            "outer": math.prod(shape[: axes[0]]),
            "n": p.count,
            "inner": math.prod(shape[axes[-1] + 1 :]),
            "in_zero_point": p.in_zero_point,
            "q": requant_fields(p.q),
        }
        return call("intrs_mean_portable", "intrs_mean", fields, site.op.inputs[:1], site.op.outputs)


Walk = list[tuple[int, int]]


def walks(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[Walk, Walk]:
    """(extent, stride) of the axes that stay and of those that are reduced, neighbours of one sort as one."""
    found: tuple[Walk, Walk] = ([], [])
    last, stride = -1, 1
    for axis in range(len(shape) - 1, -1, -1):
        if shape[axis] == 1:
            continue
        sort = int(axis in axes)
        if sort == last:
            extent, step = found[sort][0]
            found[sort][0] = (extent * shape[axis], step)
        else:
            found[sort].insert(0, (shape[axis], stride))
        last, stride = sort, stride * shape[axis]
    return found


class _Reduce(Kernel):
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Up to three groups of axes of either sort."""
        return "more than six groups of axes" if max(map(len, self._walks(site))) > 3 else None

    @staticmethod
    def _walks(site: Site) -> tuple[Walk, Walk]:
        return walks(site.input(0).shape, reduced_axes(site.graph, site.op))

    def cost(self, site: Site) -> Cost:
        """An element's step, and a few registers more than a mean."""
        return Cost(9.0 * site.input(0).elements + 60.0 * site.output().elements, 5)

    def common(self, site: Site, function: str, fields: Mapping[str, Value]) -> Emit:
        """The struct ``intrs_reduce``."""
        stay, over = ([(1, 0)] * (3 - len(w)) + w for w in self._walks(site))
        walk: dict[str, Value] = {
            "extent": tuple(n for n, _ in stay),
            "stride": tuple(s for _, s in stay),
            "over": tuple(n for n, _ in over),
            "step": tuple(s for _, s in over),
        }
        return call(function, "intrs_reduce", {**walk, **fields}, site.op.inputs[:1], site.op.outputs)


@register
class ReduceSum(_Reduce):
    """MEAN and SUM over any axes."""

    name = "reduce_sum.portable"
    patterns = (("MEAN",), ("SUM",))

    def emit(self, site: Site) -> Emit:
        """With the sum's requantisation."""
        p = sum_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "offset": int(wrap_int32(np.array(-p.count * p.in_zero_point))),
            "is_unsigned": int(p.unsigned),
            "maximum": 0,
            "q": requant_fields(p.q),
        }
        return self.common(site, "intrs_reduce_sum_portable", fields)


@register
class ReduceExtremum(_Reduce):
    """REDUCE_MAX and REDUCE_MIN over any axes."""

    name = "reduce_extremum.portable"
    patterns = (("REDUCE_MAX",), ("REDUCE_MIN",))

    def emit(self, site: Site) -> Emit:
        """Without arithmetic."""
        return self.common(site, "intrs_reduce_extremum_portable", {"maximum": int(site.op.kind == "REDUCE_MAX")})


@register
class Softmax(Kernel):
    """SOFTMAX over the last axis."""

    name = "softmax.portable"
    patterns = (("SOFTMAX",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """The sum of the exponentials has 12 integer bits."""
        depth = site.output().shape[-1]
        return f"{depth} values in a row, at most 4095" if depth > 4095 else None

    def cost(self, site: Site) -> Cost:
        """Two look-ups a value, a reciprocal a row."""
        return Cost(60.0 * site.output().elements + 300.0 * site.output().elements / site.output().shape[-1], 1024)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_softmax``."""
        p = softmax_params(site.graph, site.op)
        depth = site.output().shape[-1]
        fields: dict[str, Value] = {
            "rows": site.output().elements // depth,
            "depth": depth,
            "exponential": Array(p.exponential),
            "first": p.first,
        }
        return call(
            "intrs_softmax_portable", "intrs_softmax", fields, site.op.inputs[:1], site.op.outputs, inplace=(0,)
        )


@register
class L2Normalization(Kernel):
    """L2_NORMALIZATION over the last axis."""

    name = "l2_normalization.portable"
    patterns = (("L2_NORMALIZATION",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """Fits every validated L2_NORMALIZATION."""
        return None

    def cost(self, site: Site) -> Cost:
        """Two passes, an inverse square root a row."""
        n, depth = site.output().elements, site.output().shape[-1]
        return Cost(50.0 * n + 600.0 * n / depth, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_l2_normalization``."""
        depth = site.output().shape[-1]
        fields: dict[str, Value] = {
            "rows": site.output().elements // depth,
            "depth": depth,
            "in_zero_point": per_tensor(site.input(0))[1],
        }
        return call(
            "intrs_l2_normalization_portable",
            "intrs_l2_normalization",
            fields,
            site.op.inputs[:1],
            site.op.outputs,
            inplace=(0,),
        )
