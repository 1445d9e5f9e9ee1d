# SPDX-License-Identifier: Apache-2.0
"""Weight streams of the kernels for cores without SIMD (firmware/kernels/scalar/intrs_scalar.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters
from intrs_edge.codegen.kernels.common.layout import padded, wrap32
from intrs_edge.codegen.kernels.common.winograd import G_SMALL, small_heads, transformed


def winograd4_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_conv2d_scalar_winograd4; see intrs_scalar.h."""
    heads = padded(small_heads(filters), 0, 4).reshape(-1, 32)
    u = padded(padded(transformed(G_SMALL, filters.weights), 0, 4), 3, 4)
    fours = u.reshape(len(heads), 4, 36, -1, 4)[..., [0, 2, 1, 3]]
    body = fours.transpose(0, 2, 3, 4, 1).astype("<i2").reshape(len(heads), -1)
    return wrap32(np.concatenate([heads, np.ascontiguousarray(body).view("<i4")], axis=1)).reshape(-1)
