# SPDX-License-Identifier: Apache-2.0
"""The constants of a convolution as the contract has them, and what kernels that are made from them have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value
from intrs_edge.codegen.kernels.common.checks import convolution_reason
from intrs_edge.codegen.kernels.common.params import convolution, window_fields
from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier
from intrs_edge.graph.geometry import Window
from intrs_edge.graph.quantize import Requant

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Filters:
    """The constants of a convolution as the contract has them.

    weights: int8 ``[out_c, h, w, in_c]``; bias, multiplier, shift (TFLite: negative is right): ``[out_c]``; zero
    points of input and output;
    linear: the output is not clamped at its zero point, so that the rounding of negative sums shows.
    """

    weights: npt.NDArray[np.int8]
    bias: Ints
    in_zero_point: int
    multiplier: Ints
    shift: Ints
    out_zero_point: int
    linear: bool = True

    @property
    def out_c(self) -> int:
        """Filters."""
        return int(self.weights.shape[0])

    @property
    def flat(self) -> Ints:
        """Weights as int64 ``[out_c, taps]``."""
        return self.weights.reshape(self.out_c, -1).astype(np.int64)

    @property
    def folded_bias(self) -> Ints:
        """The bias with the input's zero point folded in, so that kernels multiply raw activations: wraps in 32 bits
        as the sums do.
        """
        folded: Ints = self.bias - self.in_zero_point * self.flat.sum(axis=1)
        return folded

    @property
    def bounds(self) -> tuple[Ints, Ints]:
        """The lowest and the highest value of each accumulator over every possible input, zero point included."""
        low, high = -128 - self.in_zero_point, 127 - self.in_zero_point
        positive = np.maximum(self.flat, 0).sum(axis=1)
        negative = np.minimum(self.flat, 0).sum(axis=1)
        return self.bias + positive * low + negative * high, self.bias + positive * high + negative * low

    @property
    def right(self) -> Ints:
        """The right shift of each channel."""
        return -self.shift

    @cached_property
    def constant(self) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Channels whose output never changes, and that output.

        Requantisation does not decrease, so it is enough that the lowest and the highest accumulator give the same
        byte. (Batch normalisation of a channel that died
        in training leaves such channels, with biases near 2^30 and multipliers near 2^-27.)
        """
        ends = []
        for acc in self.bounds:
            safe = np.clip(acc, -(1 << 31), (1 << 31) - 1)
            scaled = multiply_by_quantized_multiplier(safe, self.multiplier, np.minimum(self.shift, 0))
            ends.append(np.clip(scaled + self.out_zero_point, -128, 127))
        low, high = self.bounds
        whole = (low >= -(1 << 31)) & (high < 1 << 31) & (self.shift <= 0)
        return whole & (ends[0] == ends[1]), ends[0]

    @property
    def up(self) -> Ints:
        """Left shift of each channel's accumulator, 0 where it is scaled down."""
        return np.maximum(self.shift, 0)


def filters_of(site: Site) -> tuple[Window, Requant, Filters]:
    """Window, requantisation and constants of the first op."""
    w, p, weights, bias = convolution(site)
    q = p.q
    multiplier = np.broadcast_to(q.multiplier.astype(np.int64), (len(weights),))
    shift = np.broadcast_to(q.shift.astype(np.int64), (len(weights),))
    linear = q.min < q.zero_point
    return w, q, Filters(weights, bias.astype(np.int64), p.in_zero_point, multiplier, shift, q.zero_point, linear)


def stream_fields(w: Window, q: Requant, filters: Filters, stream: npt.NDArray[np.int32]) -> dict[str, Value]:
    """The struct of a kernel that reads its constants in the order in which it needs them: ``stream``, int32."""
    return {
        "w": window_fields(w),
        "in_zero_point": filters.in_zero_point,
        "min": q.min,
        "max": q.max,
        "linear": int(filters.linear),
        "stream": Array(stream),
    }


class FilterKernel(Kernel):
    """A CONV_2D of one group, or a FULLY_CONNECTED as a window of one pixel, from its `Filters`."""

    @abstractmethod
    def limit(self, w: Window, filters: Filters) -> str | None:
        """Why these shapes or these weights are out of range, or None."""

    @abstractmethod
    def work(self, w: Window) -> Cost:
        """What a window costs."""

    @abstractmethod
    def call(self, site: Site, w: Window, q: Requant, filters: Filters) -> Emit:
        """The call."""

    def reject(self, site: Site) -> str | None:
        why = convolution_reason(site)
        if why is not None:
            return why
        w, _, filters = filters_of(site)
        return self.limit(w, filters)

    def cost(self, site: Site) -> Cost:
        return self.work(convolution(site)[0])

    def emit(self, site: Site) -> Emit:
        return self.call(site, *filters_of(site))
