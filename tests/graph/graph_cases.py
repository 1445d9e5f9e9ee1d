"""Random graphs for contract tests: every supported operator over shapes, windows, scales, zero points and activations.

`op_graph(kind)` is a hypothesis strategy of one-operator graphs, `small_graph()` of small networks; `inputs_for` gives
inputs that reach the extremes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph, Op, Tensor

Draw = Callable[..., object]
ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")

seeds = st.integers(0, 2**32 - 1)
scales = st.one_of(st.floats(1e-3, 1.0), st.sampled_from([1 / 256, 1 / 128, 0.0625, 0.5]))
zeros = st.one_of(st.integers(-128, 127), st.sampled_from([-128, 0, 127]))
activations = st.sampled_from(ACTIVATIONS)
paddings = st.sampled_from(["SAME", "VALID"])


def inputs_for(graph: Graph, runs: int, seed: int) -> npt.NDArray[np.generic]:
    """``[runs, *shape]``: the extremes of the type, then random values, then values in a narrow band."""
    tensor = graph.tensors[graph.inputs[0]]
    low, high = (0, 255) if tensor.dtype == "uint8" else (-128, 127)
    rng = np.random.default_rng(seed)
    x = rng.integers(low, high + 1, (runs, *tensor.shape))
    x[0] = low
    x[1] = high
    for i in range(2, runs, 3):
        centre = rng.integers(low, high + 1)
        x[i] = np.clip(centre + rng.integers(-9, 10, tensor.shape), low, high)
    return x.astype(tensor.dtype)


def weights_like(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Full-range, narrow or mostly zero."""
    style = rng.integers(0, 4)
    w = rng.integers(-128 if style == 0 else -127, 128, shape)
    if style == 2:
        w = w // 30
    if style == 3:
        w = w * (rng.random(shape) < 0.2)
    return w.astype(np.int8)


def _output_scale(
    draw: Draw, rng: np.random.Generator, unit: float, weights: npt.NDArray[np.int8], fan_in: int
) -> float:
    """A scale that spreads the accumulator over a few to a few hundred steps."""
    spread = 75.0 * np.sqrt(max(1.0, fan_in * float((weights.astype(float) ** 2).mean())))
    return float(unit * spread / draw(st.floats(2.0, 300.0)))


def _image(draw: Draw, b: GraphBuilder, most: int = 9, channels: int = 6) -> int:
    shape = (1, draw(st.integers(1, most)), draw(st.integers(1, most)), draw(st.integers(1, channels)))
    return b.input(shape, scale=draw(scales), zero_point=draw(zeros))


