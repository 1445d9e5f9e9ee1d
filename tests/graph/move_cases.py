"""Random graphs around one operator that moves values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from draws import (
    Draw,
    image,
    scales,
    seeds,
    zeros,
)
from hypothesis import strategies as st

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph, Op, Tensor


def _pad(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        x = image(draw, b, 5, 4)
        reflect = draw(st.booleans())
        amounts = [(0, 0)]
        for n in b.shape(x)[1:]:
            most = 3 if kind != "MIRROR_PAD" else n - 1 if reflect else n
            amounts.append((draw(st.integers(0, most)), draw(st.integers(0, most))))
        table = b.constant(amounts, dtype=draw(st.sampled_from(["int32", "int64"])))
        shape = [n + p + q for n, (p, q) in zip(b.shape(x), amounts, strict=True)]
        q = b.quant_of(x)
        attrs, inputs = {}, [x, table]
        if kind == "PADV2":
            inputs.append(b.constant([draw(zeros)], scale=float(q.scale[0]), zero_point=int(q.zero_point[0])))
        if kind == "MIRROR_PAD":
            attrs = {"mode": "REFLECT" if reflect else "SYMMETRIC"}
        return b.build(b.op(kind, inputs, shape, q, attrs))

    return case


def _shaped(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        if kind == "SQUEEZE":
            x = b.input((1, 1, draw(st.integers(1, 5)), 1), scale=draw(scales), zero_point=draw(zeros))
            return b.build(b.op(kind, [x], (1, b.shape(x)[2]), b.quant_of(x), {"squeeze_dims": (1, 3)}))
        x = b.input((1, draw(st.integers(1, 5)), draw(st.integers(1, 5))), scale=draw(scales), zero_point=draw(zeros))
        _, h, w = b.shape(x)
        if kind == "EXPAND_DIMS":
            return b.build(b.op(kind, [x, b.constant([-1], dtype="int32")], (1, h, w, 1), b.quant_of(x)))
        return b.build(b.reshape(x, (1, w, h) if draw(st.booleans()) else (1, h * w)))

    return case


def transpose(draw: Draw) -> Graph:
    """Two to five axes."""
    b = GraphBuilder()
    rank = draw(st.integers(2, 5))
    x = b.input((1, *(draw(st.integers(1, 4)) for _ in range(rank - 1))), scale=draw(scales), zero_point=draw(zeros))
    axes = (0, *draw(st.permutations(range(1, rank))))
    shape = [b.shape(x)[a] for a in axes]
    return b.build(b.op("TRANSPOSE", [x, b.constant(axes, dtype="int32")], shape, b.quant_of(x)))


def concatenation(draw: Draw) -> Graph:
    """The input, with itself and constants, along any axis but the batch."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = image(draw, b, 4, 4)
    axis = draw(st.sampled_from([1, 2, 3, -1]))
    q = b.quant_of(x)
    parts = [x]
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            parts.append(x)
        else:
            shape = list(b.shape(x))
            shape[axis] = draw(st.integers(1, 3))
            values = rng.integers(-128, 128, shape)
            parts.append(b.constant(values, scale=float(q.scale[0]), zero_point=int(q.zero_point[0])))
    return b.build(b.concatenation(draw(st.permutations(parts)), axis))


