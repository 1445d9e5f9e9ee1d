"""Cortex-M0, M0+ and M3: kernels without the DSP extension. Costs are instructions counted under emulation on an M0
(docs/performance.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels import arm_dsp_pack as pack
from intrs_edge.codegen.kernels.arm_dsp import (
    TableAdd,
    conv_filters,
    filters_of,
    fully_connected_window,
    int8_reason,
)
from intrs_edge.codegen.kernels.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.params import bias_of, constant, window_fields
from intrs_edge.graph.geometry import Window, window
from intrs_edge.graph.quantize import Requant, fully_connected_params

FOLDER = "kernels/arm_m0"
HEADERS = (f"{FOLDER}/intrs_m0.h",)


def conv_stream(filters: pack.Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_m0_conv2d; see intrs_m0.h."""
    flat = filters.flat & 0xFF
    taps = np.pad(flat, ((0, filters.out_c % 2), (0, -flat.shape[1] % 4)))
    pairs = taps.reshape(-1, 2, taps.shape[1] // 2, 2)  # pair, filter, word, tap
    words = pairs[:, 0, :, 0] | pairs[:, 1, :, 0] << 8 | pairs[:, 0, :, 1] << 16 | pairs[:, 1, :, 1] << 24
    requant = pack.requant_words(filters, 1)
    requant[:, 2] |= (filters.up + 1) << 8
    odd = filters.out_c % 2
    requant = np.pad(requant, ((0, odd), (0, 0))).reshape(-1, 6)
    bias = np.pad(filters.folded_bias, (0, odd)).reshape(-1, 2)
    return pack.wrap32(np.concatenate([bias, words, requant], axis=1)).reshape(-1)


def _cost(w: Window) -> Cost:
    taps = -(-w.filter_h * w.filter_w * w.in_c // 4) * 4
    pixels, filters = w.out_h * w.out_w, w.out_c + w.out_c % 2
    instructions = pixels * (4.2 * taps + 150) + pixels * filters / 4 * (14 * taps + 240)
    return Cost(instructions, filters // 2 * (2 * taps + 32), 8 * taps)


def _emit(site: Site, w: Window, q: Requant, filters: pack.Filters) -> Emit:
    function = "intrs_m0_conv2d"
    fields: dict[str, Value] = {
        "w": window_fields(w),
        "in_zero_point": filters.in_zero_point,
        "min": q.min,
        "max": q.max,
        "linear": int(filters.linear),
        "stream": Array(conv_stream(filters)),
    }
    return Emit(
        function,
        function,
        fields,
        site.op.inputs[:1],
        site.op.outputs,
        (f"{FOLDER}/{function}.c",),
        scratch_bytes=_cost(w).scratch_bytes,
        headers=HEADERS,
    )


@register
class Conv2d(Kernel):
    """CONV_2D of one group."""

    name = "conv2d.m0"
    patterns = (("CONV_2D",),)
    requires = frozenset({"armv6m"})
    code_bytes = 900

    def reject(self, site: Site) -> str | None:
        """One group, and the range of the requantisation."""
        why = int8_reason(site)
        if why is not None:
            return why
        w, _, filters = conv_filters(site)
        if site.input(1).shape[3] != w.in_c:
            return "a grouped convolution"
        return pack.requant_reason(filters, 1)

    def cost(self, site: Site) -> Cost:
        return _cost(window(site.graph, site.op))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_m0_conv2d``."""
        return _emit(site, *conv_filters(site))


@register
class FullyConnected(Kernel):
    """FULLY_CONNECTED: a convolution with a 1x1 filter over a row of pixels."""

    name = "fully_connected.m0"
    patterns = (("FULLY_CONNECTED",),)
    requires = frozenset({"armv6m"})
    code_bytes = 900

    def _filters(self, site: Site) -> tuple[Window, Requant, pack.Filters]:
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        filters = filters_of(weights, bias_of(site, weights.shape[0]), p.in_zero_point, p.q)
        return fully_connected_window(site), p.q, filters

    def reject(self, site: Site) -> str | None:
        """The range of the requantisation."""
        return int8_reason(site) or pack.requant_reason(self._filters(site)[2], 1)

    def cost(self, site: Site) -> Cost:
        return _cost(fully_connected_window(site))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_m0_conv2d``."""
        return _emit(site, *self._filters(site))


@register
class Add(TableAdd):
    """The table's sum without it."""

    name = "add.m0"
    requires = frozenset({"armv6m"})
    code_bytes = 150
    function = "intrs_m0_add"
    files = (f"{FOLDER}/intrs_m0_add.c",)
    headers = HEADERS
    per_element = 55.0
