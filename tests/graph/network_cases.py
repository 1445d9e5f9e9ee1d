"""Networks of kinds that people train besides classifiers of images by plain convolutions, with random weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph, Op, Tensor


class Layers:
    """Layers with random weights whose outputs spread over some hundred steps of their scale."""

    def __init__(self, name: str, seed: int) -> None:
        self.b, self.rng = GraphBuilder(name), np.random.default_rng(seed)

    def _weights(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-127, 128, shape)

    def _scale(self, x: int, fan_in: int) -> float:
        return float(self.b.quant_of(x).scale[0]) * 0.01 * 75 * 70 * fan_in**0.5 / 100

    def conv(self, x: int, out: int, side: int = 3, activation: str = "RELU") -> int:
        """CONV_2D, padding SAME."""
        c = self.b.shape(x)[3]
        bias = self.rng.integers(-999, 999, out)
        scale = self._scale(x, side * side * c)
        weights = self._weights(out, side, side, c)
        return self.b.conv_2d(x, weights, bias, weight_scale=0.01, scale=scale, zero_point=-9, activation=activation)

    def up(self, x: int, out: int) -> int:
        """TRANSPOSE_CONV 2x2, stride 2."""
        n, h, w, c = self.b.shape(x)
        size = (n, 2 * h, 2 * w, out)
        inputs = [self.b.constant(size, dtype="int32"), self.b.constant(self._weights(out, 2, 2, c), scale=0.01), x]
        attrs = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "activation": "NONE"}
        return self.b.op("TRANSPOSE_CONV", inputs, size, quant(self._scale(x, c), 3), attrs)

    def dense(self, x: int, out: int) -> int:
        """FULLY_CONNECTED of a row."""
        n = self.b.tensors[x].elements
        scale = self._scale(x, n)
        return self.b.fully_connected(x, self._weights(out, n), None, weight_scale=0.01, scale=scale)

    def head(self, x: int, classes: int = 3) -> Graph:
        """The mean over positions, and a matrix."""
        axes = self.b.constant([1, 2], dtype="int32")
        q = self.b.quant_of(x)
        pooled = self.b.op("MEAN", [x, axes], (1, self.b.shape(x)[3]), q, {"keep_dims": False})
        return self.b.build(self.dense(pooled, classes))


def u_net(seed: int) -> Graph:
    """Two levels down, two up by transposed convolutions, skips concatenated; the last one resized."""
    n = Layers("unet", seed)
    x = n.b.input((1, 8, 8, 2), scale=0.02, zero_point=-3)
    top = n.conv(x, 4)
    middle = n.conv(n.b.max_pool_2d(top, 2), 6)
    bottom = n.conv(n.b.max_pool_2d(middle, 2), 8)
    y = n.conv(_joined(n, n.up(bottom, 6), middle), 6)
    y = n.conv(_joined(n, n.up(y, 4), top), 4)
    modes = {"align_corners": False, "half_pixel_centers": True}
    return n.head(
        n.b.op("RESIZE_BILINEAR", [y, n.b.constant([5, 6], dtype="int32")], (1, 5, 6, 4), n.b.quant_of(y), modes)
    )


def _joined(n: Layers, a: int, b: int) -> int:
    """Concatenated channels, the second ones on the scale of the first."""
    q = n.b.quant_of(a)
    other = n.b.unary("QUANTIZE", b, scale=float(q.scale[0]), zero_point=int(q.zero_point[0]))
    return n.b.concatenation([a, other], 3)


def recurrent(seed: int) -> Graph:
    """A gated recurrent network over four steps, unrolled, from a state of zeros."""
    n = Layers("gru", seed)
    b, width = n.b, 5
    x = b.input((1, 4, 6), scale=0.02, zero_point=4)
    steps = [b.tensor(Tensor(f"step{i}", (1, 6), "int8", b.quant_of(x))) for i in range(4)]
    b.ops.append(Op("UNPACK", (x,), tuple(steps), {"num": 4, "axis": 1}, "step0"))
    state = b.constant(np.zeros((1, width)), scale=1 / 128)
    for step in steps:
        gate = b.unary("LOGISTIC", _mixed(n, step, state, width), scale=1 / 256, zero_point=-128)
        new = b.unary("TANH", _mixed(n, step, b.binary("MUL", gate, state, scale=1 / 128), width), scale=1 / 128)
        change = b.binary("SUB", new, state, scale=1 / 64)
        state = b.binary("ADD", state, b.binary("MUL", gate, change, scale=1 / 128), scale=1 / 128)
    return b.build(n.dense(state, 3))


def _mixed(n: Layers, x: int, state: int, width: int) -> int:
    return n.b.add(n.dense(x, width), n.dense(state, width), scale=1 / 24)


def attention(seed: int) -> Graph:
    """One head over five places: queries times keys, softmax, times values; a residual sum, normalised."""
    n = Layers("attention", seed)
    b, width = n.b, 6
    x = b.input((1, 5, width), scale=0.02, zero_point=-8)
    queries, keys, values = (_rowwise(n, x, width) for _ in range(3))
    scores = b.op("BATCH_MATMUL", [queries, keys], (1, 5, 5), quant(0.4), {"adj_x": False, "adj_y": True})
    weights = b.unary("SOFTMAX", scores, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0})
    mixed = b.op("BATCH_MATMUL", [weights, values], (1, 5, width), b.quant_of(values), {"adj_x": False, "adj_y": False})
    y = b.add(x, mixed, scale=float(b.quant_of(values).scale[0]) * 1.5)
    y = b.unary("L2_NORMALIZATION", y, scale=1 / 128, attrs={"activation": "NONE"})
    y = b.unary("GELU", _rowwise(n, y, 4), attrs={"approximate": False})
    y = b.op("REDUCE_MAX", [y, b.constant([1], dtype="int32")], (1, 4), b.quant_of(y), {"keep_dims": False})
    return b.build(n.dense(y, 3))


def _rowwise(n: Layers, x: int, out: int) -> int:
    _, rows, depth = n.b.shape(x)
    attrs = {"activation": "NONE", "weights_format": "DEFAULT", "keep_num_dims": True}
    inputs = [x, n.b.constant(n._weights(out, depth), scale=0.01), -1]
    return n.b.op("FULLY_CONNECTED", inputs, (1, rows, out), quant(n._scale(x, depth)), attrs)


def squeeze_excite(seed: int) -> Graph:
    """Channels weighted by what the whole image says, behind a folded stem and a shuffle of channels."""
    n = Layers("se", seed)
    b = n.b
    x = b.op("SPACE_TO_DEPTH", [b.input((1, 8, 8, 2), scale=0.02)], (1, 4, 4, 8), quant(0.02), {"block_size": 2})
    y = n.conv(x, 8, 1)
    groups = b.reshape(y, (1, 4, 4, 2, 4))
    turned = b.op("TRANSPOSE", [groups, b.constant([0, 1, 2, 4, 3], dtype="int32")], (1, 4, 4, 4, 2), b.quant_of(y))
    y = b.unary("HARD_SWISH", b.reshape(turned, (1, 4, 4, 8)))
    axes = b.constant([1, 2], dtype="int32")
    whole = b.op("MEAN", [y, axes], (1, 1, 1, 8), b.quant_of(y), {"keep_dims": True})
    gate = b.unary("LOGISTIC", n.conv(n.conv(whole, 3, 1), 8, 1, "NONE"), scale=1 / 256, zero_point=-128)
    return n.head(b.binary("MUL", y, gate, scale=float(b.quant_of(y).scale[0])))


def frames(seed: int) -> Graph:
    """Three frames as a batch inside: convolution, pool and transposed convolution of each, then all together."""
    n = Layers("frames", seed)
    b = n.b
    y = b.reshape(b.input((1, 12, 4, 2), scale=0.02), (3, 4, 4, 2))
    y = n.conv(b.average_pool_2d(n.conv(y, 4), 2), 4)
    return b.build(n.dense(b.reshape(n.up(y, 2), (1, 96)), 3))


NETWORKS: dict[str, Callable[[int], Graph]] = {
    "U-Net": u_net,
    "unrolled GRU": recurrent,
    "attention": attention,
    "squeeze and excite": squeeze_excite,
    "frames": frames,
}