def _window(draw: Draw, shape: tuple[int, ...], dilated: bool = True) -> dict[str, object] | None:
    """Filter, strides, dilations and padding that fit an input."""
    _, h, w, _ = shape
    padding = draw(paddings)
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3))) if dilated else (1, 1)
    limits = [n if padding == "SAME" else (n - 1) // d + 1 for n, d in zip((h, w), dilation, strict=True)]
    filter_ = tuple(draw(st.integers(1, max(1, min(5, limit)))) for limit in limits)
    stride = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    return {"padding": padding, "dilation": dilation, "filter": filter_, "stride": stride}


def _weight_scale(draw: Draw, rng: np.random.Generator, channels: int) -> float | list[float]:
    base = draw(st.floats(1e-4, 0.1))
    return [base * f for f in rng.uniform(0.05, 2.0, channels)] if draw(st.booleans()) else base


def conv_2d(draw: Draw) -> Graph:
    """Grouped or not."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    groups = draw(st.integers(1, 3))
    shape = (1, draw(st.integers(1, 9)), draw(st.integers(1, 9)), groups * draw(st.integers(1, 9)))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    win = _window(draw, shape)
    out = groups * draw(st.integers(1, 6))
    weights = weights_like(rng, (out, *win["filter"], shape[3] // groups))
    scale = _weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.conv_2d(
        x, weights, _bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros), stride=win["stride"],
        scale=_output_scale(draw, rng, unit, weights, weights[0].size), dilation=win["dilation"],
        padding=win["padding"], activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def _bias(draw: Draw, rng: np.random.Generator, channels: int) -> npt.NDArray[np.int64] | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    reach = draw(st.sampled_from([0, 100, 20000, 10**6]))
    return rng.integers(-reach, reach + 1, channels)


def depthwise_conv_2d(draw: Draw) -> Graph:
    """Any multiplier."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = _image(draw, b)
    win = _window(draw, b.shape(x))
    # TFLite's depthwise kernel has one dilation for checks, but both directions work
    out = b.shape(x)[3] * draw(st.integers(1, 4))
    weights = weights_like(rng, (1, *win["filter"], out))
    scale = _weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.depthwise_conv_2d(
        x, weights, _bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros), stride=win["stride"],
        scale=_output_scale(draw, rng, unit, weights, win["filter"][0] * win["filter"][1]), dilation=win["dilation"],
        padding=win["padding"], activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def fully_connected(draw: Draw) -> Graph:
    """On a row, or flattening an image; per tensor, or per channel."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    if draw(st.booleans()):
        x = _image(draw, b, 4, 5)
    else:
        x = b.input((1, draw(st.integers(1, 70))), scale=draw(scales), zero_point=draw(zeros))
    n, out = b.tensors[x].elements, draw(st.integers(1, 12))
    weights = weights_like(rng, (out, n))
    scale = _weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.fully_connected(
        x, weights, _bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros),
        scale=_output_scale(draw, rng, unit, weights, n), activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def transpose_conv(draw: Draw) -> Graph:
    """Output extents that the strides give, and others, which TFLite takes, too; with a bias and a clamp or without."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = _image(draw, b, 5, 5)
    _, h, w, c = b.shape(x)
    filter_, stride = ((draw(st.integers(1, 4)), draw(st.integers(1, 4))) for _ in range(2))
    padding = draw(paddings)
    size = [n * s if padding == "SAME" else (n - 1) * s + f for n, f, s in zip((h, w), filter_, stride, strict=True)]
    if draw(st.booleans()):
        size = [draw(st.integers(max(1, n - 2), n + 3)) for n in size]
    out = draw(st.integers(1, 5))
    weights = weights_like(rng, (out, *filter_, c))
    scale = _weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    inputs = [b.constant([1, *size, out], dtype="int32"), b.constant(weights, scale=scale), x]
    bias = _bias(draw, rng, out)
    if bias is not None:
        inputs.append(b.constant(bias, dtype="int32", scale=unit))
    q = quant(_output_scale(draw, rng, unit, weights, c * 2), draw(zeros))
    attrs = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1], "activation": draw(activations)}
    return b.build(b.op("TRANSPOSE_CONV", inputs, (1, *size, out), q, attrs))


