# SPDX-License-Identifier: Apache-2.0
"""What all reference operators share.

A value is an array ``[K, *shape]``: K independent runs of a tensor of the graph's shape (its own batch dimension
included). Constants have K = 1 and broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import Requant

Array = npt.NDArray[np.generic]
Int64 = npt.NDArray[np.int64]
Kernel = Callable[[Graph, Op, Sequence[Array]], list[Array]]

KERNELS: dict[str, Kernel] = {}


def kernel(*kinds: str) -> Callable[[Kernel], Kernel]:
    """Enters a function into the operator table."""

    def enter(function: Kernel) -> Kernel:
        for kind in kinds:
            KERNELS[kind] = function
        return function

    return enter


def requantize(acc: Int64, q: Requant, dtype: str = "int8") -> Array:
    """Accumulators (int32 values, channels last) to the output type."""
    multiplier, shift = q.multiplier.astype(np.int64), q.shift.astype(np.int64)
    if (q.shift == q.shift[0]).all():
        shift = shift[:1]  # the roundings are cheaper with one shift
    y = multiply_by_quantized_multiplier(acc, multiplier, shift)
    y += q.zero_point
    return np.clip(y, q.min, q.max, out=y).astype(dtype)


def offset(x: Array, zero_point: int) -> Int64:
    """x - zero_point as int64."""
    return x.astype(np.int64) - zero_point


def aligned(args: Sequence[Array]) -> tuple[Array, Array]:
    """Both operands with as many dimensions: ones go between the runs and the tensor's own dimensions."""
    a, b = args[0], args[1]
    rank = max(a.ndim, b.ndim)
    return (
        a.reshape(a.shape[0], *(1,) * (rank - a.ndim), *a.shape[1:]),
        b.reshape(b.shape[0], *(1,) * (rank - b.ndim), *b.shape[1:]),
    )
