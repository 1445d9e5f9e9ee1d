# SPDX-License-Identifier: Apache-2.0
"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, BATCH_MATMUL.

Zero points are taken out of the sums: ``sum (x - z) w = sum x w - z sum w``, with z where a window leaves the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from intrs_edge.gpu.arithmetic import Requantise
from intrs_edge.gpu.site import Site, Step, aligned, builder
from intrs_edge.graph.geometry import Window, bias_position, transposed_window, window
from intrs_edge.graph.quantize import conv_params, fully_connected_params, matmul_params

_LARGEST_TERM = 255 * 128  # |x - z| |w|


def _bias(site: Site, channels: int) -> npt.NDArray[np.int64]:
    position = bias_position(site.op)
    data = site.constant(position) if position is not None else None
    return np.zeros(channels, np.int64) if data is None else data.reshape(-1).astype(np.int64)


def _padded(x: Tensor, w: Window, value: int) -> Tensor:
    return functional.pad(x, (0, 0, w.pad_left, w.pad_right, w.pad_top, w.pad_bottom), value=value)


def _patches(x: Tensor, w: Window) -> Tensor:
    """``[n, out_h, out_w, filter_h, filter_w, c]`` as a view on the padded ``[n, h, w, c]``."""
    x = x.contiguous()
    sn, sh, sw, sc = x.stride()
    return x.as_strided(
        (len(x), w.out_h, w.out_w, w.filter_h, w.filter_w, x.shape[3]),
        (sn, sh * w.stride_h, sw * w.stride_w, sh * w.dilation_h, sw * w.dilation_w, sc),
    )


@builder("CONV_2D")
def conv_2d(site: Site) -> Step:
    """Patches times weights, a group of channels at a time."""
    w, params, weights = window(site.graph, site.op), conv_params(site.graph, site.op), site.weights()
    depth = weights.shape[3]
    groups = w.in_c // depth
    matrices = [site.products(part.reshape(len(part), -1)) for part in np.split(weights, groups)]
    sums = weights.reshape(w.out_c, -1).sum(1, dtype=np.int64)
    start = site.tensor(_bias(site, w.out_c) - params.in_zero_point * sums)
    finish = Requantise(params.q, site.device)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        runs, batch = args[0].shape[:2]
        x = args[0].reshape(runs * batch, w.in_h, w.in_w, w.in_c)
        patches = _patches(_padded(x, w, params.in_zero_point), w)
        rows = len(x) * w.out_h * w.out_w
        parts = [
            matrix(patches[..., g * depth : (g + 1) * depth].reshape(rows, -1)) for g, matrix in enumerate(matrices)
        ]
        acc = parts[0] if groups == 1 else torch.cat(parts, 1)
        return [finish(acc + start).reshape(runs, batch, w.out_h, w.out_w, w.out_c)]

    return step


@builder("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(site: Site) -> Step:
    """A tap at a time."""
    w, params = window(site.graph, site.op), conv_params(site.graph, site.op)
    fits = w.filter_h * w.filter_w * _LARGEST_TERM < 1 << 31
    dtype = torch.int32 if fits else torch.int64
    weights = site.tensor(site.weights().reshape(w.filter_h, w.filter_w, w.out_c)).to(dtype)
    start, finish = site.tensor(_bias(site, w.out_c)), Requantise(params.q, site.device)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        runs, batch = args[0].shape[:2]
        x = args[0].reshape(runs * batch, w.in_h, w.in_w, w.in_c)
        source = _padded(x, w, params.in_zero_point).to(dtype) - params.in_zero_point
        patches = _patches(source.repeat_interleave(w.out_c // w.in_c, 3), w)
        acc = torch.zeros((len(x), w.out_h, w.out_w, w.out_c), dtype=dtype, device=x.device)
        for i in range(w.filter_h):
            for j in range(w.filter_w):
                acc += patches[:, :, :, i, j] * weights[i, j]
        return [finish(acc.to(torch.int64) + start).reshape(runs, batch, w.out_h, w.out_w, w.out_c)]

    return step


@builder("TRANSPOSE_CONV")
def transpose_conv(site: Site) -> Step:
    """Every input pixel adds its products to a window of outputs; what falls outside is left out."""
    w, params, weights = transposed_window(site.graph, site.op), conv_params(site.graph, site.op), site.weights()
    taps = [
        (i, j, site.products(weights[:, i, j]),
         site.tensor(params.in_zero_point * weights[:, i, j].sum(1, dtype=np.int64)))
        for i in range(w.filter_h) for j in range(w.filter_w)
    ]  # fmt: skip
    start, finish = site.tensor(_bias(site, w.out_c)), Requantise(params.q, site.device)
    height = max(w.pad_top + w.out_h, (w.in_h - 1) * w.stride_h + w.filter_h)
    width = max(w.pad_left + w.out_w, (w.in_w - 1) * w.stride_w + w.filter_w)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        runs, batch = args[2].shape[:2]
        pixels, n = args[2].reshape(-1, w.in_c), runs * batch
        acc = torch.zeros((n, height, width, w.out_c), dtype=torch.int64, device=pixels.device)
        for i, j, product, zero in taps:
            rows = slice(i, i + (w.in_h - 1) * w.stride_h + 1, w.stride_h)
            columns = slice(j, j + (w.in_w - 1) * w.stride_w + 1, w.stride_w)
            acc[:, rows, columns] += (product(pixels) - zero).reshape(n, w.in_h, w.in_w, w.out_c)
        inside = acc[:, w.pad_top : w.pad_top + w.out_h, w.pad_left : w.pad_left + w.out_w]
        return [finish(inside + start).reshape(runs, batch, w.out_h, w.out_w, w.out_c)]

    return step


@builder("FULLY_CONNECTED")
def fully_connected(site: Site) -> Step:
    """Rows of ``in_n`` values: the input flattened, whatever its shape."""
    params, weights = fully_connected_params(site.graph, site.op), site.weights()
    product, shape = site.products(weights), site.graph.tensors[site.op.outputs[0]].shape
    start = site.tensor(_bias(site, len(weights)) - params.in_zero_point * weights.sum(1, dtype=np.int64))
    finish = Requantise(params.q, site.device)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        rows = args[0].reshape(-1, weights.shape[1])
        return [finish(product(rows) + start).reshape(len(args[0]), *shape)]

    return step


@builder("BATCH_MATMUL")
def batch_matmul(site: Site) -> Step:
    """Two values, in float64: a sum is below 255^2 times the common extent, which has 25 bits at most."""
    p, attrs = matmul_params(site.graph, site.op), site.op.attrs
    finish = Requantise(p.q, site.device)

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        a, b = (x.to(torch.float64) - z for x, z in zip(aligned(args), p.zero_point, strict=True))
        a = a.transpose(-1, -2) if attrs.get("adj_x") else a
        b = b.transpose(-1, -2) if attrs.get("adj_y") else b
        return [finish((a @ b).to(torch.int64))]

    return step
