# SPDX-License-Identifier: Apache-2.0
"""How constants and values lie in memory: padding to whole blocks, words modulo 2^32, windows and runs of taps."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Site
from intrs_edge.graph.geometry import Window

_T = TypeVar("_T", bound=np.generic)


def padded(values: npt.NDArray[_T], axis: int, multiple: int) -> npt.NDArray[_T]:
    """Zeros at the end of an axis, up to a multiple."""
    missing = -values.shape[axis] % multiple
    return np.pad(values, [(0, missing if i == axis else 0) for i in range(values.ndim)])


def wrap32(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int32]:
    """Modulo 2^32, as int32."""
    return (values.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def folded_bias(weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], zero_point: int) -> npt.NDArray[np.int32]:
    """The bias less the zero point's part, modulo 2^32, where raw inputs are multiplied. weights: ``[out_c, ...]``."""
    sums = weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
    return wrap32(bias.astype(np.int64) - zero_point * sums)


def runs(weights: npt.NDArray[np.int8], dilation_w: int, multiple: int, block: int) -> npt.NDArray[np.int8]:
    """``[out_c][runs][length]`` from OHWI, length and out_c up to a multiple.

    A run is what lies contiguously in the input: a filter row, or one tap where taps are apart.
    """
    out_c, h, w, in_c = weights.shape
    whole = weights.reshape(out_c, h * w, in_c) if dilation_w > 1 else weights.reshape(out_c, h, w * in_c)
    return padded(padded(whole, 2, multiple), 0, block)


def fully_connected_window(site: Site) -> Window:
    """A FULLY_CONNECTED as a 1x1 convolution over one row of pixels."""
    out_n, in_n = site.input(1).shape
    rows = site.input(0).elements // in_n
    return Window(1, rows, in_n, 1, rows, out_n, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def frame_extent(w: Window) -> tuple[int, int]:
    """Rows and columns that the windows reach."""
    rows = (w.out_h - 1) * w.stride_h + (w.filter_h - 1) * w.dilation_h + 1
    return rows, (w.out_w - 1) * w.stride_w + (w.filter_w - 1) * w.dilation_w + 1
