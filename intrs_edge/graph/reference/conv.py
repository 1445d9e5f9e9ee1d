# SPDX-License-Identifier: Apache-2.0
"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, BATCH_MATMUL.

Sums are exact: matrix products run in floating point (BLAS), in float32 when the weights prove that every partial sum
stays below 2**24 and in float64 (2**53) otherwise, so every product and partial sum is an exactly represented integer
whatever the order of summation. The accumulator is int32: it wraps when a model overflows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.fixedpoint import wrap_int32
from intrs_edge.graph.geometry import Window, transposed_window, window
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import ConvParams, conv_params, fully_connected_params, matmul_params
from intrs_edge.graph.reference.common import Array, Int64, aligned, kernel, requantize

CHUNK_BYTES = 1 << 24
FLOAT32_EXACT = 1 << 24
OPERAND_RANGE = 255  # |x - zero_point| for int8 x and zero point

Float = npt.NDArray[np.floating[Any]]


def exact_type(weights: Array) -> type[np.floating[Any]]:
    """The narrowest float in which dot products with these weights ``[out, n]`` are exact."""
    worst = int(np.abs(weights.astype(np.int64)).sum(axis=1).max(initial=0)) * OPERAND_RANGE
    return np.float32 if worst < FLOAT32_EXACT else np.float64


def _bias(args: Sequence[Array], channels: int, position: int = 2) -> Int64:
    if len(args) > position and args[position].size:
        return args[position].reshape(-1).astype(np.int64)
    return np.zeros(channels, dtype=np.int64)


def _patches(x: Float, w: Window) -> Float:
    """``[n, out_h, out_w, filter_h, filter_w, c]`` as a view on the padded ``[n, h, w, c]``."""
    n, _, _, c = x.shape
    sn, sh, sw, sc = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (n, w.out_h, w.out_w, w.filter_h, w.filter_w, c),
        (sn, sh * w.stride_h, sw * w.stride_w, sh * w.dilation_h, sw * w.dilation_w, sc),
        writeable=False,
    )


def padded(x: Array, w: Window, zero_point: int, dtype: type[np.number[Any]]) -> npt.NDArray[np.number[Any]]:
    """``x - zero_point`` of ``[n, h, w, c]`` with zeros around it."""
    n, h, width, c = x.shape
    out = np.zeros((n, h + w.pad_top + w.pad_bottom, width + w.pad_left + w.pad_right, c), dtype=dtype)
    centre = out[:, w.pad_top : w.pad_top + h, w.pad_left : w.pad_left + width]
    np.subtract(x, zero_point, out=centre, casting="unsafe", dtype=dtype)
    return cast("npt.NDArray[np.number[Any]]", out)


def _finish(acc: Int64, bias: Int64, params: ConvParams) -> Array:
    acc += bias
    return requantize(wrap_int32(acc), params.q)