def batch_matmul(draw: Draw) -> Graph:
    """Two values or a constant, transposed or not, with batches that broadcast."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    rows, depth, columns = (draw(st.integers(1, 6)) for _ in range(3))
    batch = draw(st.sampled_from([(1,), (1, 1), (1, 3), (1, 2, 2)]))
    varies = draw(st.booleans())
    other = (
        batch if varies else tuple(1 if draw(st.booleans()) else n for n in batch[draw(st.integers(0, len(batch))) :])
    )
    # a first operand transposed and a second one repeated is refused: TFLite computes it wrongly
    adj_x, adj_y = draw(st.booleans()) and np.prod(other) == np.prod(batch), draw(st.booleans())
    left, right = (depth, rows) if adj_x else (rows, depth), (columns, depth) if adj_y else (depth, columns)
    x = b.input((*batch, *left), scale=draw(scales), zero_point=draw(zeros))
    if varies:  # products of the same input
        mixed = weights_like(rng, (depth * columns, rows * depth))
        y = b.reshape(b.fully_connected(x, mixed, weight_scale=0.01, scale=1.0), (*other, *right))
    else:
        y = b.constant(rng.integers(-128, 128, (*other, *right)), scale=draw(scales), zero_point=draw(zeros))
    unit = float(b.quant_of(x).scale[0]) * float(b.quant_of(y).scale[0])
    q = quant(unit * 75 * 75 * depth**0.5 / draw(st.floats(2.0, 300.0)), draw(zeros))
    attrs = {"adj_x": bool(adj_x), "adj_y": adj_y, "asymmetric_quantize_inputs": False}
    return b.build(b.op("BATCH_MATMUL", [x, y], (*batch, rows, columns), q, attrs))


def squared_difference(draw: Draw) -> Graph:
    """SQUARED_DIFFERENCE."""
    b, x, y = _operands(draw)
    largest = max(float(b.quant_of(i).scale[0]) for i in (x, y))
    scale = largest * largest * draw(st.floats(0.01, 300.0))
    return b.build(
        b.op("SQUARED_DIFFERENCE", [x, y], np.broadcast_shapes(b.shape(x), b.shape(y)), quant(scale, draw(zeros)))
    )


def l2_normalization(draw: Draw) -> Graph:
    """Over the last axis."""
    b = GraphBuilder()
    shape = draw(st.sampled_from([(1, 1), (1, 10), (1, 300), (1, 3, 7), (1, 2, 3, 5)]))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    return b.build(b.unary("L2_NORMALIZATION", x, scale=1 / 128, attrs={"activation": "NONE"}))


def _operands(draw: Draw, same: bool = False) -> tuple[GraphBuilder, int, int]:
    """Two int8 values that broadcast: the input and a constant, or the input and a part of it under another scale."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = _image(draw, b, 5, 5)
    q = b.quant_of(x)
    scale, zero = (float(q.scale[0]), int(q.zero_point[0])) if same else (draw(scales), draw(zeros))
    cut = [draw(st.booleans()) for _ in range(4)]
    shape = tuple(1 if c else n for c, n in zip(cut, b.shape(x), strict=True))
    if draw(st.booleans()):
        shape = shape[draw(st.integers(0, 3)) :]  # fewer dimensions broadcast too
        other = b.constant(rng.integers(-128, 128, shape), scale=scale, zero_point=zero)
    else:
        size = b.constant(shape, dtype="int32")
        other = b.op("SLICE", [x, b.constant([0] * 4, dtype="int32"), size], shape, q)
        if not same:
            other = b.unary("QUANTIZE", other, scale=scale, zero_point=zero)
    return (b, x, other) if draw(st.booleans()) else (b, other, x)


