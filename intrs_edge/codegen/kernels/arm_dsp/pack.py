# SPDX-License-Identifier: Apache-2.0
"""Weight streams of the Cortex-M DSP kernels (firmware/kernels/arm_dsp/intrs_arm_dsp.h): arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters, Ints
from intrs_edge.codegen.kernels.common.layout import padded, wrap32
from intrs_edge.codegen.kernels.common.requant import requant_words
from intrs_edge.codegen.kernels.common.winograd import G_SMALL, small_heads, transformed


def lanes(taps: Ints) -> Ints:
    """Words of two int16 in the order of SXTB16: ``[..., 4 n] -> [..., 2 n]``, {0, 2} then {1, 3} of every four."""
    four = taps.reshape(*taps.shape[:-1], -1, 4)
    words = (four[..., [0, 1]] & 0xFFFF) | ((four[..., [2, 3]] & 0xFFFF) << 16)
    return words.reshape(*taps.shape[:-1], -1)


def _bytes(taps: Ints) -> Ints:
    four = taps.reshape(*taps.shape[:-1], -1, 4) & 0xFF
    return four[..., 0] | (four[..., 1] << 8) | (four[..., 2] << 16) | (four[..., 3] << 24)


def direct_stream(filters: Filters, wide: bool) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_arm_dsp_w16 (``wide``) or intrs_conv2d_arm_dsp_w8; see intrs_arm_dsp.h."""
    up = filters.up[:, None]
    flat = filters.flat << (up + 1) if wide else filters.flat
    taps = padded(padded(flat, 1, 4), 0, 2)
    pairs = taps.reshape(-1, 2, taps.shape[1])
    words = lanes(pairs).reshape(len(pairs), 2, -1, 2) if wide else _bytes(pairs)[..., None]
    # pair, step, filter, word
    body = words.transpose(0, 2, 1, 3).reshape(len(pairs), -1)
    bias = padded(filters.folded_bias << (filters.up + 1) if wide else filters.folded_bias, 0, 2).reshape(-1, 2)
    requant = requant_words(filters, 1)
    if not wide:
        requant[:, 2] |= (filters.up + 1) << 8
    return wrap32(np.concatenate([bias, body, padded(requant, 0, 2).reshape(-1, 6)], axis=1)).reshape(-1)


def depthwise_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_depthwise2d_arm_dsp; ``filters.weights`` is ``[channels, taps]``, at least four channels. See
    intrs_arm_dsp.h.
    """
    channels = filters.out_c
    starts = [*range(0, channels - 3, 4)] + ([channels - 4] if channels % 4 else [])
    scale = (filters.up + 1)[:, None]
    taps, bias, requant = filters.flat << scale, filters.folded_bias << scale[:, 0], requant_words(filters, 1)
    groups = []
    for c in starts:
        group = slice(c, c + 4)
        weights = lanes(np.ascontiguousarray(taps[group].T))  # taps, 2
        groups += [bias[c : c + 4][[0, 2, 1, 3]], weights.reshape(-1), requant[group].reshape(-1)]
    return wrap32(np.concatenate(groups))


def winograd4_stream(filters: Filters, expanded: bool) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_arm_dsp_winograd4, see intrs_arm_dsp.h; ``expanded``: with the transformed filters."""
    pairs = padded(small_heads(filters), 0, 2).reshape(-1, 16)
    if not expanded:
        return wrap32(pairs).reshape(-1)
    u = transformed(G_SMALL, filters.weights).reshape(filters.out_c, 36, -1)
    words = lanes(padded(u, 0, 2)).reshape(len(pairs), 2, 36, -1, 2)
    body = words.transpose(0, 2, 3, 1, 4).reshape(len(pairs), -1)
    return wrap32(np.concatenate([pairs, body], axis=1)).reshape(-1)
