"""Portable kernels that move values without arithmetic: reshape, pad."""

from __future__ import annotations

import numpy as np

from intrs_edge.codegen.kernels.base import Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.params import constant
from intrs_edge.graph.quantize import per_tensor


@register
class Alias(Kernel):
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

    name = "reshape.alias"
    patterns = (("RESHAPE",), ("SQUEEZE",), ("EXPAND_DIMS",))
    code_bytes = 0

    def reject(self, site: Site) -> str | None:
        """Never."""
        return None

    def cost(self, site: Site) -> Cost:
        """Nothing."""
        return Cost(0.0, 0)

    def emit(self, site: Site) -> Emit:
        """No call."""
        return Emit("", "", {}, site.op.inputs[:1], site.op.outputs, (), aliases=True)


def fold_pads(shape: tuple[int, ...], pads: list[tuple[int, int]]) -> tuple[list[int], list[int], list[int]]:
    """(in, before, out) extents of a padding, neighbouring unpadded axes merged, as rank 4. ValueError where that is not enough."""
    axes: list[list[int]] = []  # [in, before, after]
    for extent, (before, after) in zip(shape, pads, strict=True):
        if axes and before == after == 0:
            # an unpadded axis under another one: both scale together
            axes[-1] = [v * extent for v in axes[-1]]
        else:
            axes.append([extent, before, after])
    if len(axes) > 4:
        raise ValueError("padding of more than four axes")
    axes = [[1, 0, 0]] * (4 - len(axes)) + axes
    return [a[0] for a in axes], [a[1] for a in axes], [a[0] + a[1] + a[2] for a in axes]


@register
class Pad(Kernel):
    """PAD with the zero point, PADV2 with a constant."""

    name = "pad.portable"
    patterns = (("PAD",), ("PADV2",))
    code_bytes = 250

    def reject(self, site: Site) -> str | None:
        """Up to four axes after merging."""
        try:
            fold_pads(site.input(0).shape, _pads(site))
        except ValueError as error:
            return str(error)
        return None

    def cost(self, site: Site) -> Cost:
        """Memory traffic only."""
        return Cost(1.5 * site.output().elements, 0)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_pad``."""
        extents, before, out = fold_pads(site.input(0).shape, _pads(site))
        value = per_tensor(site.output())[1]
        if site.op.kind == "PADV2":
            value = int(np.asarray(constant(site, 2)).reshape(-1)[0])
        fields = {"in": extents, "before": before, "out": out, "value": value}
        return Emit("intrs_pad", "intrs_pad", fields, site.op.inputs[:1], site.op.outputs, ("kernels/intrs_pad.c",))


def _pads(site: Site) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in np.asarray(constant(site, 1)).reshape(-1, 2)]
