# SPDX-License-Identifier: Apache-2.0
"""Convolutions with NEON for AArch64 and 32-bit ARM: SDOT, direct, depthwise; fully connected as a row of pixels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.checks import accumulator_reason, convolution_reason, depthwise_reason
from intrs_edge.codegen.kernels.common.layout import folded_bias, frame_extent
from intrs_edge.codegen.kernels.common.params import convolution, macs, weights_of, window_fields
from intrs_edge.codegen.kernels.neon import pack
from intrs_edge.codegen.kernels.neon.call import DOTPROD, NEON, PER_REQUANT, call, requant_fields
from intrs_edge.integers import ceil_div


class _Direct(Kernel):
    sdot: ClassVar[bool] = False
    per_mac: ClassVar[float]

    def reject(self, site: Site) -> str | None:
        """One group, accumulators below 2^30."""
        return convolution_reason(site) or accumulator_reason(site, 30)

    @property
    def block(self) -> int:
        """Output channels that are computed together."""
        return pack.SDOT_BLOCK if self.sdot else pack.BLOCK

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_neon``."""
        w, p, weights, bias = convolution(site)
        rows, columns = frame_extent(w)
        if w.in_h * w.in_w == 1 and w.filter_h * w.filter_w == 1:
            columns = site.batch
        if self.sdot:
            packed = Array(pack.sdot_weights(weights, w.dilation_w), align=16)
            bias = folded_bias(weights, bias, p.in_zero_point)
        else:
            packed = Array(pack.direct_weights(weights, w.dilation_w), align=16)
        table = pack.requant_table(bias.astype(np.int64), p.q, self.block)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": packed,
            "q": requant_fields(table, p.q),
        }
        scratch = 16 + rows * columns * w.in_c * (1 if self.sdot else 2) + 16
        function = "intrs_conv2d_neon_sdot" if self.sdot else "intrs_conv2d_neon"
        return call(function, "intrs_conv2d_neon", fields, site, scratch)


class _Conv2d(_Direct):
    patterns = (("CONV_2D",),)

    def cost(self, site: Site) -> Cost:
        """Channels rounded up to a block."""
        out_c = site.output().shape[3]
        waste = (ceil_div(out_c, self.block) * self.block) / out_c
        weights = site.input(1).elements * waste * (1 if self.sdot else 2)
        return Cost(macs(site) * self.per_mac * waste + site.output().elements * PER_REQUANT, int(weights))


@register
class Conv2d(_Conv2d):
    """CONV_2D of one group: any filter, stride, dilation and padding, any number of channels."""

    name = "conv2d.neon"
    requires = NEON
    per_mac = 0.33


@register
class Conv2dSdot(_Conv2d):
    """The same with SDOT."""

    name = "conv2d.neon_sdot"
    requires = DOTPROD
    sdot = True
    per_mac = 0.1


class _FullyConnected(_Direct):
    patterns = (("FULLY_CONNECTED",),)

    def cost(self, site: Site) -> Cost:
        """Outputs rounded up to a block."""
        out_n, in_n = site.input(1).shape
        whole = ceil_div(out_n, self.block) * self.block
        rows = site.output().elements // out_n
        return Cost(rows * whole * in_n * self.per_mac, in_n * whole * (1 if self.sdot else 2))


@register
class FullyConnected(_FullyConnected):
    """FULLY_CONNECTED: a convolution on one row of pixels."""

    name = "fully_connected.neon"
    requires = NEON
    per_mac = 0.33


@register
class FullyConnectedSdot(_FullyConnected):
    """The same with SDOT."""

    name = "fully_connected.neon_sdot"
    requires = DOTPROD
    sdot = True
    per_mac = 0.1


@register
class Depthwise2d(Kernel):
    """DEPTHWISE_CONV_2D, multiplier 1."""

    name = "depthwise2d.neon"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = NEON

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, accumulators below 2^30."""
        return depthwise_reason(site) or accumulator_reason(site, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16."""
        taps = site.input(1).shape[1] * site.input(1).shape[2]
        return Cost(site.output().elements * (taps * 1.1 + PER_REQUANT + 1), 2 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_depthwise2d_neon``."""
        w, p, _, bias = convolution(site)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.depthwise_weights(weights_of(site)), align=16),
            "q": requant_fields(pack.requant_table(bias.astype(np.int64), p.q), p.q),
        }
        scratch = 16 + ceil_div(w.in_c, 8) * 8 + 8 * w.filter_h * w.filter_w
        return call("intrs_depthwise2d_neon", "intrs_depthwise2d_neon", fields, site, scratch)
