"""Random graphs with a batch inside a model for one image."""

from __future__ import annotations

import numpy as np
from draws import (
    Draw,
    output_scale,
    scales,
    seeds,
    some_bias,
    weights_like,
    zeros,
)
from hypothesis import strategies as st

from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph


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
        out = output_scale(draw, rng, scale * 0.01, weights, fan_in)
        y = make(x, weights, some_bias(draw, rng, 3 if kind == "conv" else c), weight_scale=0.01, scale=out)
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
    if kind == "bilinear":
        attrs = {"align_corners": draw(st.booleans()), "half_pixel_centers": False}
        return b.op("RESIZE_BILINEAR", [x, b.constant([4, 3], dtype="int32")], (n, 4, 3, c), q, attrs)
    if kind == "transposed":
        weights = weights_like(rng, (2, 2, 2, c))
        inputs = [b.constant([n, 2 * h, 2 * w, 2], dtype="int32"), b.constant(weights, scale=0.01), x]
        attrs = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "activation": "NONE"}
        out = output_scale(draw, rng, scale * 0.01, weights, c)
        return b.op("TRANSPOSE_CONV", inputs, (n, 2 * h, 2 * w, 2), quant(out), attrs)
    if kind == "slices":
        begin, size = [min(1, n - 1), 0, min(1, w - 1), 0], [max(1, n - 1), h, max(1, w - 1), c]
        y = b.op("SLICE", [x, *(b.constant(v, dtype="int32") for v in (begin, size))], size, q)
        return b.concatenation([y, y], draw(st.integers(0, 3)))
    if kind == "transpose":
        return b.op("TRANSPOSE", [x, b.constant([2, 1, 0, 3], dtype="int32")], (w, h, n, c), q)
    if kind == "constant":
        other = b.constant(rng.integers(-128, 128, (n, h, w, c)), scale=scale * 0.7, zero_point=zero)
        return b.add(x, other, scale=scale * 1.1)
    return b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0})


BATCHED = (
    "conv", "residual", "depthwise", "pools", "matrix", "mean", "pad", "resize", "bilinear", "transposed", "slices",
    "transpose", "constant",
    "softmax",
)  # fmt: skip