def _sum(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b, x, y = _operands(draw)
        largest = max(float(b.quant_of(i).scale[0]) for i in (x, y))
        scale = largest * draw(st.floats(0.01, 3.0))
        return b.build(b.binary(kind, x, y, scale=scale, zero_point=draw(zeros), activation=draw(activations)))

    return case


def mul(draw: Draw) -> Graph:
    """MUL."""
    b, x, y = _operands(draw)
    unit = float(b.quant_of(x).scale[0]) * float(b.quant_of(y).scale[0])
    scale = unit * draw(st.floats(0.5, 300.0))
    return b.build(b.binary("MUL", x, y, scale=scale, zero_point=draw(zeros), activation=draw(activations)))


def _extremum(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b, x, y = _operands(draw, same=True)
        return b.build(b.binary(kind, x, y))

    return case


def _pool(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        x = _image(draw, b)
        win = _window(draw, b.shape(x), dilated=False)
        make = b.average_pool_2d if kind == "AVERAGE_POOL_2D" else b.max_pool_2d
        return b.build(make(x, win["filter"], win["stride"], padding=win["padding"], activation=draw(activations)))

    return case


def _reduce(kind: str) -> Callable[[Draw], Graph]:
    """Over any axes, the batch too."""

    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        rank = draw(st.sampled_from([4, 4, 4, 2, 5, 6])) if kind in ("MEAN", "SUM") else 4
        shape = (1, *(draw(st.integers(1, 9 if rank < 5 else 4)) for _ in range(rank - 1)))
        x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
        axes = draw(st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank))
        keep = draw(st.booleans())
        reduced = {a % rank for a in axes}
        target = [1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced]
        q = b.quant_of(x)
        if kind in ("MEAN", "SUM") and draw(st.booleans()):
            q = quant(float(q.scale[0]) * draw(st.floats(0.05, 3.0 if kind == "MEAN" else 60.0)), draw(zeros))
        y = b.op(kind, [x, b.constant(axes, dtype="int32")], target, q, {"keep_dims": keep})
        return b.build(y if target[:1] == [1] else b.reshape(y, (1, *target)))

    return case


def _pad(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        x = _image(draw, b, 5, 4)
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
    x = _image(draw, b, 4, 4)
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
    x = _image(draw, b, 6, 6)
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
    x = _image(draw, b, 4, 4)
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
    x = _image(draw, b, 5, 5)
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
    x = _image(draw, b, 4, 4)
    times = [1, *(draw(st.integers(1, 3)) for _ in range(3))]
    shape = [n * t for n, t in zip(b.shape(x), times, strict=True)]
    return b.build(b.op("TILE", [x, b.constant(times, dtype="int32")], shape, b.quant_of(x)))


def reverse(draw: Draw) -> Graph:
    """Along one axis."""
    b = GraphBuilder()
    x = _image(draw, b, 5, 5)
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
    x = _image(draw, b)
    begin = [draw(st.integers(0, n - 1)) for n in b.shape(x)]
    size = [draw(st.integers(1, n - s)) for n, s in zip(b.shape(x), begin, strict=True)]
    given = [-1 if draw(st.booleans()) and s + n == e else n for s, n, e in zip(begin, size, b.shape(x), strict=True)]
    inputs = [x, b.constant(begin, dtype="int32"), b.constant(given, dtype="int32")]
    return b.build(b.op("SLICE", inputs, size, b.quant_of(x)))


def strided_slice(draw: Draw) -> Graph:
    """Every mask, steps in both directions, fewer entries than the input has axes. The shape is numpy's."""
    b = GraphBuilder()
    x = _image(draw, b)
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


def positive(draw: Draw, b: GraphBuilder) -> int:
    """Values at and above the zero point alone: RSQRT and SQRT have no others."""
    q = (draw(scales), draw(st.integers(-128, 126)))
    x = b.input((1, 256), scale=q[0], zero_point=q[1])
    floor = b.constant(np.full(256, q[1]), scale=q[0], zero_point=q[1])
    return b.binary("MAXIMUM", x, floor)


def _unary(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        steps = st.floats(1e-3, 0.2) if kind == "EXP" else scales
        x = positive(draw, b) if kind == "RSQRT" else b.input((1, 256), scale=draw(steps), zero_point=draw(zeros))
        unit = float(b.quant_of(x).scale[0])
        scale, zero, attrs = unit * draw(st.floats(0.02, 4.0)), draw(zeros), {}
        if kind == "LOGISTIC":
            scale, zero = 1 / 256, -128
        if kind == "TANH" and draw(st.booleans()):
            scale, zero = 1 / 128, 0
        if kind == "HARD_SWISH":
            scale = unit * draw(st.floats(0.0079, 4.0))  # TFLite refuses smaller ones
        if kind == "LEAKY_RELU":
            attrs = {"alpha": float(np.float32(draw(st.floats(-2.0, 2.0))))}
        if kind == "GELU":
            attrs = {"approximate": draw(st.booleans())}
        if kind in ("ABS", "GELU") and draw(st.booleans()):
            scale = unit
        if kind == "EXP":  # the largest value fits 32 bits: more is refused
            largest = unit * (127 - int(b.quant_of(x).zero_point[0]))
            scale = draw(st.floats(1e-3, 1.0)) * float(np.exp(max(0.0, largest - 14)))
        if kind == "RSQRT":
            scale = draw(st.floats(0.003, 1.0)) / unit**0.5
        return b.build(b.unary(kind, x, scale=scale, zero_point=zero, attrs=attrs))

    return case


def prelu(draw: Draw) -> Graph:
    """Slopes per channel, or one, or one per pixel."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = _image(draw, b, 5, 5)
    shape = tuple(n if draw(st.booleans()) else 1 for n in b.shape(x))[draw(st.integers(0, 3)) :]
    alpha = b.constant(rng.integers(-128, 128, shape), scale=draw(st.floats(1e-3, 0.05)), zero_point=draw(zeros))
    scale = float(b.quant_of(x).scale[0]) * draw(st.floats(0.05, 4.0))
    return b.build(b.op("PRELU", [x, alpha], b.shape(x), quant(scale, draw(zeros))))


def softmax(draw: Draw) -> Graph:
    """Over the last axis; beta 1 and others."""
    b = GraphBuilder()
    shape = draw(st.sampled_from([(1, 1), (1, 2), (1, 10), (1, 100), (1, 3, 7), (1, 2, 3, 5)]))
    x = b.input(shape, scale=draw(st.floats(1e-3, 2.0)), zero_point=draw(zeros))
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.5]))
    return b.build(b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": beta}))


def _resize(kind: str) -> Callable[[Draw], Graph]:
    """Up and down, in every mode."""
    return lambda draw: resize(draw, kind)


def resize(draw: Draw, kind: str) -> Graph:
    """One image to another size."""
    b = GraphBuilder()
    x = _image(draw, b, 7, 3)
    size = (draw(st.integers(1, 15)), draw(st.integers(1, 15)))
    align, half = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    attrs = {"align_corners": align, "half_pixel_centers": half}
    shape = (1, *size, b.shape(x)[3])
    return b.build(b.op(kind, [x, b.constant(size, dtype="int32")], shape, b.quant_of(x), attrs))


def boundary(draw: Draw) -> Graph:
    """uint8 in, uint8 out, int8 between."""
    b = GraphBuilder()
    x = b.input((1, 16, 16, 1), scale=draw(scales), zero_point=draw(st.integers(0, 255)), dtype="uint8")
    scale = float(b.quant_of(x).scale[0])
    y = b.unary("QUANTIZE", x, scale=scale * draw(st.sampled_from([1.0, 0.7, 2.0])), zero_point=draw(zeros))
    y = b.max_pool_2d(y, 1)
    q = quant(float(b.quant_of(y).scale[0]) * draw(st.sampled_from([1.0, 1.3])), draw(st.integers(0, 255)))
    return b.build(b.op("QUANTIZE", [y], b.shape(y), q, dtype="uint8"))


def batch_inside(draw: Draw) -> Graph:
    """Rows taken for images by a RESHAPE, operators on the batch of them, and back to one row."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    n, h, w, c = draw(st.integers(2, 4)), draw(st.integers(2, 5)), draw(st.integers(2, 5)), draw(st.integers(1, 4))
    x = b.reshape(b.input((1, n * h, w, c), scale=draw(scales), zero_point=draw(zeros)), (n, h, w, c))
    for _ in range(draw(st.integers(1, 2))):
        x = _on_a_batch(draw, b, rng, x)
    return b.build(b.reshape(x, (1, b.tensors[x].elements)))


def _on_a_batch(draw: Draw, b: GraphBuilder, rng: np.random.Generator, x: int) -> int:
    kind = draw(st.sampled_from(BATCHED))
    shape, q = b.shape(x), b.quant_of(x)
    n, h, w, c = shape
    scale, zero = float(q.scale[0]), int(q.zero_point[0])
    if kind in ("conv", "residual", "depthwise"):
        wide = (1, min(h, 2), min(w, 3), c) if kind == "depthwise" else (c if kind == "residual" else 3, 1, 1, c)
        make = b.depthwise_conv_2d if kind == "depthwise" else b.conv_2d
        weights = weights_like(rng, wide)
        fan_in = max(1, int(np.prod(wide[1:3])) * (1 if kind == "depthwise" else c))
        out = _output_scale(draw, rng, scale * 0.01, weights, fan_in)
        y = make(x, weights, _bias(draw, rng, 3 if kind == "conv" else c), weight_scale=0.01, scale=out)
        return b.add(x, y, scale=max(scale, out), zero_point=draw(zeros)) if kind == "residual" else y
    if kind == "pools":
        return b.max_pool_2d(b.average_pool_2d(x, 2, 1, padding="SAME"), 2, 1, padding="SAME", activation="RELU")
    if kind == "matrix":
        attrs = {"activation": "NONE", "weights_format": "DEFAULT", "keep_num_dims": True}
        inputs = [x, b.constant(weights_like(rng, (3, c)), scale=0.01), -1]
        return b.op("FULLY_CONNECTED", inputs, (n, h, w, 3), quant(scale), attrs)
    if kind == "mean":
        y = b.op("MEAN", [x, b.constant([1, 2], dtype="int32")], (n, 1, 1, c), quant(scale), {"keep_dims": True})
        return b.binary("MUL", x, y, scale=scale * scale * 20, zero_point=draw(zeros))
    if kind == "pad":
        return b.pad(x, [(0, draw(st.integers(0, 1))), (1, 0), (0, 2), (0, 0)])
    if kind == "resize":
        attrs = {"align_corners": False, "half_pixel_centers": draw(st.booleans())}
        return b.op("RESIZE_NEAREST_NEIGHBOR", [x, b.constant([3, 4], dtype="int32")], (n, 3, 4, c), q, attrs)
    if kind == "slices":
        begin, size = [draw(st.integers(0, 1)), 0, 1, 0], [n - 1, h, w - 1, c]
        y = b.op("SLICE", [x, *(b.constant(v, dtype="int32") for v in (begin, size))], size, q)
        return b.concatenation([y, y], draw(st.integers(0, 3)))
    if kind == "transpose":
        return b.op("TRANSPOSE", [x, b.constant([2, 1, 0, 3], dtype="int32")], (w, h, n, c), q)
    if kind == "constant":
        other = b.constant(rng.integers(-128, 128, (n, h, w, c)), scale=scale * 0.7, zero_point=zero)
        return b.add(x, other, scale=scale * 1.1)
    return b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0})


BATCHED = (
    "conv", "residual", "depthwise", "pools", "matrix", "mean", "pad", "resize", "slices", "transpose", "constant",
    "softmax",
)  # fmt: skip

CASES: dict[str, Callable[[Draw], Graph]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "TRANSPOSE_CONV": transpose_conv,
    "ADD": _sum("ADD"),
    "SUB": _sum("SUB"),
    "MUL": mul,
    "SQUARED_DIFFERENCE": squared_difference,
    "BATCH_MATMUL": batch_matmul,
    "MAXIMUM": _extremum("MAXIMUM"),
    "MINIMUM": _extremum("MINIMUM"),
    "AVERAGE_POOL_2D": _pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": _pool("MAX_POOL_2D"),
    "MEAN": _reduce("MEAN"),
    "SUM": _reduce("SUM"),
    "REDUCE_MAX": _reduce("REDUCE_MAX"),
    "REDUCE_MIN": _reduce("REDUCE_MIN"),
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
    "RELU": _unary("RELU"),
    "RELU6": _unary("RELU6"),
    "RELU_N1_TO_1": _unary("RELU_N1_TO_1"),
    "PRELU": prelu,
    "LEAKY_RELU": _unary("LEAKY_RELU"),
    "HARD_SWISH": _unary("HARD_SWISH"),
    "RELU_0_TO_1": _unary("RELU_0_TO_1"),
    "ABS": _unary("ABS"),
    "EXP": _unary("EXP"),
    "GELU": _unary("GELU"),
    "RSQRT": _unary("RSQRT"),
    "LOGISTIC": _unary("LOGISTIC"),
    "TANH": _unary("TANH"),
    "SOFTMAX": softmax,
    "RESIZE_NEAREST_NEIGHBOR": _resize("RESIZE_NEAREST_NEIGHBOR"),
    "RESIZE_BILINEAR": _resize("RESIZE_BILINEAR"),
    "L2_NORMALIZATION": l2_normalization,
    "QUANTIZE": _unary("QUANTIZE"),
    "uint8 boundaries": boundary,
    "batch inside": batch_inside,
}


@st.composite
def op_graph(draw: Draw, kind: str) -> Graph:
    """A graph around one operator of a kind (a key of CASES)."""
    return CASES[kind](draw)


@st.composite
def small_graph(draw: Draw, redundant: bool = False) -> Graph:
    """A network of a few layers with branches; ``redundant``: with the pads, activations, reshapes and identities
    that passes fold."""
    b, rng = GraphBuilder("small"), np.random.default_rng(draw(seeds))
    size = draw(st.integers(4, 9))
    x = b.input((1, size, size, draw(st.integers(1, 4))), scale=draw(st.floats(0.01, 0.1)), zero_point=draw(zeros))
    for _ in range(draw(st.integers(1, 4))):
        x = _block(draw, b, rng, x, redundant)
    if redundant and draw(st.booleans()):
        x = b.reshape(x, (1, b.shape(x)[1] * b.shape(x)[2], b.shape(x)[3]))
        x = b.flatten(x)
    n = b.tensors[x].elements
    scale = 0.01
    weights = weights_like(rng, (draw(st.integers(2, 10)), n))
    unit = float(b.quant_of(x).scale[0]) * scale
    y = b.fully_connected(
        x, weights, _bias(draw, rng, len(weights)), weight_scale=scale,
        scale=_output_scale(draw, rng, unit, weights, n), zero_point=draw(zeros),
    )  # fmt: skip
    return b.build(y)


def _block(draw: Draw, b: GraphBuilder, rng: np.random.Generator, x: int, redundant: bool) -> int:
    kind = draw(st.sampled_from(["conv", "conv", "depthwise", "add", "pool", "concat", "table"]))
    channels = b.shape(x)[3]
    padding = draw(paddings)
    if kind in ("conv", "depthwise"):
        if redundant and draw(st.booleans()):
            x = b.pad(x, [(0, 0), (draw(st.integers(0, 2)), 1), (1, draw(st.integers(0, 2))), (0, 0)])
            if draw(st.integers(0, 3)) == 0:
                b.max_pool_2d(x, 1)  # a result that nobody reads, and a second reader of the pad
        side = min(3, *b.shape(x)[1:3])
        out = draw(st.integers(1, 8)) if kind == "conv" else channels * draw(st.integers(1, 2))
        shape = (out, side, side, channels) if kind == "conv" else (1, side, side, out)
        weights = weights_like(rng, shape)
        fan_in = side * side * (channels if kind == "conv" else 1)
        make = b.conv_2d if kind == "conv" else b.depthwise_conv_2d
        unit = float(b.quant_of(x).scale[0]) * 0.01
        fused = not (redundant and draw(st.booleans()))
        y = make(
            x, weights, _bias(draw, rng, out), weight_scale=0.01, zero_point=draw(zeros), padding=padding,
            scale=_output_scale(draw, rng, unit, weights, fan_in), stride=draw(st.integers(1, 2)),
            activation=draw(activations) if fused else "NONE",
        )  # fmt: skip
        return y if fused else b.unary(draw(st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"])), y)
    if kind == "add":
        weights = weights_like(rng, (channels, 1, 1, channels))
        unit = float(b.quant_of(x).scale[0]) * 0.01
        y = b.conv_2d(x, weights, weight_scale=0.01, scale=_output_scale(draw, rng, unit, weights, channels))
        largest = max(float(b.quant_of(i).scale[0]) for i in (x, y))
        activation = draw(activations)
        return b.add(x, y, scale=largest * draw(st.floats(0.5, 2.0)), zero_point=draw(zeros), activation=activation)
    if kind == "pool":
        make = b.average_pool_2d if draw(st.booleans()) else b.max_pool_2d
        return make(x, min(2, *b.shape(x)[1:3]), 1, padding=padding)
    if kind == "concat":
        return b.concatenation([x, b.unary("RELU", x)], 3)
    table = draw(st.sampled_from(["HARD_SWISH", "TANH", "LEAKY_RELU", "QUANTIZE"]))
    scale = float(b.quant_of(x).scale[0])
    attrs = {"alpha": 0.25} if table == "LEAKY_RELU" else {}
    if redundant and draw(st.booleans()):
        return b.unary("QUANTIZE", x)  # the same scale: an identity
    return b.unary(table, x, scale=scale * draw(st.floats(0.5, 2.0)), zero_point=draw(zeros), attrs=attrs)
