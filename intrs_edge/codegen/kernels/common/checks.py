# SPDX-License-Identifier: Apache-2.0
"""Why a kernel cannot stand at a place, in words: the checks that several instruction sets make. None: all is well."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Site
from intrs_edge.codegen.kernels.common.params import convolution
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import Requant, add_params


def int8_reason(site: Site) -> str | None:
    """The first op does not go from int8 activations with constant weights to int8."""
    wrong = [t.dtype for t in (site.input(0), site.output(0)) if t.dtype != "int8"]
    if wrong:
        return f"{wrong[0]} values"
    return None if site.input(1).constant else "the weights are not constant"


def convolution_reason(site: Site) -> str | None:
    """The first op is not a convolution (or a product with constant weights) of one group from int8 to int8."""
    why = int8_reason(site)
    if why is None and site.op.kind == "CONV_2D" and site.input(1).shape[3] != window(site.graph, site.op).in_c:
        return "a grouped convolution"
    return why


def depthwise_reason(site: Site) -> str | None:
    """The first op is not a depthwise convolution with multiplier 1 from int8 to int8."""
    why, w = int8_reason(site), window(site.graph, site.op)
    return why if why is not None or w.in_c == w.out_c else f"multiplier {w.out_c // w.in_c}"


def sum_reason(site: Site, op: int = 0) -> str | None:
    """The op-th op of the chain does not combine two int8 activations of one shape."""
    tensors = [site.input(0, op), site.input(1, op), site.output(op)]
    if any(t.dtype != "int8" or t.constant for t in tensors):
        return "operands that are not int8 activations"
    return "a broadcast operand" if len({t.shape for t in tensors}) != 1 else None


def scaled_up_reason(site: Site) -> str | None:
    """An ADD scales an operand or its result up."""
    p = add_params(site.graph, site.op)
    return "a scale is shifted left" if max(*p.shift, int(p.q.shift[0])) > 0 else None


def pool_reason(site: Site, taps: int) -> str | None:
    """A pooling is not of int8, or of more values than ``taps``, so that sums pass 16 bits."""
    if site.input(0).dtype != "int8":
        return f"{site.input(0).dtype} values"
    w = window(site.graph, site.op)
    found = w.filter_h * w.filter_w
    return None if found <= taps else f"{found} taps: sums pass 16 bits"


def square_reason(site: Site, w: Window) -> str | None:
    """A convolution is not the one that Winograd's F(4x4, 3x3) computes."""
    shape = (w.filter_h, w.filter_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w)
    if shape != (3, 3, 1, 1, 1, 1) or site.input(1).shape[3] != w.in_c:
        return "not 3x3 with stride 1, dilation 1 and one group"
    return None


def accumulator_bound(weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], in_zero_point: int) -> int:
    """The largest magnitude that an accumulator can reach over every int8 input. weights: ``[out_c, ...]``."""
    flat = weights.reshape(weights.shape[0], -1).astype(np.int64)
    low, high = -128 - in_zero_point, 127 - in_zero_point  # low <= 0 <= high, so that taps in the padding are covered
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    top = bias + positive * high + negative * low
    bottom = bias + positive * low + negative * high
    return int(max(np.abs(top).max(), np.abs(bottom).max()))


def range_reason(
    weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], in_zero_point: int, q: Requant, bits: int
) -> str | None:
    """Accumulators do not stay below ``2**bits``, or a channel is scaled up. weights: ``[out_c, ...]``."""
    if int(q.shift.max()) > 0:
        return "a channel is scaled up (multiplier of 1 or more)"
    bound = accumulator_bound(weights, bias, in_zero_point)
    if bound >= 1 << bits:
        return f"accumulators reach {bound}, the limit is 2^{bits}"
    return None


def accumulator_reason(site: Site, bits: int) -> str | None:
    """`range_reason` of the first op's weights."""
    _, p, weights, bias = convolution(site)
    return range_reason(weights, bias, p.in_zero_point, p.q, bits)
