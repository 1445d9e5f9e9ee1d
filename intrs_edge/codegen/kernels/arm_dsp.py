"""Cortex-M4, M7 and M33: kernels with the DSP extension. Costs are instructions counted on an emulated M4
(docs/performance.md).
"""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels import arm_dsp_pack as pack
from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import bias_of, constant, window_fields
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import Requant, add_params, conv_params, fully_connected_params, pool_params

FOLDER = "kernels/arm_dsp"
HEADERS = (f"{FOLDER}/intrs_dsp.h",)


def sources(*functions: str) -> tuple[str, ...]:
    """Files of these functions."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)


def linear(q: Requant) -> bool:
    """Whether values below the zero point can be seen in the output."""
    return q.min < q.zero_point


def filters_of(
    weights: npt.NDArray[np.generic], bias: npt.NDArray[np.int32], in_zero_point: int, q: Requant
) -> pack.Filters:
    """The packer's view of a convolution; weights ``[out_c, ...]``."""
    multiplier = np.broadcast_to(q.multiplier.astype(np.int64), (weights.shape[0],))
    shift = np.broadcast_to(q.shift.astype(np.int64), (weights.shape[0],))
    return pack.Filters(
        cast("npt.NDArray[np.int8]", weights),
        bias.astype(np.int64),
        in_zero_point,
        multiplier,
        shift,
        q.zero_point,
        linear(q),
    )


def conv_filters(site: Site) -> tuple[Window, Requant, pack.Filters]:
    """Window, requantisation and constants of a CONV_2D."""
    w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
    return w, p.q, filters_of(constant(site, 1), bias_of(site, w.out_c), p.in_zero_point, p.q)


def int8_reason(site: Site) -> str | None:
    """Why an op does not go from int8 activations with constant weights to int8, or None."""
    wrong = [t.dtype for t in (site.input(0), site.output(0)) if t.dtype != "int8"]
    if wrong:
        return f"{wrong[0]} values"
    return None if site.input(1).constant else "the weights are not constant"


