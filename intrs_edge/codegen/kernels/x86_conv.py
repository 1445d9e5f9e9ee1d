"""AVX2 convolutions for x86-64: Winograd F(4x4,3x3), direct, depthwise; fully connected layers as a row of pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels import x86_pack as pack
from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import bias_of, constant, window_fields
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import ConvParams, Requant, add_params, conv_params, fully_connected_params

FOLDER = "kernels/x86_avx2"
HEADERS = (f"{FOLDER}/intrs_x86_avx2.h",)
_PER_REQUANT = 2.5  # instructions an output

_F4_TILES = 16


def requant_fields(bias: npt.NDArray[np.int32], q: Requant, gain: int = 1) -> dict[str, Value]:
    """``struct intrs_x86_requant``."""
    table = Array(pack.requant_table(bias, q, gain), align=32)
    return {"table": table, "zero_point": q.zero_point, "min": q.min, "max": q.max}


def int8_reason(site: Site) -> str | None:
    """Why an op does not go from int8 activations with constant weights to int8, or None."""
    wrong = [t.dtype for t in (site.input(0), site.output()) if t.dtype != "int8"]
    if wrong:
        return f"{wrong[0]} values"
    return None if site.input(1).constant else "the weights are not constant"


def weights_of(site: Site) -> npt.NDArray[np.int8]:
    """The int8 weights."""
    return cast("npt.NDArray[np.int8]", constant(site, 1))


def macs(site: Site, op: int = 0) -> int:
    """Multiply-accumulates of a convolution."""
    weights = site.input(1, op)
    return site.output(op).elements * weights.elements // weights.shape[0]


def frame_extent(w: Window) -> tuple[int, int]:
    """Rows and columns that the windows reach."""
    rows = (w.out_h - 1) * w.stride_h + (w.filter_h - 1) * w.dilation_h + 1
    return rows, (w.out_w - 1) * w.stride_w + (w.filter_w - 1) * w.dilation_w + 1


@register
class Conv2dAvx2(Kernel):
    """CONV_2D of one group: any filter, stride, dilation and padding, any number of channels."""

    name = "conv2d.avx2"
    patterns = (("CONV_2D",),)
    requires = frozenset({"avx2"})

    def reject(self, site: Site) -> str | None:
        """One group, accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        if site.input(1).shape[3] != w.in_c:
            return "a grouped convolution"
        return pack.range_reason(weights_of(site), bias_of(site, w.out_c), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, channels rounded up to 16."""
        w = window(site.graph, site.op)
        waste = (-(-w.out_c // pack.BLOCK) * pack.BLOCK) / w.out_c
        weights = 2 * site.input(1).elements * waste
        return Cost(macs(site) * 0.2 * waste + site.output().elements * _PER_REQUANT * waste, int(weights))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_conv2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        rows, columns = frame_extent(w)
        if w.in_h * w.in_w == 1 and w.filter_h * w.filter_w == 1:
            columns = site.batch
        runs = w.filter_h * (w.filter_w if w.dilation_w > 1 else 1)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.direct_weights(weights_of(site), w.dilation_w), align=32),
            "q": requant_fields(bias_of(site, w.out_c), p.q),
        }
        scratch = 64 + 8 * runs + 2 * rows * columns * w.in_c + 64
        return _emit("intrs_conv2d_avx2", "intrs_x86_conv2d", fields, site, scratch)


def _emit(
    function: str, struct: str, fields: dict[str, Value], site: Site, scratch: int, skip: tuple[int, ...] = ()
) -> Emit:
    return Emit(
        function,
        struct,
        fields,
        (site.op.inputs[0], *skip),
        site.last.outputs[:1],
        (f"{FOLDER}/{function}.c",),
        scratch_bytes=scratch,
        batched=True,
        inplace=(1,) if skip else (),
        headers=HEADERS,
    )


@register
class FullyConnectedAvx2(Kernel):
    """FULLY_CONNECTED: `Conv2dAvx2` on one row of pixels."""

    name = "fully_connected.avx2"
    patterns = (("FULLY_CONNECTED",),)
    requires = frozenset({"avx2"})

    def reject(self, site: Site) -> str | None:
        """Accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        p = fully_connected_params(site.graph, site.op)
        return pack.range_reason(weights_of(site), bias_of(site, site.input(1).shape[0]), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, outputs rounded up to 16."""
        out_n, in_n = site.input(1).shape
        padded = -(-out_n // pack.BLOCK) * pack.BLOCK
        return Cost(site.output().elements // out_n * padded * in_n * 0.2, 2 * in_n * padded)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_conv2d``, of a 1x1 filter."""
        p = fully_connected_params(site.graph, site.op)
        weights = weights_of(site)
        out_n, in_n = weights.shape
        rows = site.input(0).elements // in_n
        w = Window(1, rows, in_n, 1, rows, out_n, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.direct_weights(weights.reshape(out_n, 1, 1, in_n), 1), align=32),
            "q": requant_fields(bias_of(site, out_n), p.q),
        }
        scratch = 64 + 8 + 2 * max(rows, site.batch) * in_n + 64
        return _emit("intrs_conv2d_avx2", "intrs_x86_conv2d", fields, site, scratch)


class _F4(Kernel):
    requires = frozenset({"avx2"})
    code_bytes = 6000

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, channels in multiples of 16, accumulators below 2^25."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        shape = (w.filter_h, w.filter_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w)
        if shape != (3, 3, 1, 1, 1, 1) or site.input(1).shape[3] != w.in_c:
            return "not 3x3 with stride 1, dilation 1 and one group"
        if w.in_c % pack.BLOCK or w.out_c % pack.BLOCK:
            return f"{w.in_c} to {w.out_c} channels: not multiples of 16"
        return pack.range_reason(weights_of(site), bias_of(site, w.out_c), p.in_zero_point, p.q, 25)

    def cost(self, site: Site) -> Cost:
        """36 products for 9 weights, of whole tiles."""
        w = window(site.graph, site.op)
        tiles = -(-w.out_h // 4) * -(-w.out_w // 4)
        products = 36 * tiles * w.in_c * w.out_c
        instructions = products * 0.2 + 36 * tiles * w.in_c * 0.6 + 16 * tiles * w.out_c * 6
        return Cost(instructions, 8 * site.input(1).elements)

    def _conv(self, site: Site) -> tuple[dict[str, Value], int]:
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        frame = (4 * -(-w.out_h // 4) + 2) * (4 * -(-w.out_w // 4) + 2) * w.in_c
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.f4_weights(weights_of(site)), align=32),
            "q": requant_fields(bias_of(site, w.out_c), p.q, pack.F4_GAIN),
        }
        v_bytes = 36 * (2 * _F4_TILES * w.in_c + 64)
        return fields, 64 + -(-frame // 64) * 64 + v_bytes + _F4_TILES * 36 * 16 * 4


@register
class Conv2dF4Avx2(_F4):
    """CONV_2D 3x3, stride 1, by F(4x4,3x3)."""

    name = "conv2d.f4_avx2"
    patterns = (("CONV_2D",),)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_f4``."""
        fields, scratch = self._conv(site)
        return _emit("intrs_conv2d_f4_avx2", "intrs_x86_f4", fields, site, scratch)


def sum_fields(site: Site, op: int, x: int) -> dict[str, Value] | None:
    """``struct intrs_x86_sum`` of an ADD of the chain, its operand ``x`` (0 or 1) first; None where none is exact."""
    p = add_params(site.graph, site.graph.ops[site.ops[op]])
    found = pack.find_sum(p)
    if found is None:
        return None
    factors, offset, shift = found[:2], found[2], found[3]
    return {
        "factor": factors if x == 0 else factors[::-1],
        "offset": offset,
        "shift": shift,
        "min": p.q.min,
        "max": p.q.max,
    }


def sum_reason(site: Site, op: int) -> str | None:
    """Why an ADD is not the sum of two int8 tensors of one shape by an exact formula, or None."""
    tensors = [site.input(0, op), site.input(1, op), site.output(op)]
    if any(t.dtype != "int8" or t.constant for t in tensors):
        return "operands that are not int8 activations"
    if len({t.shape for t in tensors}) != 1:
        return "a broadcast operand"
    return None


@register
class Conv2dF4SumAvx2(_F4):
    """CONV_2D as above and the residual ADD after it."""

    name = "conv2d_add.f4_avx2"
    patterns = (("CONV_2D", "ADD"),)

    def reject(self, site: Site) -> str | None:
        """Also an exact formula for the sum."""
        if site.output(0).dtype != "int8":
            return f"{site.output(0).dtype} values"
        why = super().reject(site) or sum_reason(site, 1)
        if why is None and sum_fields(site, 1, 0) is None:
            return "no exact formula for this sum"
        return why

    def cost(self, site: Site) -> Cost:
        """The sum adds about one instruction an element."""
        cost = super().cost(site)
        return Cost(cost.instructions + site.output().elements, cost.weight_bytes)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_f4_sum``; the output may take over the skip."""
        conv, scratch = self._conv(site)
        position = site.last.inputs.index(site.op.outputs[0])
        fields: dict[str, Value] = {"conv": conv, "sum": sum_fields(site, 1, position)}
        skip = (site.last.inputs[1 - position],)
        return _emit("intrs_conv2d_f4_sum_avx2", "intrs_x86_f4_sum", fields, site, scratch, skip)


@register
class Depthwise2dAvx2(Kernel):
    """DEPTHWISE_CONV_2D, multiplier 1."""

    name = "depthwise2d.avx2"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = frozenset({"avx2"})

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, accumulators below 2^30."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        if w.in_c != w.out_c:
            return f"multiplier {w.out_c // w.in_c}"
        by_channel = np.moveaxis(weights_of(site), 3, 0)
        return pack.range_reason(by_channel, bias_of(site, w.out_c), p.in_zero_point, p.q, 30)

    def cost(self, site: Site) -> Cost:
        """Weights as int16, taps in pairs."""
        taps = site.input(1).shape[1] * site.input(1).shape[2]
        return Cost(site.output().elements * (taps * 0.6 + _PER_REQUANT + 1), 2 * site.input(1).elements)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_depthwise2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        weights = weights_of(site)
        bias = pack.folded_bias(np.moveaxis(weights, 3, 0), bias_of(site, w.out_c), p.in_zero_point)
        rows, columns = frame_extent(w)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": p.in_zero_point,
            "weights": Array(pack.depthwise_weights(weights), align=32),
            "q": requant_fields(bias, p.q),
        }
        scratch = 64 + 8 * (w.filter_h * w.filter_w + 1) + rows * columns * w.in_c + 16
        return _emit("intrs_depthwise2d_avx2", "intrs_x86_depthwise2d", fields, site, scratch)


### AVX512-VNNI ###


def _vnni(
    kernel: Emit, weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], p: ConvParams, dilation_w: int
) -> Emit:
    """The direct kernel's call with bytes for weights, and the zero point in the bias."""
    fields = {
        **kernel.fields,
        "weights": Array(pack.vnni_weights(weights, dilation_w), align=32),
        "q": requant_fields(pack.folded_bias(weights, bias, p.in_zero_point + 128), p.q),
    }
    function = "intrs_conv2d_vnni"
    return replace(
        kernel, function=function, struct="intrs_x86_vnni", fields=fields, sources=(f"{FOLDER}/{function}.c",)
    )


@register
class Conv2dVnni(Conv2dAvx2):
    """`Conv2dAvx2` with VPDPBUSD: four products of bytes a lane."""

    name = "conv2d.vnni"
    requires = frozenset({"avx512vnni"})

    def cost(self, site: Site) -> Cost:
        """Weights as int8, half the instructions of int16."""
        cost = super().cost(site)
        return Cost(cost.instructions - macs(site) * 0.1, cost.weight_bytes // 2)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_vnni``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        return _vnni(super().emit(site), weights_of(site), bias_of(site, w.out_c), p, w.dilation_w)


@register
class FullyConnectedVnni(FullyConnectedAvx2):
    """`FullyConnectedAvx2` with VPDPBUSD."""

    name = "fully_connected.vnni"
    requires = frozenset({"avx512vnni"})

    def cost(self, site: Site) -> Cost:
        """Weights as int8, half the instructions of int16."""
        cost = super().cost(site)
        return Cost(cost.instructions / 2, cost.weight_bytes // 2)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_x86_vnni``."""
        p, weights = fully_connected_params(site.graph, site.op), weights_of(site)
        as_filter = weights.reshape(len(weights), 1, 1, -1)
        return _vnni(super().emit(site), as_filter, bias_of(site, len(weights)), p, 1)
