# SPDX-License-Identifier: Apache-2.0
"""Weight streams of the kernels for cores without SIMD (firmware/kernels/scalar/intrs_scalar.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters
from intrs_edge.codegen.kernels.common.layout import padded, wrap32
from intrs_edge.codegen.kernels.common.requant import requant_words
from intrs_edge.codegen.kernels.common.winograd import G_SMALL, small_heads, transformed


def winograd4_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_scalar_winograd4; see intrs_scalar.h."""
    heads = padded(small_heads(filters), 0, 4).reshape(-1, 32)
    u = padded(padded(transformed(G_SMALL, filters.weights), 0, 4), 3, 4)
    fours = u.reshape(len(heads), 4, 36, -1, 4)[..., [0, 2, 1, 3]]
    body = fours.transpose(0, 2, 3, 4, 1).astype("<i2").reshape(len(heads), -1)
    return wrap32(np.concatenate([heads, np.ascontiguousarray(body).view("<i4")], axis=1)).reshape(-1)


def direct_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_scalar; see intrs_scalar.h."""
    taps = padded(padded(filters.flat, 0, 4), 1, 4)
    fours = taps.reshape(-1, 4, taps.shape[1]).transpose(0, 2, 1).astype(np.int8)
    words = np.ascontiguousarray(fours).view("<i4").reshape(len(fours), -1)
    bias = padded(filters.folded_bias, 0, 4).reshape(-1, 4)
    requant = padded(requant_words(filters, 6), 0, 4).reshape(-1, 12)
    return wrap32(np.concatenate([bias, words, requant], axis=1)).reshape(-1)


def depthwise_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_depthwise2d_scalar, ``filters.weights`` as ``[channels, taps]``; see intrs_scalar.h."""
    bias = filters.folded_bias - 128 * filters.flat.sum(axis=1)
    words = np.ascontiguousarray(padded(filters.flat, 1, 4).astype(np.int8)).view("<i4")
    return wrap32(np.concatenate([bias[:, None], requant_words(filters, 6), words], axis=1)).reshape(-1)
