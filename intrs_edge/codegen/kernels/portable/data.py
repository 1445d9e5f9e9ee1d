# SPDX-License-Identifier: Apache-2.0
"""Portable kernels that move values without arithmetic: reshape, pad, concatenate, pick."""

from __future__ import annotations

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import constant
from intrs_edge.codegen.kernels.portable.call import call
from intrs_edge.codegen.kernels.portable.tabulate import copies, tables
from intrs_edge.graph.geometry import integer
from intrs_edge.graph.operators import MOVES
from intrs_edge.graph.quantize import per_tensor


@register
class Alias(Kernel):
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

    name = "reshape.portable"
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
    """(in, before, out) extents of a padding, neighbouring unpadded axes merged, as rank 4. ValueError where that is
    not enough.
    """
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
        fields: dict[str, Value] = {"in": extents, "before": before, "out": out, "value": value}
        return call("intrs_pad_portable", "intrs_pad", fields, site.op.inputs[:1], site.op.outputs)


def _pads(site: Site) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in np.asarray(constant(site, 1)).reshape(-1, 2)]


@register
class Concatenation(Kernel):
    """CONCATENATION and PACK: each input in turn to its place."""

    name = "concatenation.portable"
    patterns = (("CONCATENATION",), ("PACK",))
    code_bytes = 80

    def reject(self, site: Site) -> str | None:
        """No fused activation: the values are copied as they are."""
        return None if site.op.attrs.get("activation", "NONE") == "NONE" else "it has a fused activation"

    def cost(self, site: Site) -> Cost:
        """Memory traffic only."""
        return Cost(
            1.5 * site.output().elements,
            sum(site.input(i).bytes for i in range(len(site.op.inputs)) if site.input(i).constant),
        )

    def emit(self, site: Site) -> tuple[Emit, ...]:
        """One ``struct intrs_copy`` an input."""
        shape = site.output().shape
        axis = integer(site.op, "axis", 0) % len(shape)
        inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
        calls, at = [], 0
        for position, tensor in enumerate(site.op.inputs):
            run = inner * (1 if site.op.kind == "PACK" else site.input(position).shape[axis])
            fields: dict[str, Value] = {
                "rows": int(np.prod(shape[:axis], dtype=np.int64)),
                "run": run,
                "in_offset": 0,
                "in_stride": run,
                "out_offset": at,
                "out_stride": shape[axis] * inner,
            }
            calls.append(call("intrs_copy_portable", "intrs_copy", fields, (tensor,), site.op.outputs))
            at += run
        return tuple(calls)


class _Picks(Kernel):
    patterns = tuple((kind,) for kind in MOVES)

    @staticmethod
    def source(site: Site) -> tuple[int, ...]:
        """The one input that is not constant."""
        return tuple(t for t in site.op.inputs if t >= 0 and not site.graph.tensors[t].constant)


def _moved(site: Site) -> int:
    return sum(site.graph.tensors[t].elements for t in site.op.outputs)


@register
class Copy(_Picks):
    """Slices and splits that are runs of bytes a constant stride apart."""

    name = "copy.portable"
    code_bytes = 80

    def reject(self, site: Site) -> str | None:
        """Runs of bytes only."""
        if len(self.source(site)) != 1:
            return "not one input that varies"
        found = copies(site.graph, site.op)
        return "not runs of bytes at a constant stride" if None in found else None

    def cost(self, site: Site) -> Cost:
        """Memory traffic, and a call of memcpy a row."""
        rows = sum(c[0] for c in copies(site.graph, site.op) if c)
        return Cost(0.5 * _moved(site) + 25.0 * rows, 0)

    def emit(self, site: Site) -> tuple[Emit, ...]:
        """One ``struct intrs_copy`` an output."""
        calls = []
        for output, found in zip(site.op.outputs, copies(site.graph, site.op), strict=True):
            assert found is not None
            rows, run, first, stride = found
            fields: dict[str, Value] = {
                "rows": rows,
                "run": run,
                "in_offset": first,
                "in_stride": stride,
                "out_offset": 0,
                "out_stride": run,
            }
            calls.append(call("intrs_copy_portable", "intrs_copy", fields, self.source(site), (output,)))
        return tuple(calls)


@register
class Gather(_Picks):
    """Everything that copies values: transpose, slices, mirror padding, nearest neighbour, indices, blocks."""

    name = "gather.portable"
    code_bytes = 250

    def reject(self, site: Site) -> str | None:
        """Up to six axes."""
        if len(self.source(site)) != 1:
            return "not one input that varies"
        axes = max(len(offsets) for offsets in tables(site.graph, site.op))
        return "more than six axes" if axes > 6 else None

    def cost(self, site: Site) -> Cost:
        """A look-up an element."""
        entries = sum(table.size for offsets in tables(site.graph, site.op) for table in offsets)
        return Cost(7.0 * _moved(site), 4 * entries)

    def emit(self, site: Site) -> tuple[Emit, ...]:
        """One ``struct intrs_gather`` an output."""
        calls = []
        for output, found in zip(site.op.outputs, tables(site.graph, site.op), strict=True):
            offsets = [np.zeros(1, np.int32)] * (6 - len(found)) + found
            fields: dict[str, Value] = {
                "extent": tuple(o.size for o in offsets),
                "offset": tuple(Array(o) for o in offsets),
            }
            calls.append(call("intrs_gather_portable", "intrs_gather", fields, self.source(site), (output,)))
        return tuple(calls)