@kernel("CONV_2D")
def conv_2d(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Grouped when the weights have fewer input channels than the input."""
    w, params = window(graph, op), conv_params(graph, op)
    runs, batch = args[0].shape[:2]
    x = args[0].reshape(runs * batch, w.in_h, w.in_w, w.in_c)
    weights = args[1][0].reshape(w.out_c, -1)
    depth = args[1].shape[-1]
    groups, per_group = w.in_c // depth, w.out_c // (w.in_c // depth)
    dtype = exact_type(weights)
    matrix = weights.astype(dtype)
    bias = _bias(args, w.out_c)
    out = np.empty((len(x), w.out_h, w.out_w, w.out_c), dtype=np.int8)
    taps = w.filter_h * w.filter_w * w.in_c
    step = max(1, CHUNK_BYTES // (w.out_h * w.out_w * (taps + 4 * w.out_c) * np.dtype(dtype).itemsize))
    for start in range(0, len(x), step):
        patches = _patches(cast(Float, padded(x[start : start + step], w, params.in_zero_point, dtype)), w)
        rows = len(patches) * w.out_h * w.out_w
        acc = np.empty((rows, w.out_c), dtype=np.int64)
        for g in range(groups):
            columns = patches[..., g * depth : (g + 1) * depth].reshape(rows, -1)
            acc[:, g * per_group : (g + 1) * per_group] = columns @ matrix[g * per_group : (g + 1) * per_group].T
        out[start : start + step] = _finish(acc, bias, params).reshape(-1, w.out_h, w.out_w, w.out_c)
    return [out.reshape(runs, batch, w.out_h, w.out_w, w.out_c)]


@kernel("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Output channel c * multiplier + m reads input channel c."""
    w, params = window(graph, op), conv_params(graph, op)
    runs, batch = args[0].shape[:2]
    x = args[0].reshape(runs * batch, w.in_h, w.in_w, w.in_c)
    weights = args[1][0].reshape(w.filter_h, w.filter_w, w.out_c).astype(np.int32)
    bias = _bias(args, w.out_c)
    out = np.empty((len(x), w.out_h, w.out_w, w.out_c), dtype=np.int8)
    step = max(1, CHUNK_BYTES // (w.out_h * w.out_w * w.out_c * 32))
    for start in range(0, len(x), step):
        source = np.repeat(
            padded(x[start : start + step], w, params.in_zero_point, np.int32), w.out_c // w.in_c, axis=-1
        )
        acc = np.zeros((len(source), w.out_h, w.out_w, w.out_c), dtype=np.int32)
        for i in range(w.filter_h):
            for j in range(w.filter_w):
                top, left = i * w.dilation_h, j * w.dilation_w
                tap = source[
                    :, top : top + w.out_h * w.stride_h : w.stride_h, left : left + w.out_w * w.stride_w : w.stride_w
                ]
                acc += tap[:, : w.out_h, : w.out_w] * weights[i, j]
        out[start : start + step] = _finish(acc.astype(np.int64), bias, params)
    return [out.reshape(runs, batch, w.out_h, w.out_w, w.out_c)]


@kernel("TRANSPOSE_CONV")
def transpose_conv(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Every input pixel adds its products to a window of outputs; what falls outside is left out."""
    w, params = transposed_window(graph, op), conv_params(graph, op)
    runs, batch = args[2].shape[:2]
    weights = args[1][0].reshape(w.out_c, -1)
    dtype = exact_type(weights)
    pixels = args[2].reshape(-1, w.in_c).astype(dtype) - dtype(params.in_zero_point)
    taps = weights.reshape(w.out_c, w.filter_h, w.filter_w, w.in_c).astype(dtype)
    image = (runs * batch, w.in_h, w.in_w, w.out_c)
    height = max(w.pad_top + w.out_h, (w.in_h - 1) * w.stride_h + w.filter_h)
    width = max(w.pad_left + w.out_w, (w.in_w - 1) * w.stride_w + w.filter_w)
    acc = np.zeros((runs * batch, height, width, w.out_c), dtype=np.int64)
    for i in range(w.filter_h):
        for j in range(w.filter_w):
            rows = slice(i, i + (w.in_h - 1) * w.stride_h + 1, w.stride_h)
            columns = slice(j, j + (w.in_w - 1) * w.stride_w + 1, w.stride_w)
            acc[:, rows, columns] += (pixels @ taps[:, i, j].T).astype(np.int64).reshape(image)
    inside = acc[:, w.pad_top : w.pad_top + w.out_h, w.pad_left : w.pad_left + w.out_w]
    return [_finish(inside, _bias(args, w.out_c, 3), params).reshape(runs, batch, w.out_h, w.out_w, w.out_c)]


@kernel("BATCH_MATMUL")
def batch_matmul(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Two values, either transposed or not; batches broadcast."""
    p = matmul_params(graph, op)
    a, b = (x.astype(np.float64) - z for x, z in zip(aligned(args), p.zero_point, strict=True))
    if op.attrs.get("adj_x"):
        a = a.swapaxes(-1, -2)
    if op.attrs.get("adj_y"):
        b = b.swapaxes(-1, -2)
    return [requantize(wrap_int32((a @ b).astype(np.int64)), p.q)]


@kernel("FULLY_CONNECTED")
def fully_connected(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """Rows of ``in_n`` values: the input flattened, whatever its shape."""
    params = fully_connected_params(graph, op)
    weights = args[1][0]
    out_n, in_n = weights.shape
    dtype = exact_type(weights)
    rows = args[0].reshape(-1, in_n).astype(dtype) - dtype(params.in_zero_point)
    acc = (rows @ weights.astype(dtype).T).astype(np.int64)
    shape = graph.tensors[op.outputs[0]].shape
    return [_finish(acc, _bias(args, out_n), params).reshape(len(args[0]), *shape)]
