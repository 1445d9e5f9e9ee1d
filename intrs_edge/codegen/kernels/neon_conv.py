"""NEON convolutions for AArch64 and 32-bit ARM: SDOT, Winograd F(4x4,3x3), direct, depthwise, fully connected."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels import neon_pack as pack
from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import bias_of, window_fields
from intrs_edge.codegen.kernels.x86_conv import frame_extent, int8_reason, macs, weights_of
from intrs_edge.codegen.kernels.x86_pack import F4_GAIN, range_reason
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import ConvParams, Requant, conv_params, fully_connected_params

FOLDER = "kernels/neon"
HEADERS = (f"{FOLDER}/intrs_neon.h",)
NEON = frozenset({"neon"})
DOTPROD = frozenset({"neon", "dotprod"})
_PER_REQUANT = 3.0  # instructions an output
_F4_TILES = 16


def requant_fields(table: npt.NDArray[np.int32], q: Requant) -> dict[str, Value]:
    """``struct intrs_neon_requant``."""
    return {"table": Array(table, align=16), "zero_point": q.zero_point, "min": q.min, "max": q.max}


def call(function: str, struct: str, fields: dict[str, Value], site: Site, scratch: int | None) -> Emit:
    """A batched call of a kernel of this folder."""
    source = (f"{FOLDER}/{function}.c",)
    inputs, outputs = site.op.inputs[:1], site.op.outputs[:1]
    return Emit(function, struct, fields, inputs, outputs, source, scratch, batched=True, headers=HEADERS)


def _direct(
    site: Site, w: Window, weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], p: ConvParams, sdot: bool
) -> Emit:
    rows, columns = frame_extent(w)
    if w.in_h * w.in_w == 1 and w.filter_h * w.filter_w == 1:
        columns = site.batch
    if sdot:
        packed = Array(pack.sdot_weights(weights, w.dilation_w), align=16)
        table = pack.requant_table(pack.sdot_bias(weights, bias, p.in_zero_point), p.q, pack.SDOT_BLOCK)
    else:
        packed = Array(pack.direct_weights(weights, w.dilation_w), align=16)
        table = pack.requant_table(bias.astype(np.int64), p.q)
    fields: dict[str, Value] = {
        "w": window_fields(w),
        "in_zero_point": p.in_zero_point,
        "weights": packed,
        "q": requant_fields(table, p.q),
    }
    scratch = 16 + rows * columns * w.in_c * (1 if sdot else 2) + 16
    return call("intrs_conv2d_sdot" if sdot else "intrs_conv2d_neon", "intrs_neon_conv2d", fields, site, scratch)


class _Conv2d(Kernel):
    patterns = (("CONV_2D",),)
    sdot = False
    per_mac: float

    def reject(self, site: Site) -> str | None:
        """One group, accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        if site.input(1).shape[3] != w.in_c:
            return "a grouped convolution"
        return range_reason(weights_of(site), bias_of(site, w.out_c), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Channels rounded up to a block."""
        out_c, block = site.output().shape[3], pack.SDOT_BLOCK if self.sdot else pack.BLOCK
        waste = (-(-out_c // block) * block) / out_c
        weights = site.input(1).elements * waste * (1 if self.sdot else 2)
        return Cost(macs(site) * self.per_mac * waste + site.output().elements * _PER_REQUANT, int(weights))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_neon_conv2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        return _direct(site, w, weights_of(site), bias_of(site, w.out_c), p, self.sdot)


@register
class Conv2dNeon(_Conv2d):
    """CONV_2D of one group: any filter, stride, dilation and padding, any number of channels."""

    name = "conv2d.neon"
    requires = NEON
    per_mac = 0.33


@register
class Conv2dSdot(_Conv2d):
    """The same with SDOT."""

    name = "conv2d.sdot"
    requires = DOTPROD
    sdot = True
    per_mac = 0.1


class _FullyConnected(Kernel):
    patterns = (("FULLY_CONNECTED",),)
    sdot = False
    per_mac: float

    def reject(self, site: Site) -> str | None:
        """Accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        p = fully_connected_params(site.graph, site.op)
        return range_reason(weights_of(site), bias_of(site, site.input(1).shape[0]), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Outputs rounded up to a block."""
        out_n, in_n = site.input(1).shape
        block = pack.SDOT_BLOCK if self.sdot else pack.BLOCK
        whole = -(-out_n // block) * block
        rows = site.output().elements // out_n
        return Cost(rows * whole * in_n * self.per_mac, in_n * whole * (1 if self.sdot else 2))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_neon_conv2d``, of a 1x1 filter."""
        p, weights = fully_connected_params(site.graph, site.op), weights_of(site)
        out_n, in_n = weights.shape
        rows = site.input(0).elements // in_n
        w = Window(1, rows, in_n, 1, rows, out_n, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
        return _direct(site, w, weights.reshape(out_n, 1, 1, in_n), bias_of(site, out_n), p, self.sdot)


@register
class FullyConnectedNeon(_FullyConnected):
    """FULLY_CONNECTED: a convolution on one row of pixels."""

    name = "fully_connected.neon"
    requires = NEON
    per_mac = 0.33


@register
class FullyConnectedSdot(_FullyConnected):
    """The same with SDOT."""

    name = "fully_connected.sdot"
    requires = DOTPROD
    sdot = True
    per_mac = 0.1


@register
class Conv2dF4Neon(Kernel):
    """CONV_2D 3x3, stride 1, by F(4x4,3x3); on a CPU with SDOT the direct kernel costs less."""

    name = "conv2d.f4_neon"
    patterns = (("CONV_2D",),)
    requires = NEON
    code_bytes = 4000

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, channels in multiples of 8, accumulators below 2^25."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        shape = (w.filter_h, w.filter_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w)
        if shape != (3, 3, 1, 1, 1, 1) or site.input(1).shape[3] != w.in_c:
            return "not 3x3 with stride 1, dilation 1 and one group"
        if w.in_c % pack.BLOCK or w.out_c % pack.BLOCK:
            return f"{w.in_c} to {w.out_c} channels: not multiples of 8"
        return range_reason(weights_of(site), bias_of(site, w.out_c), p.in_zero_point, p.q, 25)

    def cost(self, site: Site) -> Cost:
        """36 products for 9 weights, of whole tiles."""
        w = window(site.graph, site.op)
        tiles = -(-w.out_h // 4) * -(-w.out_w // 4)
        instructions = 36 * tiles * w.in_c * w.out_c * 0.3 + 36 * tiles * w.in_c * 1.6 + 16 * tiles * w.out_c * 9
        return Cost(instructions, 8 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_neon_conv2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        table = pack.requant_table(bias_of(site, w.out_c).astype(np.int64) * F4_GAIN, p.q)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.f4_weights(weights_of(site)), align=16),
            "q": requant_fields(table, p.q),
        }
        frame = (4 * -(-w.out_h // 4) + 2) * (4 * -(-w.out_w // 4) + 2) * w.in_c
        v_bytes = 36 * (2 * _F4_TILES * w.in_c + 64)
        scratch = 16 + -(-frame // 16) * 16 + v_bytes + _F4_TILES * 36 * 8 * 4
        return call("intrs_conv2d_f4_neon", "intrs_neon_conv2d", fields, site, scratch)


@register
class Depthwise2dNeon(Kernel):
    """DEPTHWISE_CONV_2D, multiplier 1."""

    name = "depthwise2d.neon"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = NEON

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        if w.in_c != w.out_c:
            return f"multiplier {w.out_c // w.in_c}"
        by_channel = np.moveaxis(weights_of(site), 3, 0)
        return range_reason(by_channel, bias_of(site, w.out_c), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16."""
        taps = site.input(1).shape[1] * site.input(1).shape[2]
        return Cost(site.output().elements * (taps * 1.1 + _PER_REQUANT + 1), 2 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_neon_depthwise2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.depthwise_weights(weights_of(site)), align=16),
            "q": requant_fields(pack.requant_table(bias_of(site, w.out_c).astype(np.int64), p.q), p.q),
        }
        scratch = 16 + -(-w.in_c // 8) * 8 + 8 * w.filter_h * w.filter_w
        return call("intrs_depthwise2d_neon", "intrs_neon_depthwise2d", fields, site, scratch)
