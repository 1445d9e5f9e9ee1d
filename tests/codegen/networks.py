"""Networks with random weights for tests of size, memory and text."""

from __future__ import annotations

import numpy as np

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph


def resnet(blocks: int, classes: int = 10, seed: int = 0) -> Graph:
    """The CIFAR ResNet with 6 * blocks + 2 layers (3: ResNet-20), stages of 16, 32 and 64 channels."""
    b, rng = GraphBuilder("resnet"), np.random.default_rng(seed)

    def conv(x: int, out: int, kernel: int, stride: int, activation: str) -> int:
        w = rng.integers(-127, 128, (out, kernel, kernel, b.shape(x)[3]))
        return b.conv_2d(
            x, w, rng.integers(-2000, 2000, out), weight_scale=0.002, scale=0.05, stride=stride, activation=activation
        )

    x = conv(b.input((1, 32, 32, 3), scale=4 / 255, zero_point=-32), 16, 3, 1, "RELU")
    for width in (16, 32, 64):
        for i in range(blocks):
            stride = 2 if i == 0 and width > 16 else 1
            y = conv(conv(x, width, 3, stride, "RELU"), width, 3, 1, "NONE")
            shortcut = x if stride == 1 else conv(x, width, 1, stride, "NONE")
            x = b.add(y, shortcut, scale=0.06, zero_point=-128, activation="RELU")
    x = b.reshape(b.average_pool_2d(x, 8), (1, 64))
    return b.build(b.fully_connected(x, rng.integers(-127, 128, (classes, 64)), weight_scale=0.01, scale=0.1))


def tiny(seed: int = 0) -> Graph:
    """A few ops of different kinds, small enough to read as C."""
    b, rng = GraphBuilder("tiny"), np.random.default_rng(seed)
    x = b.input((1, 4, 4, 1), scale=1 / 255, zero_point=-128)
    y = b.conv_2d(x, rng.integers(-9, 10, (2, 3, 3, 1)), [5, -7], weight_scale=0.02, scale=0.05, activation="RELU")
    z = b.depthwise_conv_2d(y, rng.integers(-9, 10, (1, 3, 3, 2)), None, weight_scale=[0.02, 0.03], scale=0.05)
    z = b.add(y, z, scale=0.07, zero_point=3)
    z = b.reshape(b.max_pool_2d(z, 2), (1, 8))
    return b.build(b.fully_connected(z, rng.integers(-9, 10, (3, 8)), [1, 2, 3], weight_scale=0.02, scale=0.1))
