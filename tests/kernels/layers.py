"""Graphs of one layer for the tests of kernel variants, and inputs that reach their extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph, Op, Tensor
from tests.kernels.host import Int8s


def inputs_for(graph: Graph, rng: np.random.Generator, batch: int) -> Int8s:
    """Random images, and two of nothing but extremes."""
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    x = rng.integers(-128, 128, (batch, *shape)).astype(np.int8)
    x[1] = rng.choice([-128, 127], shape)
    x[2] = -128
    return x


def conv(
    h: int, w: int, in_c: int, out_c: int, filter_: int | tuple[int, int], *, zero_point: int = -128, out_zero: int = 3,
    extreme: bool = False, rng: np.random.Generator, skip: float = 0.0, **options: object,
) -> Graph:  # fmt: skip
    """One convolution with weights of full range; with ``skip``, its sum with the input at that scale."""
    fh, fw = filter_ if isinstance(filter_, tuple) else (filter_, filter_)
    b = GraphBuilder("conv")
    x = b.input((1, h, w, in_c), scale=0.02, zero_point=zero_point)
    shape = (out_c, fh, fw, in_c)
    weights = rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 128, shape)
    bias = rng.integers(-20000, 20000, out_c)
    scales = rng.uniform(0.002, 0.02, out_c)
    scale = 0.02 * 0.01 * 75 * 70 * (fh * fw * in_c) ** 0.5 / 128
    y = b.conv_2d(x, weights, bias, weight_scale=scales, scale=scale, zero_point=out_zero, **options)  # type: ignore[arg-type]
    return b.build(b.add(x, y, scale=skip, zero_point=-20) if skip else y)


def residual(n: int, scales: tuple[float, float, float], kind: str = "ADD", activation: str = "RELU") -> Graph:
    """A sum of the input and a convolution of it, n times 2 values; scales of the input, the convolution, the sum."""
    b = GraphBuilder("sum")
    x = b.input((1, n, 1, 2), scale=scales[0], zero_point=-100)
    y = b.conv_2d(x, [[[[0, 90]]], [[[-60, 0]]]], [5, 9], weight_scale=0.01, scale=scales[1], zero_point=11)
    return b.build(b.binary(kind, x, y, scale=scales[2], zero_point=-30, activation=activation))


def ties(activation: str) -> Graph:
    """A 3x3 convolution whose multipliers are powers of two, 1/2 to 2^-8, so that both roundings meet exact halves."""
    b = GraphBuilder("ties")
    x = b.input((1, 12, 12, 16), scale=1.0, zero_point=-1)
    weights = np.zeros((16, 3, 3, 16), np.int64)
    weights[np.arange(16), 1, 1, np.arange(16)] = [1, -1] * 8
    weights[:, 0, 2, 3] = 3
    scales = [2.0 ** -(1 + k // 2) for k in range(16)]
    y = b.conv_2d(x, weights, np.arange(16) - 8, weight_scale=scales, scale=1.0, zero_point=-7, activation=activation)
    return b.build(y)


def depthwise(channels: int, filter_: int, stride: int, padding: str, rng: np.random.Generator) -> Graph:
    """One depthwise convolution of a 9x11 image."""
    b = GraphBuilder("depthwise")
    x = b.input((1, 9, 11, channels), scale=0.02, zero_point=-7)
    weights = rng.integers(-127, 128, (1, filter_, filter_, channels))
    y = b.depthwise_conv_2d(
        x, weights, rng.integers(-999, 999, channels), weight_scale=rng.uniform(0.002, 0.02, channels), scale=0.2,
        stride=stride, padding=padding, activation="RELU6",
    )  # fmt: skip
    return b.build(y)


def fully_connected(rows: int, in_n: int, out_n: int, rng: np.random.Generator) -> Graph:
    """One fully connected layer on rows."""
    b = GraphBuilder("fc")
    x = b.input((1, rows, in_n), scale=0.02, zero_point=-5)
    weights, bias = rng.integers(-127, 128, (out_n, in_n)), rng.integers(-99, 99, out_n)
    return b.build(b.fully_connected(x, weights, bias, weight_scale=0.01, scale=0.05))


def average_pool(size: int, channels: int, filter_: int, padding: str) -> Graph:
    """One average pool."""
    b = GraphBuilder("pool")
    x = b.input((1, size, size, channels), scale=0.02)
    return b.build(b.average_pool_2d(x, filter_, padding=padding))


def inside(graph: Graph, images: int) -> Graph:
    """The layers on a batch inside a model for one image, whose rows a RESHAPE takes for images."""
    tensors = [t if t.constant else replace(t, shape=(images, *t.shape[1:])) for t in graph.tensors]
    first = tensors[graph.inputs[0]]
    _, h, *rest = first.shape
    source, target = len(tensors), len(tensors) + 1
    tensors.append(replace(first, name="rows", shape=(1, images * h, *rest)))
    tensors.append(Tensor("target", (len(first.shape),), "int32", None, np.array(first.shape, np.int32)))
    reshape = Op("RESHAPE", (source, target), (graph.inputs[0],), {"new_shape": first.shape}, "reshape")
    return replace(graph, tensors=tuple(tensors), ops=(reshape, *graph.ops), inputs=(source,))


def rng() -> np.random.Generator:
    """The same weights in every run."""
    return np.random.default_rng(11)


def layer_cases() -> dict[str, Callable[[], Graph]]:
    """Layers by name: what precedes the first dot is the op."""
    return {
        "conv2d.3x3_16": lambda: conv(9, 7, 16, 24, 3, rng=rng(), activation="RELU"),
        "conv2d.3x3_valid": lambda: conv(8, 8, 40, 8, 3, rng=rng(), padding="VALID", zero_point=3),
        "conv2d.3x3_extreme": lambda: conv(4, 4, 64, 16, 3, rng=rng(), extreme=True),
        "conv2d.stem": lambda: conv(12, 12, 3, 16, 3, rng=rng(), zero_point=-9),
        "conv2d.stride2": lambda: conv(9, 10, 16, 33, 3, rng=rng(), stride=2),
        "conv2d.1x1_stride2": lambda: conv(8, 8, 16, 32, 1, rng=rng(), stride=2, padding="VALID"),
        "conv2d.odd": lambda: conv(5, 6, 7, 9, 3, rng=rng(), zero_point=17),
        "conv2d.dilated": lambda: conv(9, 12, 3, 17, (2, 3), rng=rng(), dilation=(1, 3)),
        "conv2d.ties": lambda: ties("NONE"),
        "conv2d.ties_relu": lambda: ties("RELU"),
        "conv2d.one": lambda: conv(6, 7, 1, 1, 2, rng=rng(), stride=(2, 1)),
        "fully_connected.10": lambda: fully_connected(1, 64, 10, rng()),
        "fully_connected.rows": lambda: fully_connected(3, 33, 5, rng()),
        "depthwise2d.16": lambda: depthwise(16, 3, 1, "SAME", rng()),
        "depthwise2d.odd": lambda: depthwise(21, 3, 2, "VALID", rng()),
        "add.sum": lambda: residual(25, (0.02, 0.0151, 0.0263)),
        "add.sub": lambda: residual(7, (0.02, 0.0151, 0.0263), "SUB"),
        "average_pool2d.8": lambda: average_pool(8, 64, 8, "VALID"),
        "average_pool2d.odd": lambda: average_pool(7, 19, 3, "SAME"),
        "conv2d.batch": lambda: inside(conv(5, 6, 16, 32, 3, rng=rng(), zero_point=17), 3),
        "conv2d.batch_of_pixels": lambda: inside(conv(1, 1, 33, 9, 1, rng=rng(), zero_point=17), 5),
        "depthwise2d.batch": lambda: inside(depthwise(16, 3, 1, "SAME", rng()), 3),
        "add.batch": lambda: inside(residual(7, (0.02, 0.0151, 0.0263)), 3),
        "average_pool2d.batch": lambda: inside(average_pool(6, 16, 3, "SAME"), 3),
    }
