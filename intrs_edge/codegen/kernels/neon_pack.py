"""Constants of the NEON kernels (firmware/kernels/neon/intrs_neon.h). Weights are int8 OHWI, biases int32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.x86_pack import G4, Int8s, Int16s, Int32s, padded, wrap32
from intrs_edge.graph.quantize import Requant

BLOCK = 8
SDOT_BLOCK = 16


def requant_table(bias: npt.NDArray[np.int64], q: Requant, block: int = BLOCK) -> Int32s:
    """``[blocks of 8][bias, multiplier, shift][8]``, the bias modulo 2^32, channels padded to whole ``block``s."""
    rows = np.stack([bias, q.multiplier.astype(np.int64), q.shift.astype(np.int64)])
    blocks = padded(rows, 1, block).reshape(3, -1, BLOCK).transpose(1, 0, 2)
    return wrap32(blocks).reshape(-1)


def _runs(weights: Int8s, dilation_w: int, block: int) -> npt.NDArray[np.generic]:
    """``[out_c rounded up][runs][length]``: a run is a filter row, or one tap where taps are apart, in whole quads."""
    out_c, h, w, in_c = weights.shape
    runs = weights.reshape(out_c, h * w, in_c) if dilation_w > 1 else weights.reshape(out_c, h, w * in_c)
    return padded(padded(runs, 2, 4), 0, block)


def direct_weights(weights: Int8s, dilation_w: int) -> Int16s:
    """``[blocks][runs][length][8]``."""
    runs = _runs(weights, dilation_w, BLOCK)
    blocks = runs.reshape(-1, BLOCK, *runs.shape[1:]).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(blocks).astype(np.int16).reshape(-1)


def sdot_weights(weights: Int8s, dilation_w: int) -> Int8s:
    """``[blocks][runs][length / 4][16][4]``."""
    runs = _runs(weights, dilation_w, SDOT_BLOCK)
    quads = runs.reshape(-1, SDOT_BLOCK, runs.shape[1], runs.shape[2] // 4, 4).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(quads).astype(np.int8).reshape(-1)


def sdot_bias(weights: Int8s, bias: Int32s, in_zero_point: int) -> npt.NDArray[np.int64]:
    """The bias with the zero point's part of the sums, so that the kernel multiplies raw values."""
    sums = weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
    folded: npt.NDArray[np.int64] = bias.astype(np.int64) - in_zero_point * sums
    return folded


def f4_weights(weights: Int8s) -> Int16s:
    """``[blocks][36][in_c][8]`` from OHWI 3x3: G g G^T."""
    out_c, _, _, in_c = weights.shape
    u = np.einsum("ia,oabc,jb->oijc", G4, weights.astype(np.int64), G4, optimize=True)
    blocks = u.reshape(out_c // BLOCK, BLOCK, 36, in_c).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(blocks).astype(np.int16).reshape(-1)


def depthwise_weights(weights: Int8s) -> Int16s:
    """``[taps][channels rounded up to 8]`` from 1HWC."""
    return padded(weights.reshape(-1, weights.shape[3]), 1, BLOCK).astype(np.int16).reshape(-1)
