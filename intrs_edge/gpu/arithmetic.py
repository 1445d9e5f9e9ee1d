# SPDX-License-Identifier: Apache-2.0
"""Exact products and the contract's requantisation on tensors (docs/gpu.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from intrs_edge.graph.quantize import Requant

_MOST_DEPTH = (1 << 31) // (1 << 14) - 1  # products of int8, each at most 2^14, whose sum is an int32
_MULTIPLE, _ROWS = 8, 32  # what CUDA's integer product asks of extents: multiples of 8, and more than 16 rows


def wrap_int32(x: Tensor) -> Tensor:
    """The two's complement int32 value of the low 32 bits, as int64."""
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


class Products:
    """``x @ weights.T`` for int8 x ``[m, k]`` and constant int8 weights ``[n, k]``, exactly: int64 ``[m, n]``.

    integer: by int8 products that are added in int32 (CUDA); else, and where a sum might not fit an int32, in float64:
    every partial sum is an integer below k 2^14 < 2^53. Never in float32, which a GPU may round to fewer bits.
    """

    def __init__(self, weights: npt.NDArray[np.int8], device: torch.device, integer: bool) -> None:
        self.n, self.k = weights.shape
        self.integer = integer and self.k <= _MOST_DEPTH
        if self.integer:
            grown = ((0, -self.n % _MULTIPLE), (0, -self.k % _MULTIPLE))
            self._weights = torch.from_numpy(np.pad(weights, grown)).to(device)
        else:
            self._weights = torch.from_numpy(weights.astype(np.float64)).to(device)

    def __call__(self, x: Tensor) -> Tensor:
        """The sums of rows x."""
        if not self.integer:
            return (x.to(torch.float64) @ self._weights.t()).to(torch.int64)
        rows = len(x)
        x = functional.pad(x, (0, self._weights.shape[1] - self.k, 0, max(0, _ROWS - rows)))
        return torch._int_mm(x.contiguous(), self._weights.t())[:rows, : self.n].to(torch.int64)


class Requantise:
    """``clamp(zero_point + MBQM(wrap(acc), multiplier, shift), min, max)`` of accumulators int64, channels last."""

    def __init__(self, q: Requant, device: torch.device, unsigned: bool = False) -> None:
        """unsigned: the result is a byte 0 .. 255, given as the int8 of the same bits."""

        def constant(values: npt.NDArray[np.signedinteger[Any]]) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.int64)).to(device)

        shift = q.shift.astype(np.int64)
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        self._multiplier = constant(q.multiplier)
        self._left = constant(left) if left.any() else None
        self._right, self._half = constant(right), constant((1 << right) >> 1)
        self._away = constant(-(right > 0).astype(np.int64))
        self._zero, self._range, self._unsigned = q.zero_point, (q.min, q.max), unsigned

    def __call__(self, acc: Tensor) -> Tensor:
        """The int8 values."""
        x = wrap_int32(acc)
        if self._left is not None:
            x = wrap_int32(x << self._left)
        high = (x * self._multiplier + 2**30) >> 31
        high = (high + self._half + (high >> 63 & self._away)) >> self._right
        y = (high + self._zero).clamp(*self._range)
        return y.to(torch.uint8).view(torch.int8) if self._unsigned else y.to(torch.int8)
