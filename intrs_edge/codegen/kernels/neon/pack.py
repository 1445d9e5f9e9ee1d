# SPDX-License-Identifier: Apache-2.0
"""Constants of the NEON kernels (firmware/kernels/neon/intrs_neon.h). Weights are int8 OHWI, biases int32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.layout import padded, runs, wrap32
from intrs_edge.codegen.kernels.common.winograd import G_ONE_GAIN, transformed
from intrs_edge.graph.quantize import Requant

Int8s = npt.NDArray[np.int8]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]

BLOCK = 8
SDOT_BLOCK = 16


def requant_table(bias: npt.NDArray[np.int64], q: Requant, block: int = BLOCK) -> Int32s:
    """``[blocks of 8][bias, multiplier, shift][8]``, the bias modulo 2^32, channels padded to whole ``block``s."""
    rows = np.stack([bias, q.multiplier.astype(np.int64), q.shift.astype(np.int64)])
    blocks = padded(rows, 1, block).reshape(3, -1, BLOCK).transpose(1, 0, 2)
    return wrap32(blocks).reshape(-1)


def direct_weights(weights: Int8s, dilation_w: int) -> Int16s:
    """``[blocks][runs][length][8]``."""
    whole = runs(weights, dilation_w, 4, BLOCK)
    blocks = whole.reshape(-1, BLOCK, *whole.shape[1:]).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(blocks).astype(np.int16).reshape(-1)


def sdot_weights(weights: Int8s, dilation_w: int) -> Int8s:
    """``[blocks][runs][length / 4][16][4]``."""
    whole = runs(weights, dilation_w, 4, SDOT_BLOCK)
    quads = whole.reshape(-1, SDOT_BLOCK, whole.shape[1], whole.shape[2] // 4, 4).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(quads).astype(np.int8).reshape(-1)


def winograd4_weights(weights: Int8s) -> Int16s:
    """``[blocks][36][in_c][8]`` from OHWI 3x3: G g G^T."""
    out_c, _, _, in_c = weights.shape
    u = transformed(G_ONE_GAIN, weights)
    blocks = u.reshape(out_c // BLOCK, BLOCK, 36, in_c).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(blocks).astype(np.int16).reshape(-1)


def depthwise_weights(weights: Int8s) -> Int16s:
    """``[taps][channels rounded up to 8]`` from 1HWC."""
    return padded(weights.reshape(-1, weights.shape[3]), 1, BLOCK).astype(np.int16).reshape(-1)
