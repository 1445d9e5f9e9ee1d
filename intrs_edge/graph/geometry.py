"""Shapes of windows: padding, stride and dilation as TFLite defines them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from intrs_edge.graph.ir import Graph, Op


@dataclass(frozen=True)
class Window:
    """The C struct ``intrs_window``, and the padding after the last row and column (which kernels do not need)."""

    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    filter_h: int
    filter_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    pad_bottom: int
    pad_right: int


def same_or_valid(padding: str, extent: int, filter_extent: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """(output extent, padding before, padding after) of one axis for TFLite's SAME or VALID."""
    effective = (filter_extent - 1) * dilation + 1
    if padding == "SAME":
        out = -(-extent // stride)
        total = max(0, (out - 1) * stride + effective - extent)
        return out, total // 2, total - total // 2
    return max(0, (extent - effective + stride) // stride), 0, 0


def explicit(extent: int, filter_extent: int, stride: int, dilation: int, before: int, after: int) -> int:
    """Output extent of one axis with given padding."""
    effective = (filter_extent - 1) * dilation + 1
    return max(0, (extent + before + after - effective + stride) // stride)


def integer(op: Op, key: str, default: int) -> int:
    """An integer attribute."""
    return int(cast(int, op.attrs.get(key, default)))


def window(graph: Graph, op: Op) -> Window:
    """The window of a CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D or MAX_POOL_2D."""
    _, in_h, in_w, in_c = graph.tensors[op.inputs[0]].shape
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        weights = graph.tensors[op.inputs[1]].shape
        filter_h, filter_w = weights[1], weights[2]
        out_c = weights[0] if op.kind == "CONV_2D" else weights[3]
    else:
        filter_h, filter_w, out_c = integer(op, "filter_h", 1), integer(op, "filter_w", 1), in_c
    stride_h, stride_w = integer(op, "stride_h", 1), integer(op, "stride_w", 1)
    dilation_h, dilation_w = integer(op, "dilation_h", 1), integer(op, "dilation_w", 1)
    padding = str(op.attrs.get("padding", "VALID"))
    if padding == "EXPLICIT":
        top, bottom, left, right = cast("tuple[int, int, int, int]", op.attrs["pad"])
        out_h = explicit(in_h, filter_h, stride_h, dilation_h, top, bottom)
        out_w = explicit(in_w, filter_w, stride_w, dilation_w, left, right)
    else:
        out_h, top, bottom = same_or_valid(padding, in_h, filter_h, stride_h, dilation_h)
        out_w, left, right = same_or_valid(padding, in_w, filter_w, stride_w, dilation_w)
    return Window(
        in_h, in_w, in_c, out_h, out_w, out_c, filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w,
        top, left, bottom, right,
    )  # fmt: skip
