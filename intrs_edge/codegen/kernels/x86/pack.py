# SPDX-License-Identifier: Apache-2.0
"""Constants of the x86 kernels (firmware/kernels/x86/intrs_x86.h): weights int8 OHWI, bias int32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.layout import padded, runs, wrap32
from intrs_edge.codegen.kernels.common.winograd import G_ONE_GAIN, transformed
from intrs_edge.graph.quantize import Requant

Int8s = npt.NDArray[np.int8]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]

BLOCK = 16
# of 16 channels, as two vectors of eight that vpackssdw and vpacksswb bring back in order
LANES = (0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)


def requant_table(bias: Int32s, q: Requant, gain: int = 1) -> Int32s:
    """``[blocks][bias, multiplier, shift, nudge, sign][16 in lane order]``, the bias times ``gain`` modulo 2^32."""
    shift = -q.shift.astype(np.int64)
    rows = np.stack(
        [
            bias.astype(np.int64) * gain,
            q.multiplier.astype(np.int64),
            shift,
            (1 << shift) >> 1,
            -(shift > 0).astype(np.int64),
        ]
    )
    blocks = padded(rows, 1, BLOCK).reshape(len(rows), -1, BLOCK).transpose(1, 0, 2)[:, :, LANES]
    return wrap32(blocks).reshape(-1)


def direct_weights(weights: Int8s, dilation_w: int) -> Int16s:
    """``[blocks][runs][pairs][16 in lane order][2]`` from OHWI: a run is a filter row, or a tap if taps are apart."""
    whole = runs(weights, dilation_w, 2, BLOCK)
    pairs = whole.reshape(-1, BLOCK, whole.shape[1], whole.shape[2] // 2, 2)[:, LANES]
    return np.ascontiguousarray(pairs.transpose(0, 2, 3, 1, 4)).astype(np.int16).reshape(-1)


def vnni_weights(weights: Int8s, dilation_w: int) -> Int8s:
    """``[blocks][runs][quads][16 in lane order][4]`` from OHWI, runs as in `direct_weights`."""
    whole = runs(weights, dilation_w, 4, BLOCK)
    quads = whole.reshape(-1, BLOCK, whole.shape[1], whole.shape[2] // 4, 4)[:, LANES]
    return np.ascontiguousarray(quads.transpose(0, 2, 3, 1, 4)).astype(np.int8).reshape(-1)


def winograd4_weights(weights: Int8s) -> Int16s:
    """``[blocks][36][in_c / 2][16 in lane order][2]`` from OHWI 3x3: G g G^T, at most 18 432 in magnitude."""
    out_c, _, _, in_c = weights.shape
    u = transformed(G_ONE_GAIN, weights)
    pairs = u.reshape(out_c // BLOCK, BLOCK, 36, in_c // 2, 2)[:, LANES]
    return np.ascontiguousarray(pairs.transpose(0, 2, 3, 1, 4)).astype(np.int16).reshape(-1)


def depthwise_weights(weights: Int8s) -> Int16s:
    """``[blocks][pairs of taps][16 in lane order][2]`` from 1HWC."""
    channels = weights.shape[3]
    taps = padded(padded(weights.reshape(-1, channels), 0, 2), 1, BLOCK)
    pairs = taps.reshape(taps.shape[0] // 2, 2, -1, BLOCK)[:, :, :, LANES]
    return np.ascontiguousarray(pairs.transpose(2, 0, 3, 1)).astype(np.int16).reshape(-1)