def direct_cost(w: Window, wide: bool) -> Cost:
    """Of a direct convolution: products, staging of windows, requantisation."""
    taps = w.filter_h * w.filter_w * w.in_c
    steps, pixels, filters = -(-taps // 4), w.out_h * w.out_w, w.out_c + w.out_c % 2
    stage = (7.75 if w.in_c % 4 == 0 else 14.0) * steps + 70
    block = (10.4 if wide else 14.4) * steps + 56
    instructions = pixels / 2 * (2 * stage / 2 + filters / 2 * block + 40)
    words = 4 * steps if wide else 2 * steps
    return Cost(instructions, filters // 2 * 4 * (words + 8), 24 * steps + w.out_c)


class _Direct(Kernel):
    patterns = (("CONV_2D",),)
    requires = frozenset({"dsp"})
    code_bytes = 2300
    wide = False

    def reject(self, site: Site) -> str | None:
        """One group, and the range of three-instruction requantisation."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, _, filters = conv_filters(site)
        if site.input(1).shape[3] != w.in_c:
            return "a grouped convolution"
        return pack.requant_reason(filters, 1)

    def cost(self, site: Site) -> Cost:
        return direct_cost(window(site.graph, site.op), self.wide)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_dsp_conv2d``."""
        w, q, filters = conv_filters(site)
        return direct_emit(site, w, q, filters, self.wide)


def direct_emit(site: Site, w: Window, q: Requant, filters: pack.Filters, wide: bool) -> Emit:
    """The call of a direct convolution."""
    function = "intrs_dsp_conv2d_s16" if wide else "intrs_dsp_conv2d_s8"
    fields: dict[str, Value] = {
        "w": window_fields(w),
        "in_zero_point": filters.in_zero_point,
        "min": q.min,
        "max": q.max,
        "linear": int(filters.linear),
        "stream": Array(pack.direct_stream(filters, wide)),
    }
    return Emit(
        function,
        "intrs_dsp_conv2d",
        fields,
        site.op.inputs[:1],
        site.op.outputs,
        sources(function, "intrs_dsp_stage", "intrs_dsp_clamp"),
        scratch_bytes=direct_cost(w, wide).scratch_bytes,
        headers=HEADERS,
    )


@register
class Conv2dS8(_Direct):
    """CONV_2D, int8 weights widened in the loop."""

    name = "conv2d.dsp_s8"


@register
class Conv2dS16(_Direct):
    """CONV_2D, int16 weights."""

    name = "conv2d.dsp_s16"
    wide = True


def _tiles(w: Window) -> int:
    return -(-w.out_h // 4) * -(-w.out_w // 4)


class _F4(Kernel):
    patterns = (("CONV_2D",),)
    requires = frozenset({"dsp"})
    code_bytes = 5300
    expand = False
    passes = 1  # over the filters' transforms: more of them need less scratch

    def reject(self, site: Site) -> str | None:
        """3x3, stride 1, 4 to 64 channels, accumulators below 2^25."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, _, filters = conv_filters(site)
        shape = (w.filter_h, w.filter_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w)
        if shape != (3, 3, 1, 1, 1, 1) or site.input(1).shape[3] != w.in_c:
            return "not 3x3 with stride 1, dilation 1 and one group"
        if w.in_c % 4 or w.in_c > 64:
            return f"{w.in_c} input channels: not a multiple of 4 up to 64"
        if self.expand and w.out_c % 2:
            return "an odd number of filters"
        if self.passes > 1 and -(-_tiles(w) // (2 * self.passes)) == -(-_tiles(w) // (2 * (self.passes - 1))):
            return f"{self.passes} passes save nothing"
        return pack.requant_reason(filters, 6)

    def pairs(self, w: Window) -> int:
        """Pairs of tiles whose transforms lie in scratch together."""
        if not self.expand:
            return 1
        return min(-(-_tiles(w) // (2 * self.passes)), max(1, 36864 // (144 * w.in_c)))

    def scratch(self, w: Window) -> int:
        """INTRS_DSP_F4_SCRATCH."""
        gathered = 144 + 36 * w.in_c if w.in_c > 16 else 720
        return 144 * w.in_c * self.pairs(w) + (144 * w.in_c + 576 if self.expand else gathered)

    def cost(self, site: Site) -> Cost:
        """Counted: input transform, products, output transform, and the filters' transform for every block of tiles."""
        w = window(site.graph, site.op)
        tiles = _tiles(w)
        quads, filters = w.in_c // 4, w.out_c + w.out_c % 2
        blocks = -(-tiles // (2 * self.pairs(w)))
        instructions = tiles * (840 * quads + 150) + (tiles + tiles % 2) * filters * (9.0 * (10 * quads + 8) + 365)
        if self.expand:
            return Cost(
                instructions + blocks * filters * quads * 505,
                filters // 2 * 64 + site.input(1).bytes,
                self.scratch(w),
            )
        return Cost(instructions, filters // 2 * (64 + 144 * w.in_c), self.scratch(w))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_dsp_conv2d_f4``."""
        w, q, filters = conv_filters(site)
        function = "intrs_dsp_conv2d_f4"
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": filters.in_zero_point,
            "min": q.min,
            "max": q.max,
            "pairs": self.pairs(w),
            "linear": int(linear(q)),
            "stream": Array(pack.f4_stream(filters, not self.expand)),
            "weights": Array(filters.weights.reshape(-1)) if self.expand else None,
        }
        return Emit(
            function,
            function,
            fields,
            site.op.inputs[:1],
            site.op.outputs,
            sources(function, "intrs_dsp_clamp"),
            scratch_bytes=self.scratch(w),
            headers=HEADERS,
        )


@register
class Conv2dF4(_F4):
    """CONV_2D 3x3 by F(4x4, 3x3), filters transformed in flash."""

    name = "conv2d.dsp_f4"


@register
class Conv2dF4Expand(_F4):
    """CONV_2D 3x3 by F(4x4, 3x3), filters transformed on the way: the flash of int8 weights."""

    name = "conv2d.dsp_f4_expand"
    expand = True


@register
class Conv2dF4Expand2(Conv2dF4Expand):
    """The same with half of the tiles at a time: less scratch, the filters' transforms twice."""

    name = "conv2d.dsp_f4_expand2"
    passes = 2


@register
class Conv2dF4Expand3(Conv2dF4Expand):
    """The same with a third of the tiles at a time."""

    name = "conv2d.dsp_f4_expand3"
    passes = 3


@register
class Conv2dF4Expand4(Conv2dF4Expand):
    """The same with a quarter of the tiles at a time."""

    name = "conv2d.dsp_f4_expand4"
    passes = 4


def fully_connected_window(site: Site) -> Window:
    """A FULLY_CONNECTED as a 1x1 convolution over one row of pixels."""
    out_n, in_n = site.input(1).shape
    rows = site.input(0).elements // in_n
    return Window(1, rows, in_n, 1, rows, out_n, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


@register
class FullyConnected(Kernel):
    """FULLY_CONNECTED: a direct convolution of rows of pixels with a 1x1 filter."""

    name = "fully_connected.dsp_s8"
    patterns = (("FULLY_CONNECTED",),)
    requires = frozenset({"dsp"})

    def reject(self, site: Site) -> str | None:
        """The range of three-instruction requantisation."""
        why = int8_reason(site)
        if why is not None:
            return why
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        return pack.requant_reason(filters_of(weights, bias_of(site, weights.shape[0]), p.in_zero_point, p.q), 1)

    def cost(self, site: Site) -> Cost:
        return direct_cost(fully_connected_window(site), wide=False)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_dsp_conv2d``."""
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        filters = filters_of(weights, bias_of(site, weights.shape[0]), p.in_zero_point, p.q)
        return direct_emit(site, fully_connected_window(site), p.q, filters, wide=False)


def sum_reason(site: Site) -> str | None:
    """Why an op does not combine two int8 activations of one shape, or None."""
    tensors = [site.input(0), site.input(1), site.output()]
    if any(t.dtype != "int8" or t.constant for t in tensors):
        return "operands that are not int8 activations"
    return "a broadcast operand" if len({t.shape for t in tensors}) != 1 else None


class TableAdd(Kernel):
    """ADD and SUB of two activations of one shape: a table of 1 KB for the operand with the smaller scale."""

    patterns = (("ADD",), ("SUB",))
    function: ClassVar[str]  # also the name of its struct
    files: ClassVar[tuple[str, ...]]
    headers: ClassVar[tuple[str, ...]]
    per_element: ClassVar[float]  # instructions

    def reject(self, site: Site) -> str | None:
        """Two int8 activations of one shape, one of which is scaled by exactly 1/2."""
        return sum_reason(site) or pack.add_reason(add_params(site.graph, site.op))

    def cost(self, site: Site) -> Cost:
        return Cost(self.per_element * site.output().elements + 40, 1024)

    def emit(self, site: Site) -> Emit:
        """The struct named like the function."""
        p = add_params(site.graph, site.op)
        exact = pack.exact_operand(p)
        table, words = pack.add_table(p)
        fields: dict[str, Value] = {
            "n": site.output().elements,
            "table": Array(table),
            "multiplier": words[0],
            "addend": words[1],
            "shift": words[2],
            "linear": int(linear(p.q)),
            "min": p.q.min,
            "max": p.q.max,
        }
        inputs = (site.op.inputs[1 - exact], site.op.inputs[exact])
        return Emit(
            self.function,
            self.function,
            fields,
            inputs,
            site.op.outputs,
            self.files,
            inplace=(0, 1),
            headers=self.headers,
        )


@register
class Add(TableAdd):
    """The table's sum with the DSP extension."""

    name = "add.dsp"
    requires = frozenset({"dsp"})
    code_bytes = 300
    function = "intrs_dsp_add"
    files = sources("intrs_dsp_add", "intrs_dsp_clamp")
    headers = HEADERS
    per_element = 10.5


@register
class Depthwise2d(Kernel):
    """DEPTHWISE_CONV_2D with multiplier 1."""

    name = "depthwise2d.dsp"
    patterns = (("DEPTHWISE_CONV_2D",),)
    requires = frozenset({"dsp"})
    code_bytes = 1500

    def _filters(self, site: Site) -> tuple[Window, Requant, pack.Filters]:
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        by_channel = np.moveaxis(constant(site, 1), 3, 0).reshape(w.out_c, -1)
        return w, p.q, filters_of(by_channel, bias_of(site, w.out_c), p.in_zero_point, p.q)

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, four channels or more, and the range of three-instruction requantisation."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, _, filters = self._filters(site)
        if w.in_c != w.out_c:
            return f"multiplier {w.out_c // w.in_c}"
        return "fewer than four channels" if w.in_c < 4 else pack.requant_reason(filters, 1)

    def cost(self, site: Site) -> Cost:
        w = window(site.graph, site.op)
        taps, groups = w.filter_h * w.filter_w, -(-w.in_c // 4)
        return Cost(w.out_h * w.out_w * (groups * (8.5 * taps + 45) + 40), groups * (8 * taps + 64), taps * w.in_c)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_dsp_conv2d``."""
        w, q, filters = self._filters(site)
        function = "intrs_dsp_depthwise2d"
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "in_zero_point": filters.in_zero_point,
            "min": q.min,
            "max": q.max,
            "linear": int(filters.linear),
            "stream": Array(pack.depthwise_stream(filters)),
        }
        return Emit(
            function,
            "intrs_dsp_conv2d",
            fields,
            site.op.inputs[:1],
            site.op.outputs,
            sources(function, "intrs_dsp_clamp"),
            scratch_bytes=w.filter_h * w.filter_w * w.in_c,
            headers=HEADERS,
        )


@register
class AveragePool2d(Kernel):
    """AVERAGE_POOL_2D, four channels at a time."""

    name = "average_pool2d.dsp"
    patterns = (("AVERAGE_POOL_2D",),)
    requires = frozenset({"dsp"})
    code_bytes = 350

    def reject(self, site: Site) -> str | None:
        """int8, channels a multiple of four, at most 255 taps."""
        if site.input(0).dtype != "int8":
            return f"{site.input(0).dtype} values"
        w = window(site.graph, site.op)
        if w.in_c % 4:
            return f"{w.in_c} channels: not a multiple of 4"
        return "more than 255 taps" if w.filter_h * w.filter_w > 255 else None

    def cost(self, site: Site) -> Cost:
        w = window(site.graph, site.op)
        return Cost(site.output().elements * (2.25 * w.filter_h * w.filter_w + 15), 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_pool2d``."""
        p = pool_params(site.graph, site.op)
        fields: dict[str, Value] = {"w": window_fields(window(site.graph, site.op)), "min": p.min, "max": p.max}
        function = "intrs_dsp_average_pool2d"
        source = sources(function)
        return Emit(function, "intrs_pool2d", fields, site.op.inputs[:1], site.op.outputs, source, headers=HEADERS)
