# SPDX-License-Identifier: Apache-2.0
"""Weight streams of the kernels without the DSP extension (firmware/kernels/arm_m0/intrs_arm_m0.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters
from intrs_edge.codegen.kernels.common.layout import wrap32
from intrs_edge.codegen.kernels.common.requant import requant_words


def conv_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_arm_m0; see intrs_arm_m0.h."""
    flat = filters.flat & 0xFF
    taps = np.pad(flat, ((0, filters.out_c % 2), (0, -flat.shape[1] % 4)))
    pairs = taps.reshape(-1, 2, taps.shape[1] // 2, 2)  # pair, filter, word, tap
    words = pairs[:, 0, :, 0] | pairs[:, 1, :, 0] << 8 | pairs[:, 0, :, 1] << 16 | pairs[:, 1, :, 1] << 24
    requant = requant_words(filters, 1)
    requant[:, 2] |= (filters.up + 1) << 8
    odd = filters.out_c % 2
    requant = np.pad(requant, ((0, odd), (0, 0))).reshape(-1, 6)
    bias = np.pad(filters.folded_bias, (0, odd)).reshape(-1, 2)
    return wrap32(np.concatenate([bias, words, requant], axis=1)).reshape(-1)
