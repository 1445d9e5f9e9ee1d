"""Random graphs for contract tests: every supported operator over shapes, windows, scales, zero points and activations.

`op_graph(kind)` is a hypothesis strategy of one-operator graphs, `small_graph()` of small networks; `inputs_for` gives
inputs that reach the extremes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from axis_cases import AXES
from batch_cases import batch_inside
from draws import (
    Draw,
    activations,
    image,
    output_scale,
    paddings,
    scales,
    seeds,
    some_bias,
    weight_scale,
    weights_like,
    window,
    zeros,
)
from hypothesis import strategies as st
from move_cases import MOVES

from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph


def conv_2d(draw: Draw) -> Graph:
    """Grouped or not."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    groups = draw(st.integers(1, 3))
    shape = (1, draw(st.integers(1, 9)), draw(st.integers(1, 9)), groups * draw(st.integers(1, 9)))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    win = window(draw, shape)
    out = groups * draw(st.integers(1, 6))
    weights = weights_like(rng, (out, *win["filter"], shape[3] // groups))
    scale = weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.conv_2d(
        x, weights, some_bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros), stride=win["stride"],
        scale=output_scale(draw, rng, unit, weights, weights[0].size), dilation=win["dilation"],
        padding=win["padding"], activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def depthwise_conv_2d(draw: Draw) -> Graph:
    """Any multiplier."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = image(draw, b)
    win = window(draw, b.shape(x))
    # TFLite's depthwise kernel has one dilation for checks, but both directions work
    out = b.shape(x)[3] * draw(st.integers(1, 4))
    weights = weights_like(rng, (1, *win["filter"], out))
    scale = weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.depthwise_conv_2d(
        x, weights, some_bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros), stride=win["stride"],
        scale=output_scale(draw, rng, unit, weights, win["filter"][0] * win["filter"][1]), dilation=win["dilation"],
        padding=win["padding"], activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def fully_connected(draw: Draw) -> Graph:
    """On a row, or flattening an image; per tensor, or per channel."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    if draw(st.booleans()):
        x = image(draw, b, 4, 5)
    else:
        x = b.input((1, draw(st.integers(1, 70))), scale=draw(scales), zero_point=draw(zeros))
    n, out = b.tensors[x].elements, draw(st.integers(1, 12))
    weights = weights_like(rng, (out, n))
    scale = weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    y = b.fully_connected(
        x, weights, some_bias(draw, rng, out), weight_scale=scale, zero_point=draw(zeros),
        scale=output_scale(draw, rng, unit, weights, n), activation=draw(activations),
    )  # fmt: skip
    return b.build(y)


def transpose_conv(draw: Draw) -> Graph:
    """Output extents that the strides give, and others, which TFLite takes, too; with a bias and a clamp or without."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = image(draw, b, 5, 5)
    _, h, w, c = b.shape(x)
    filter_, stride = ((draw(st.integers(1, 4)), draw(st.integers(1, 4))) for _ in range(2))
    padding = draw(paddings)
    size = [n * s if padding == "SAME" else (n - 1) * s + f for n, f, s in zip((h, w), filter_, stride, strict=True)]
    if draw(st.booleans()):
        size = [draw(st.integers(max(1, n - 2), n + 3)) for n in size]
    out = draw(st.integers(1, 5))
    weights = weights_like(rng, (out, *filter_, c))
    scale = weight_scale(draw, rng, out)
    unit = float(b.quant_of(x).scale[0]) * float(np.max(scale))
    inputs = [b.constant([1, *size, out], dtype="int32"), b.constant(weights, scale=scale), x]
    bias = some_bias(draw, rng, out)
    if bias is not None:
        inputs.append(b.constant(bias, dtype="int32", scale=unit))
    q = quant(output_scale(draw, rng, unit, weights, c * 2), draw(zeros))
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


def _operands(draw: Draw, same: bool = False) -> tuple[GraphBuilder, int, int]:
    """Two int8 values that broadcast: the input and a constant, or the input and a part of it under another scale."""
    b, rng = GraphBuilder(), np.random.default_rng(draw(seeds))
    x = image(draw, b, 5, 5)
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
    x = image(draw, b, 5, 5)
    shape = tuple(n if draw(st.booleans()) else 1 for n in b.shape(x))[draw(st.integers(0, 3)) :]
    alpha = b.constant(rng.integers(-128, 128, shape), scale=draw(st.floats(1e-3, 0.05)), zero_point=draw(zeros))
    scale = float(b.quant_of(x).scale[0]) * draw(st.floats(0.05, 4.0))
    return b.build(b.op("PRELU", [x, alpha], b.shape(x), quant(scale, draw(zeros))))


def boundary(draw: Draw) -> Graph:
    """uint8 in, uint8 out, int8 between."""
    b = GraphBuilder()
    x = b.input((1, 16, 16, 1), scale=draw(scales), zero_point=draw(st.integers(0, 255)), dtype="uint8")
    scale = float(b.quant_of(x).scale[0])
    y = b.unary("QUANTIZE", x, scale=scale * draw(st.sampled_from([1.0, 0.7, 2.0])), zero_point=draw(zeros))
    y = b.max_pool_2d(y, 1)
    q = quant(float(b.quant_of(y).scale[0]) * draw(st.sampled_from([1.0, 1.3])), draw(st.integers(0, 255)))
    return b.build(b.op("QUANTIZE", [y], b.shape(y), q, dtype="uint8"))


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
    "QUANTIZE": _unary("QUANTIZE"),
    "uint8 boundaries": boundary,
    "batch inside": batch_inside,
    **AXES,
    **MOVES,
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
        x, weights, some_bias(draw, rng, len(weights)), weight_scale=scale,
        scale=output_scale(draw, rng, unit, weights, n), zero_point=draw(zeros),
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
            x, weights, some_bias(draw, rng, out), weight_scale=0.01, zero_point=draw(zeros), padding=padding,
            scale=output_scale(draw, rng, unit, weights, fan_in), stride=draw(st.integers(1, 2)),
            activation=draw(activations) if fused else "NONE",
        )  # fmt: skip
        return y if fused else b.unary(draw(st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"])), y)
    if kind == "add":
        weights = weights_like(rng, (channels, 1, 1, channels))
        unit = float(b.quant_of(x).scale[0]) * 0.01
        y = b.conv_2d(x, weights, weight_scale=0.01, scale=output_scale(draw, rng, unit, weights, channels))
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
