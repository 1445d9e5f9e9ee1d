# SPDX-License-Identifier: Apache-2.0
"""Ops over chosen axes: sums, means and extremes, products of two values, blocks between plane and depth, gathering."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq import layout
from intrs_edge.convert.qdq.context import Context, Inputs, axes_given, axis_of, moving
from intrs_edge.convert.qdq.finish import plain
from intrs_edge.convert.qdq.values import Activation, Constant, Pending, Value
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Attr, Quant


def axes_of(ctx: Context, inputs: Inputs, rank: int) -> list[int]:
    """The axes that a Reduce node names, as an input or as an attribute; all unless it names some. Ascending."""
    axes = axes_given(ctx, inputs, [])
    if not axes and ctx.attrs.get("noop_with_empty_axes", 0):
        raise Unsupported("it reduces no axis; leave it out")
    return sorted({axis_of(a, rank) for a in axes} or range(rank))


def reduce(kind: str) -> Callable[[Context, Inputs], list[Value]]:
    """MEAN, REDUCE_MAX and REDUCE_MIN; SUM as a MEAN whose codes are taken for the sum's, because TFLite's own SUM is
    no sum where zero points differ from 0 (docs/contract.md)."""

    def handler(ctx: Context, inputs: Inputs) -> list[Value]:
        x = ctx.activation(inputs[0])
        if x.flat is not None:
            x = layout.plain(ctx.emit, x)
        rank, keep = len(x.shape), bool(ctx.attrs.get("keepdims", 1))
        axes = axes_of(ctx, inputs, rank)
        stored = [1 if a in axes else x.shape[a] for a in x.order if keep or a not in axes]
        left = [a for a in range(rank) if keep or a not in axes]
        if not left:
            raise Unsupported("it leaves one number without an axis; there is nothing to classify")
        shape = tuple(1 if a in axes else x.shape[a] for a in left)
        order = tuple(left.index(a) for a in x.order if a in left)
        given = ctx.quant(x)

        def make(quant: Quant) -> Activation:
            count = math.prod(x.shape[a] for a in axes)
            own = quant if kind == "MEAN" else given
            if kind == "SUM":  # the mean's codes at a scale that makes them the sum's
                own = per_tensor(quant.scale[0] / np.float32(count), int(quant.zero_point[0]))
            at = ctx.emit.integers(f"{ctx.name}/axes", [i for i, a in enumerate(x.order) if a in axes])
            op = "MEAN" if kind == "SUM" else kind
            index = ctx.emit.op(op, (x.index, at), stored, own, ctx.name, {"keep_dims": keep})
            if kind == "SUM":
                one: npt.NDArray[np.int8] = np.ones([1] * len(stored), np.int8)
                by = ctx.emit.constant(f"{ctx.name}/count", one, per_tensor(np.float32(count), 0))
                index = ctx.emit.add(index, by, quant, f"{ctx.name}/sum", kind="MUL")
            return ctx.finisher.requantised(Activation(index, shape, order), quant)

        fallback = None if kind == "SUM" else given
        return [Pending(kind, ctx.name, shape, plain(ctx.emit, make), fallback=fallback, rounds=kind == "MEAN")]

    return handler


def batch_matmul(ctx: Context, inputs: Inputs) -> list[Value]:
    """MatMul of two values, or of a value and a constant that is not a matrix: BATCH_MATMUL."""
    x, y = (layout.plain(ctx.emit, ctx.activation(v)) for v in inputs[:2])
    if min(len(x.shape), len(y.shape)) < 2 or x.shape[-1] != y.shape[-2]:
        raise Unsupported(f"the product of {list(x.shape)} and {list(y.shape)} is not one of matrices")
    try:
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError as error:
        raise Unsupported(f"shapes {list(x.shape)} and {list(y.shape)} do not broadcast") from error
    shape = (*batch, x.shape[-2], y.shape[-1])
    attrs: dict[str, Attr] = {"adj_x": False, "adj_y": False, "asymmetric_quantize_inputs": False}

    def make(quant: Quant) -> Activation:
        index = ctx.emit.op("BATCH_MATMUL", (x.index, y.index), shape, quant, ctx.name, attrs)
        return Activation(index, shape, tuple(range(len(shape))))

    return [Pending("MatMul", ctx.name, shape, plain(ctx.emit, make))]


def l2_normalization(ctx: Context, inputs: Inputs) -> list[Value]:
    """LpNormalization, p 2, over the last axis in memory: L2_NORMALIZATION, whose scale TFLite prescribes."""
    x = ctx.activation(inputs[0])
    rank, axis = len(x.shape), int(ctx.attrs.get("axis", -1))
    if int(ctx.attrs.get("p", 2)) != 2 or not -rank <= axis < rank:
        raise Unsupported("only p = 2 over one axis is supported")
    if x.flat is not None or x.order[-1] != axis % rank:
        raise Unsupported("only the norm over channels is supported")

    def make(quant: Quant) -> Activation:
        attrs: dict[str, Attr] = {"activation": "NONE"}
        stored = ctx.emit.shape(x.index)
        index = ctx.emit.op("L2_NORMALIZATION", (x.index,), stored, per_tensor(1 / 128, 0), ctx.name, attrs)
        return ctx.finisher.requantised(replace(x, index=index), quant)

    return [Pending("LpNormalization", ctx.name, x.shape, plain(ctx.emit, make))]


def _block(ctx: Context, x: Activation, *divided: int) -> tuple[Activation, int]:
    if len(x.shape) != 4:
        raise Unsupported(f"it reads a value of shape {list(x.shape)}; images [1, C, H, W] do")
    block = int(ctx.attrs.get("blocksize", 0))
    by = block * block if divided == (1,) else block
    if not 1 <= block <= 1 << 12 or any(x.shape[a] % by for a in divided):
        raise Unsupported(f"blocks of {block} do not divide a value of shape {list(x.shape)}; the file is damaged")
    return layout.image(ctx.emit, x), block


@moving
def space_to_depth(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """SpaceToDepth: ONNX and TFLite order the channels alike."""
    x, b = _block(ctx, x, 2, 3)
    n, c, h, w = x.shape
    at, attrs = (n, h // b, w // b, c * b * b), {"block_size": b}
    index = ctx.emit.op("SPACE_TO_DEPTH", (x.index,), at, ctx.quant(x), ctx.name, attrs)
    return [replace(x, index=index, shape=(n, c * b * b, h // b, w // b))]


@moving
def depth_to_space(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """DepthToSpace: mode DCR is TFLite's; CRD (a pixel shuffle) turns the channels first."""
    x, b = _block(ctx, x, 1)
    n, c, h, w = x.shape
    mode, index = ctx.attrs.get("mode", "DCR"), x.index
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"mode {mode!r} is unknown")
    if mode == "CRD":
        deep = ctx.emit.reshape(index, (n, h * w, c // (b * b), b * b), f"{ctx.name}/deep")
        perm = ctx.emit.integers(f"{ctx.name}/perm", [0, 1, 3, 2])
        at = (n, h * w, b * b, c // (b * b))
        turned = ctx.emit.op("TRANSPOSE", (deep, perm), at, ctx.quant(x), f"{ctx.name}/turned")
        index = ctx.emit.reshape(turned, (n, h, w, c), f"{ctx.name}/image")
    out = (n, c // (b * b), h * b, w * b)
    stored = (n, h * b, w * b, out[1])
    index = ctx.emit.op("DEPTH_TO_SPACE", (index,), stored, ctx.quant(x), ctx.name, {"block_size": b})
    return [replace(x, index=index, shape=out)]


@moving
def gather(ctx: Context, x: Activation, inputs: Inputs) -> list[Activation]:
    """Gather by a constant index, which takes its axis away, or by a row of them."""
    chosen = inputs[1]
    if not isinstance(chosen, Constant) or chosen.value.dtype.kind != "i" or chosen.value.ndim > 1:
        raise Unsupported("its indices are not constants, one or a row of them")
    axis = axis_of(int(ctx.attrs.get("axis", 0)), len(x.shape))
    extent, rows = x.shape[axis], [int(i) for i in chosen.value.reshape(-1)]
    if not rows or any(not -extent <= i < extent for i in rows):
        raise Unsupported(f"its indices are outside an axis of {extent}; the file is damaged")
    taken = along(ctx, x, axis, [i % extent for i in rows])
    if chosen.value.ndim:
        return [taken]
    left = tuple(n for a, n in enumerate(taken.shape) if a != axis)
    return [layout.reshape(ctx.emit, taken, left, f"{ctx.name}/taken")]


def along(ctx: Context, x: Activation, axis: int, rows: list[int]) -> Activation:
    """The value's parts at ``rows`` of an axis of ONNX's, in that order: GATHER."""
    if x.flat is not None:
        x = layout.plain(ctx.emit, x)
    place = x.order.index(axis)
    stored = tuple(len(rows) if i == place else n for i, n in enumerate(ctx.emit.shape(x.index)))
    attrs: dict[str, Attr] = {"axis": place, "batch_dims": 0}
    at = ctx.emit.integers(f"{ctx.name}/rows", rows)
    index = ctx.emit.op("GATHER", (x.index, at), stored, ctx.quant(x), ctx.name, attrs)
    return replace(x, index=index, shape=tuple(len(rows) if a == axis else n for a, n in enumerate(x.shape)))
