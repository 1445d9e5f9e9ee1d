# SPDX-License-Identifier: Apache-2.0
"""A convolution and the sum of its result with another tensor as one call, composed of two kernels of one folder.

The convolution's result exists one block at a time, in scratch, and the sum may overwrite the other operand, so that a
residual block needs two buffers instead of three (firmware/kernels/common/intrs_blocks.h).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from intrs_edge.codegen.kernels.common.base import Cost, Emit, Kernel, Site, Value
from intrs_edge.graph.geometry import Window, window
from intrs_edge.integers import ceil_div

# instructions a block of rows takes besides the two kernels' own, counted on an emulated M4
_PER_BLOCK = 105.0


class ConvAdd(Kernel):
    """The convolution ``conv`` and the sum ``add``, a block of rows at a time."""

    conv: ClassVar[Kernel]
    add: ClassVar[Kernel]
    function: ClassVar[str]
    struct: ClassVar[str]
    headers: ClassVar[tuple[str, ...]]
    patterns = (("CONV_2D", "ADD"), ("CONV_2D", "SUB"))

    def rows(self, w: Window) -> int:
        """Rows of a block: so many that their pixels are an even number."""
        return min(1 + w.out_w % 2, w.out_h)

    def reject(self, site: Site) -> str | None:
        """Where either kernel cannot stand."""
        conv, add = parts(site)
        return self.conv.reject(conv) or self.add.reject(add)

    def cost(self, site: Site) -> Cost:
        """The two kernels', and the calls for every block."""
        conv, add = (kernel.cost(part) for kernel, part in zip((self.conv, self.add), parts(site), strict=True))
        w = window(site.graph, site.op)
        rows = self.rows(w)
        return Cost(
            conv.instructions + add.instructions + _PER_BLOCK * ceil_div(w.out_h, rows),
            conv.weight_bytes + add.weight_bytes,
            _aligned(conv.scratch_bytes) + rows * w.out_w * w.out_c,
        )

    def place(self, site: Site, conv: Emit, second: int) -> dict[str, Value]:
        """The field that tells where the convolution's result goes."""
        rows = self.rows(window(site.graph, site.op))
        return {"blocks": {"rows": rows, "second": second, "result": _aligned(conv.scratch_bytes or 0)}}

    def emit(self, site: Site) -> Emit:
        """The structs of the convolution and of the addition, and the blocks."""
        conv, add = (kernel.emit(part) for kernel, part in zip((self.conv, self.add), parts(site), strict=True))
        assert isinstance(conv, Emit)
        assert isinstance(add, Emit)
        second = add.inputs.index(conv.outputs[0])
        folder = conv.sources[0].rsplit("/", 1)[0]
        return Emit(
            self.function,
            self.struct,
            {"conv": conv.fields, "add": add.fields, **self.place(site, conv, second)},
            (*conv.inputs, add.inputs[1 - second]),
            add.outputs,
            tuple(dict.fromkeys((f"{folder}/{self.function}.c", *conv.sources, *add.sources))),
            scratch_bytes=self.cost(site).scratch_bytes,
            inplace=(1,),
            headers=(*conv.headers, *self.headers),
        )


def parts(site: Site) -> tuple[Site, Site]:
    """The places of the convolution and of the sum."""
    return replace(site, ops=site.ops[:1]), replace(site, ops=site.ops[1:])


def _aligned(n: int) -> int:
    return ceil_div(n, 16) * 16
