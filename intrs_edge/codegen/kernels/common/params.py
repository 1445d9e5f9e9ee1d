# SPDX-License-Identifier: Apache-2.0
"""Parameter structs of firmware/include/intrs_kernels.h as field values, from the graph's own quantisation and
geometry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Array, Site, Struct, Value
from intrs_edge.codegen.kernels.common.layout import fully_connected_window
from intrs_edge.graph.geometry import Window, bias_position, window
from intrs_edge.graph.quantize import AddParams, ConvParams, Requant, conv_params, fully_connected_params

Shape = tuple[int, ...]


def window_fields(w: Window) -> Mapping[str, Value]:
    """``struct intrs_window``: the C fields only, in their order."""
    names = (
        "in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "filter_h", "filter_w",
        "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
    )  # fmt: skip
    return {name: getattr(w, name) for name in names}


def requant_fields(q: Requant) -> Mapping[str, Value]:
    """``struct intrs_requant``."""
    return {
        "multiplier": Array(q.multiplier),
        "shift": Array(q.shift, align=1),
        "zero_point": q.zero_point,
        "min": q.min,
        "max": q.max,
    }


def requant_bytes(channels: int) -> int:
    """Flash of a per-channel requantisation with its bias."""
    return 9 * channels


def bias_of(site: Site, channels: int) -> npt.NDArray[np.int32]:
    """The bias, int32 ``[channels]``; zeros where the op has none."""
    position = bias_position(site.op)
    if position is None or not site.has_input(position):
        return np.zeros(channels, np.int32)
    data = site.input(position).data
    assert data is not None
    return np.asarray(data, np.int32).reshape(-1)


def constant(site: Site, position: int) -> npt.NDArray[np.generic]:
    """The data of a constant input."""
    data = site.input(position).data
    assert data is not None
    return data


def weights_of(site: Site) -> npt.NDArray[np.int8]:
    """The int8 weights of the first op."""
    return cast("npt.NDArray[np.int8]", constant(site, 1))


def convolution(site: Site) -> tuple[Window, ConvParams, npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Window, arithmetic, weights ``[out_c, h, w, in_c]`` and bias of the first op.

    A FULLY_CONNECTED is a 1x1 convolution over one row of pixels; a DEPTHWISE_CONV_2D (multiplier 1) has one channel.
    """
    weights = weights_of(site)
    if site.op.kind == "FULLY_CONNECTED":
        weights = weights.reshape(len(weights), 1, 1, -1)
        return (
            fully_connected_window(site),
            fully_connected_params(site.graph, site.op),
            weights,
            bias_of(site, len(weights)),
        )
    w = window(site.graph, site.op)
    if site.op.kind == "DEPTHWISE_CONV_2D":
        weights = np.moveaxis(weights, 3, 0).reshape(w.out_c, w.filter_h, w.filter_w, 1)
    return w, conv_params(site.graph, site.op), weights, bias_of(site, w.out_c)


def macs(site: Site) -> int:
    """Multiply-accumulates of a convolution."""
    weights = site.input(1)
    return site.output(0).elements * weights.elements // weights.shape[0]


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides in elements; 0 along axes of extent 1, which broadcast."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(0 if extent == 1 else step)
        step *= extent
    return tuple(reversed(strides))


def broadcast_fields(a: Shape, b: Shape, out: Shape) -> Struct | None:
    """``struct intrs_broadcast``, axes that walk together merged; None where nothing is repeated. ValueError above rank
    4 after merging.
    """
    rank = len(out)
    strides = []
    for shape in (a, b):
        padded = (1,) * (rank - len(shape)) + tuple(shape)
        strides.append(contiguous_strides(padded))
    merged: list[tuple[int, int, int]] = []  # (extent, stride a, stride b), innermost last
    for extent, sa, sb in zip(out, *strides, strict=True):
        if extent == 1:
            continue
        if merged and merged[-1][1] == sa * extent and merged[-1][2] == sb * extent:
            merged[-1] = (merged[-1][0] * extent, sa, sb)
        else:
            merged.append((extent, sa, sb))
    if not merged or merged == [(merged[0][0], 1, 1)]:
        return None
    if len(merged) > 4:
        raise ValueError("broadcast over more than four axes")
    merged = [(1, 0, 0)] * (4 - len(merged)) + merged
    return Struct(
        "intrs_broadcast",
        {
            "extent": tuple(m[0] for m in merged),
            "stride": (tuple(m[1] for m in merged), tuple(m[2] for m in merged)),
        },
    )


def add_fields(p: AddParams) -> dict[str, Value]:
    """The arithmetic of ``struct intrs_add``; the caller adds how the operands meet."""
    return {
        "zero_point": p.zero_point,
        "multiplier": p.multiplier,
        "shift": p.shift,
        "left_shift": p.left_shift,
        "q": requant_fields(p.q),
    }