def split(draw: Draw) -> Graph:
    """The parts meet again in another order."""
    b = GraphBuilder()
    parts, axis = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, -2]))
    shape = [1, draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    shape[axis] *= parts
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    outs = b.split(x, axis, parts)
    return b.build(b.concatenation(outs[::-1], axis))


def split_v(draw: Draw) -> Graph:
    """Parts of different extents, one of which may be what the others leave; they meet again in another order."""
    b = GraphBuilder()
    x = image(draw, b, 6, 6)
    axis = draw(st.sampled_from([1, 2, 3, -2]))
    extent, sizes = b.shape(x)[axis], []
    while extent:
        sizes.append(draw(st.integers(1, extent)))
        extent -= sizes[-1]
    given = [-1 if i == draw(st.integers(0, 9)) else n for i, n in enumerate(sizes)]
    given = sizes if given.count(-1) > 1 else given
    outs = []
    for n in sizes:
        shape = list(b.shape(x))
        shape[axis] = n
        outs.append(b.tensor(Tensor(f"part{len(outs)}", tuple(shape), "int8", b.quant_of(x))))
    inputs = (x, b.constant(given, dtype="int32"), b.constant(axis, dtype="int32"))
    b.ops.append(Op("SPLIT_V", inputs, tuple(outs), {"num_splits": len(sizes)}, "part0"))
    return b.build(b.concatenation(outs[::-1], axis))


def unpack(draw: Draw) -> Graph:
    """The parts meet again in another order, along any axis."""
    b = GraphBuilder()
    x = image(draw, b, 4, 4)
    axis = draw(st.sampled_from([1, 2, 3, -1, -3]))
    shape = list(b.shape(x))
    n = shape.pop(axis)
    outs = [b.tensor(Tensor(f"part{i}", tuple(shape), "int8", b.quant_of(x))) for i in range(n)]
    b.ops.append(Op("UNPACK", (x,), tuple(outs), {"num": n, "axis": axis}, "part0"))
    return b.build(_packed(draw, b, draw(st.permutations(outs)), draw(st.sampled_from([1, 2, 3, -1]))))


def _packed(draw: Draw, b: GraphBuilder, parts: list[int], axis: int) -> int:
    shape = list(b.shape(parts[0]))
    shape.insert(axis % (len(shape) + 1), len(parts))
    return b.op("PACK", parts, shape, b.quant_of(parts[0]), {"values_count": len(parts), "axis": axis})


def pack(draw: Draw) -> Graph:
    """The input, with itself and constants, along a new axis."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    shape = (1, draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    q = b.quant_of(x)
    parts = [x]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            parts.append(x)
        else:
            values = rng.integers(-128, 128, shape)
            parts.append(b.constant(values, scale=float(q.scale[0]), zero_point=int(q.zero_point[0])))
    return b.build(_packed(draw, b, draw(st.permutations(parts)), draw(st.sampled_from([1, 2, 3, -1, -2]))))


def gather(draw: Draw) -> Graph:
    """One index, a list or a table of them, along any axis; batch dimensions of extent 1."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = image(draw, b, 5, 5)
    shape = b.shape(x)
    axis = draw(st.integers(1, 3))
    batch = draw(st.integers(0, 1))
    where = draw(st.sampled_from([(), (3,), (2, 2)]))
    indices = b.constant(rng.integers(0, shape[axis], (*shape[:batch], *where)), dtype="int32")
    attrs = {"axis": axis if batch else draw(st.sampled_from([axis, axis - 4])), "batch_dims": batch}
    result = (*shape[:axis], *where, *shape[axis + 1 :])
    return b.build(b.op("GATHER", [x, indices], result, b.quant_of(x), attrs))


def _blocks(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        block, h, w, c = (draw(st.integers(1, 4)) for _ in range(4))
        small = (1, h, w, c * block * block)
        large = (1, h * block, w * block, c)
        source, target = (large, small) if kind == "SPACE_TO_DEPTH" else (small, large)
        x = b.input(source, scale=draw(scales), zero_point=draw(zeros))
        return b.build(b.op(kind, [x], target, b.quant_of(x), {"block_size": block}))

    return case


def tile(draw: Draw) -> Graph:
    """Copies along some axes."""
    b = GraphBuilder()
    x = image(draw, b, 4, 4)
    times = [1, *(draw(st.integers(1, 3)) for _ in range(3))]
    shape = [n * t for n, t in zip(b.shape(x), times, strict=True)]
    return b.build(b.op("TILE", [x, b.constant(times, dtype="int32")], shape, b.quant_of(x)))


def reverse(draw: Draw) -> Graph:
    """Along one axis."""
    b = GraphBuilder()
    x = image(draw, b, 5, 5)
    axes = b.constant([draw(st.sampled_from([1, 2, 3, -1]))], dtype="int32")
    return b.build(b.op("REVERSE_V2", [x, axes], b.shape(x), b.quant_of(x)))


def broadcast_to(draw: Draw) -> Graph:
    """Along axes of extent 1."""
    b = GraphBuilder()
    shape = (1, *(draw(st.sampled_from([1, 1, 3])) for _ in range(3)))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    target = tuple(draw(st.integers(1, 4)) if n == 1 and i else n for i, n in enumerate(shape))
    return b.build(b.op("BROADCAST_TO", [x, b.constant(target, dtype="int32")], target, b.quant_of(x)))


def slice_(draw: Draw) -> Graph:
    """SLICE."""
    b = GraphBuilder()
    x = image(draw, b)
    begin = [draw(st.integers(0, n - 1)) for n in b.shape(x)]
    size = [draw(st.integers(1, n - s)) for n, s in zip(b.shape(x), begin, strict=True)]
    given = [-1 if draw(st.booleans()) and s + n == e else n for s, n, e in zip(begin, size, b.shape(x), strict=True)]
    inputs = [x, b.constant(begin, dtype="int32"), b.constant(given, dtype="int32")]
    return b.build(b.op("SLICE", inputs, size, b.quant_of(x)))


def strided_slice(draw: Draw) -> Graph:
    """Every mask, steps in both directions, fewer entries than the input has axes. The shape is numpy's."""
    b = GraphBuilder()
    x = image(draw, b)
    shape = b.shape(x)
    names = ("begin", "end", "shrink_axis", "new_axis", "ellipsis")
    masks = dict.fromkeys((f"{name}_mask" for name in names), 0)
    entries: list[tuple[int, int, int]] = []
    index: list[object] = []

    def entry(begin: int, end: int, step: int, what: object, *marks: str) -> None:
        for mark in marks:
            masks[f"{mark}_mask"] |= 1 << len(entries)
        entries.append((begin, end, step))
        index.append(what)

    axis, last = 0, draw(st.integers(1, 4))
    while axis < last:
        n = shape[axis]
        kind = draw(st.sampled_from(["range", "range", "range", "whole", "shrink", "new", "ellipsis"]))
        begin, end = draw(st.integers(-n, n - 1)), draw(st.integers(-n, n + 2))
        if kind == "new" and not masks["new_axis_mask"]:
            entry(begin, end, 1, np.newaxis, "new_axis", *draw(st.sampled_from([(), ("shrink_axis",)])))
            continue
        if kind == "ellipsis" and not masks["ellipsis_mask"]:
            entry(begin, end, 1, Ellipsis, "ellipsis", *draw(st.sampled_from([(), ("new_axis",)])))
            skipped = draw(st.integers(1, 4 - axis))
            axis, last = axis + skipped, 4  # the rest is spelt out
            continue
        axis += 1
        if axis == 1:  # the batch stays
            entry(0, 1, 1, slice(None), "begin", "end")
        elif kind == "shrink":
            first = draw(st.booleans())  # begin_mask: index 0, whatever begin says
            entry(begin, end, 1, 0 if first else begin, "shrink_axis", *(["begin"] if first else []))
        else:
            step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
            taken = slice(begin, end, step)
            whole = kind == "whole" or not range(n)[taken]
            entry(begin, end, step, slice(None, None, step) if whole else taken, *(["begin", "end"] if whole else []))
    result = np.empty(shape)[tuple(index)].shape
    inputs = [x, *(b.constant(v, dtype="int32") for v in zip(*entries, strict=True))]
    return b.build(b.op("STRIDED_SLICE", inputs, result, b.quant_of(x), {**masks, "offset": False}))


MOVES: dict[str, Callable[[Draw], Graph]] = {
    "PAD": _pad("PAD"),
    "PADV2": _pad("PADV2"),
    "MIRROR_PAD": _pad("MIRROR_PAD"),
    "RESHAPE": _shaped("RESHAPE"),
    "SQUEEZE": _shaped("SQUEEZE"),
    "EXPAND_DIMS": _shaped("EXPAND_DIMS"),
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "UNPACK": unpack,
    "PACK": pack,
    "GATHER": gather,
    "SPACE_TO_DEPTH": _blocks("SPACE_TO_DEPTH"),
    "DEPTH_TO_SPACE": _blocks("DEPTH_TO_SPACE"),
    "TILE": tile,
    "REVERSE_V2": reverse,
    "BROADCAST_TO": broadcast_to,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
}
