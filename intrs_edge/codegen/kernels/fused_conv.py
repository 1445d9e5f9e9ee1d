"""A convolution and the sum of its result with another tensor as one call, composed of an instruction set's two kernels.

The convolution's result exists one block at a time, in scratch, and the sum may overwrite the other operand, so that a
residual block needs two buffers instead of three (firmware/kernels/intrs_blocks.h).
"""

from __future__ import annotations

from typing import ClassVar

from intrs_edge.codegen.kernels import arm_dsp, arm_mve
from intrs_edge.codegen.kernels.base import Cost, Emit, Kernel, Site, Value, register
from intrs_edge.graph.geometry import Window, window

# instructions a block and a run of the addition take besides the two kernels' own, counted on an emulated M4
_PER_BLOCK, _PER_RUN = 120.0, 60.0


class _Fused(Kernel):
    conv: ClassVar[Kernel]
    add: ClassVar[Kernel]
    function: ClassVar[str]
    struct: ClassVar[str]
    folder: ClassVar[str]
    headers: ClassVar[tuple[str, ...]]
    patterns = (("CONV_2D", "ADD"), ("CONV_2D", "SUB"))

    def block(self, w: Window) -> tuple[int, int]:
        """Rows and columns of a block: a row, or two so that their pixels are an even number."""
        return min(1 + w.out_w % 2, w.out_h), w.out_w

    def waste(self, w: Window) -> float:
        """Outputs that the blocks compute, over those that the whole image needs."""
        return 1.0

    def _parts(self, site: Site) -> tuple[Site, Site]:
        return Site(site.graph, site.ops[:1], site.batch), Site(site.graph, site.ops[1:], site.batch)

    def reject(self, site: Site) -> str | None:
        """Where either kernel cannot stand."""
        conv, add = self._parts(site)
        return self.conv.reject(conv) or self.add.reject(add)

    def cost(self, site: Site) -> Cost:
        """The two kernels', and the calls for every block."""
        conv, add = (kernel.cost(part) for kernel, part in zip((self.conv, self.add), self._parts(site), strict=True))
        w = window(site.graph, site.op)
        rows, columns = self.block(w)
        blocks = -(-w.out_h // rows) * -(-w.out_w // columns)
        runs = blocks if columns >= w.out_w else w.out_h * -(-w.out_w // columns)
        return Cost(
            conv.instructions * self.waste(w) + add.instructions + _PER_BLOCK * blocks + _PER_RUN * runs,
            conv.weight_bytes + add.weight_bytes,
            _aligned(conv.scratch_bytes) + rows * columns * w.out_c,
        )

    def emit(self, site: Site) -> Emit:
        """The struct of the convolution, that of the addition, and the blocks."""
        conv, add = (kernel.emit(part) for kernel, part in zip((self.conv, self.add), self._parts(site), strict=True))
        assert isinstance(conv, Emit)
        assert isinstance(add, Emit)
        rows, columns = self.block(window(site.graph, site.op))
        second = add.inputs.index(conv.outputs[0])
        blocks: dict[str, Value] = {
            "rows": rows,
            "columns": columns,
            "second": second,
            "result": _aligned(conv.scratch_bytes or 0),
        }
        fields: dict[str, Value] = {"conv": conv.fields, "add": add.fields, "blocks": blocks}
        return Emit(
            self.function,
            self.struct,
            fields,
            (*conv.inputs, add.inputs[1 - second]),
            add.outputs,
            tuple(dict.fromkeys((f"{self.folder}/{self.function}.c", *conv.sources, *add.sources))),
            scratch_bytes=self.cost(site).scratch_bytes,
            inplace=(1,),
            headers=(*conv.headers, *self.headers),
        )


def _aligned(n: int) -> int:
    return -(-n // 16) * 16


class _Dsp(_Fused):
    requires = frozenset({"dsp"})
    add = arm_dsp.Add()
    folder = arm_dsp.FOLDER
    headers = (f"{arm_dsp.FOLDER}/intrs_dsp_fused.h",)


@register
class ConvS8Add(_Dsp):
    """`conv2d.dsp_s8` and `add.dsp`, a row of outputs at a time."""

    name = "conv2d_add.dsp_s8"
    conv = arm_dsp.Conv2dS8()
    function = "intrs_dsp_conv2d_s8_add"
    struct = "intrs_dsp_conv2d_add"
    code_bytes = 2900


@register
class ConvS16Add(_Dsp):
    """`conv2d.dsp_s16` and `add.dsp`, a row of outputs at a time."""

    name = "conv2d_add.dsp_s16"
    conv = arm_dsp.Conv2dS16()
    function = "intrs_dsp_conv2d_s16_add"
    struct = "intrs_dsp_conv2d_add"
    code_bytes = 2900


@register
class ConvF4Add(_Dsp):
    """`conv2d.dsp_f4` and `add.dsp`, a pair of tiles at a time."""

    name = "conv2d_add.dsp_f4"
    conv = arm_dsp.Conv2dF4()
    function = "intrs_dsp_conv2d_f4_add"
    struct = "intrs_dsp_conv2d_f4_add"
    code_bytes = 5300

    def block(self, w: Window) -> tuple[int, int]:
        """Two tiles of 4x4, beside each other where a row has an even number of them."""
        return (8, 4) if -(-w.out_w // 4) % 2 else (4, 8)

    def waste(self, w: Window) -> float:
        """A tile more where rows and columns of tiles are both odd: the last row's tiles have no partners."""
        across, down = -(-w.out_w // 4), -(-w.out_h // 4)
        tiles = across * down
        return (tiles + across if tiles % 2 else tiles) / (tiles + tiles % 2)


@register
class ConvMveAdd(_Fused):
    """`conv2d.mve` and `add.mve`, a row of outputs at a time."""

    name = "conv2d_add.mve"
    requires = frozenset({"mve"})
    conv = arm_mve.Conv2d()
    add = arm_mve.Add()
    folder = arm_mve.FOLDER
    headers = (f"{arm_mve.FOLDER}/intrs_mve_fused.h",)
    function = "intrs_mve_conv2d_add"
    struct = "intrs_mve_conv2d_add"
    code_bytes = 2500

    def block(self, w: Window) -> tuple[int, int]:
        """A row: the kernel pairs pixels within rows."""
        return 1, w.out_w
