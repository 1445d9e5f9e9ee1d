# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions for x86-64 with AVX2 or AVX512-VNNI; fully connected layers as a row of pixels."""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.checks import accumulator_reason, convolution_reason, depthwise_reason
from intrs_edge.codegen.kernels.common.layout import folded_bias, frame_extent
from intrs_edge.codegen.kernels.common.params import convolution, macs, weights_of, window_fields
from intrs_edge.codegen.kernels.x86 import pack
from intrs_edge.codegen.kernels.x86.call import AVX2, PER_REQUANT, VNNI, call, files, requant_fields
from intrs_edge.graph.geometry import Window
from intrs_edge.integers import ceil_div


class _Direct(Kernel):
    requires = AVX2

    def reject(self, site: Site) -> str | None:
        """One group, accumulators below 2^30."""
        return convolution_reason(site) or accumulator_reason(site, 30)

    def columns(self, site: Site, w: Window) -> int:
        """Of the frame that the windows of a call reach."""
        raise NotImplementedError

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_x86``."""
        w, p, weights, bias = convolution(site)
        rows, _ = frame_extent(w)
        runs = w.filter_h * (w.filter_w if w.dilation_w > 1 else 1)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.direct_weights(weights, w.dilation_w), align=32),
            "q": requant_fields(bias, p.q),
        }
        scratch = 64 + 8 * runs + 2 * rows * self.columns(site, w) * w.in_c + 64
        return call("intrs_conv2d_x86", "intrs_conv2d_x86", fields, site, scratch)


@register
class Conv2d(_Direct):
    """CONV_2D of one group: any filter, stride, dilation and padding, any number of channels."""

    name = "conv2d.x86"
    patterns = (("CONV_2D",),)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, channels rounded up to 16."""
        out_c = site.output().shape[3]
        waste = (ceil_div(out_c, pack.BLOCK) * pack.BLOCK) / out_c
        weights = 2 * site.input(1).elements * waste
        return Cost(macs(site) * 0.2 * waste + site.output().elements * PER_REQUANT * waste, int(weights))

    def columns(self, site: Site, w: Window) -> int:
        """Images of one pixel are a row of pixels."""
        one = w.in_h * w.in_w == 1 and w.filter_h * w.filter_w == 1
        return site.batch if one else frame_extent(w)[1]


@register
class FullyConnected(_Direct):
    """FULLY_CONNECTED: `Conv2d` on one row of pixels."""

    name = "fully_connected.x86"
    patterns = (("FULLY_CONNECTED",),)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, outputs rounded up to 16."""
        out_n, in_n = site.input(1).shape
        whole = ceil_div(out_n, pack.BLOCK) * pack.BLOCK
        return Cost(site.output().elements // out_n * whole * in_n * 0.2, 2 * in_n * whole)

    def columns(self, site: Site, w: Window) -> int:
        """Rows of values are pixels."""
        return max(w.out_w, site.batch)


@register
class Depthwise2d(Kernel):
    """DEPTHWISE_CONV_2D, multiplier 1."""

    name = "depthwise2d.x86"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = AVX2

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, accumulators below 2^30."""
        return depthwise_reason(site) or accumulator_reason(site, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, taps in pairs."""
        taps = site.input(1).shape[1] * site.input(1).shape[2]
        return Cost(site.output().elements * (taps * 0.6 + PER_REQUANT + 1), 2 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_depthwise2d_x86``."""
        w, p, weights, bias = convolution(site)
        rows, columns = frame_extent(w)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.depthwise_weights(weights_of(site)), align=32),
            "q": requant_fields(folded_bias(weights, bias, p.in_zero_point), p.q),
        }
        scratch = 64 + 8 * (w.filter_h * w.filter_w + 1) + rows * columns * w.in_c + 16
        return call("intrs_depthwise2d_x86", "intrs_depthwise2d_x86", fields, site, scratch)


### AVX512-VNNI ###


def _vnni(direct: Emit, site: Site) -> Emit:
    """The direct kernel's call with bytes for weights, and the zero point in the bias."""
    w, p, weights, bias = convolution(site)
    fields = {
        **direct.fields,
        "weights": Array(pack.vnni_weights(weights, w.dilation_w), align=32),
        "q": requant_fields(folded_bias(weights, bias, p.in_zero_point + 128), p.q),
    }
    function = "intrs_conv2d_x86_vnni"
    return replace(direct, function=function, struct="intrs_conv2d_x86_vnni", fields=fields, sources=files(function))


@register
class Conv2dVnni(Conv2d):
    """`Conv2d` with VPDPBUSD: four products of bytes a lane."""

    name = "conv2d.x86_vnni"
    requires = VNNI

    def cost(self, site: Site) -> Cost:
        """Weights as int8, half the instructions of int16."""
        cost = super().cost(site)
        return Cost(cost.instructions - macs(site) * 0.1, cost.weight_bytes // 2)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_x86_vnni``."""
        return _vnni(super().emit(site), site)


@register
class FullyConnectedVnni(FullyConnected):
    """`FullyConnected` with VPDPBUSD."""

    name = "fully_connected.x86_vnni"
    requires = VNNI

    def cost(self, site: Site) -> Cost:
        """Weights as int8, half the instructions of int16."""
        cost = super().cost(site)
        return Cost(cost.instructions / 2, cost.weight_bytes // 2)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_x86_vnni``."""
        return _vnni(super().emit(site), site)
