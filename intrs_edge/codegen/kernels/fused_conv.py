"""A convolution and the sum of its result with another tensor as one call, composed of two kernels.

The convolution's result exists one block at a time, in scratch, and the sum may overwrite the other operand, so that a
residual block needs two buffers instead of three (firmware/kernels/intrs_blocks.h).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from intrs_edge.codegen.kernels import arm_dsp, arm_mve
from intrs_edge.codegen.kernels.base import Cost, Emit, Kernel, Site, Value, register
from intrs_edge.graph.geometry import Window, window

# instructions a block of rows takes besides the two kernels' own, counted on an emulated M4
_PER_BLOCK = 105.0
# and a tile of one filter
_PER_TILE = 50.0


class _Fused(Kernel):
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
        conv, add = _parts(site)
        return self.conv.reject(conv) or self.add.reject(add)

    def cost(self, site: Site) -> Cost:
        """The two kernels', and the calls for every block."""
        conv, add = (kernel.cost(part) for kernel, part in zip((self.conv, self.add), _parts(site), strict=True))
        w = window(site.graph, site.op)
        rows = self.rows(w)
        return Cost(
            conv.instructions + add.instructions + _PER_BLOCK * -(-w.out_h // rows),
            conv.weight_bytes + add.weight_bytes,
            _aligned(conv.scratch_bytes) + rows * w.out_w * w.out_c,
        )

    def place(self, site: Site, conv: Emit, second: int) -> dict[str, Value]:
        """The field that tells where the convolution's result goes."""
        rows = self.rows(window(site.graph, site.op))
        return {"blocks": {"rows": rows, "second": second, "result": _aligned(conv.scratch_bytes or 0)}}

    def emit(self, site: Site) -> Emit:
        """The structs of the convolution and of the addition, and the blocks."""
        conv, add = (kernel.emit(part) for kernel, part in zip((self.conv, self.add), _parts(site), strict=True))
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


def _parts(site: Site) -> tuple[Site, Site]:
    return replace(site, ops=site.ops[:1]), replace(site, ops=site.ops[1:])


def _aligned(n: int) -> int:
    return -(-n // 16) * 16


class _Dsp(_Fused):
    requires = frozenset({"dsp"})
    add = arm_dsp.Add()
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


class _F4(_Dsp):
    function = "intrs_dsp_conv2d_f4"  # its file; the function that adds lies in it
    struct = "intrs_dsp_conv2d_f4_add"
    code_bytes = 5300

    def cost(self, site: Site) -> Cost:
        """The two kernels', and the calls for every tile of every filter."""
        conv, add = (kernel.cost(part) for kernel, part in zip((self.conv, self.add), _parts(site), strict=True))
        w = window(site.graph, site.op)
        tiles = -(-w.out_h // 4) * -(-w.out_w // 4)
        return Cost(
            conv.instructions + add.instructions + _PER_TILE * tiles * w.out_c,
            conv.weight_bytes + add.weight_bytes,
            conv.scratch_bytes,
        )

    def place(self, site: Site, conv: Emit, second: int) -> dict[str, Value]:
        """Tile by tile."""
        return {"second": second}

    def emit(self, site: Site) -> Emit:
        """The structs of the convolution and of the addition."""
        return replace(super().emit(site), function=f"{self.function}_add")


@register
class ConvF4Add(_F4):
    """`conv2d.dsp_f4` and `add.dsp`, a tile at a time."""

    name = "conv2d_add.dsp_f4"
    conv = arm_dsp.Conv2dF4()


@register
class ConvF4ExpandAdd(_F4):
    """`conv2d.dsp_f4_expand` and `add.dsp`, a tile at a time."""

    name = "conv2d_add.dsp_f4_expand"
    conv = arm_dsp.Conv2dF4Expand()


@register
class ConvF4Expand2Add(_F4):
    """`conv2d.dsp_f4_expand2` and `add.dsp`, a tile at a time."""

    name = "conv2d_add.dsp_f4_expand2"
    conv = arm_dsp.Conv2dF4Expand2()


@register
class ConvF4Expand3Add(_F4):
    """`conv2d.dsp_f4_expand3` and `add.dsp`, a tile at a time."""

    name = "conv2d_add.dsp_f4_expand3"
    conv = arm_dsp.Conv2dF4Expand3()


@register
class ConvF4Expand4Add(_F4):
    """`conv2d.dsp_f4_expand4` and `add.dsp`, a tile at a time."""

    name = "conv2d_add.dsp_f4_expand4"
    conv = arm_dsp.Conv2dF4Expand4()


@register
class ConvMveAdd(_Fused):
    """`conv2d.mve` and `add.mve`, a row of outputs at a time."""

    name = "conv2d_add.mve"
    requires = frozenset({"mve"})
    conv = arm_mve.Conv2d()
    add = arm_mve.Add()
    headers = (f"{arm_mve.FOLDER}/intrs_mve_fused.h",)
    function = "intrs_mve_conv2d_add"
    struct = "intrs_mve_conv2d_add"
    code_bytes = 2500

    def rows(self, w: Window) -> int:
        """One: the kernel pairs pixels within rows."""
        return 1
