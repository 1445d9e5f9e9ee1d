"""Parameter structs of firmware/include/intrs_kernels.h as field values, from the graph's own quantisation and
geometry.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.base import Array, Site, Struct, Value
from intrs_edge.graph.geometry import Window, bias_position
from intrs_edge.graph.quantize import AddParams, Requant

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
