"""Networks of MLPerf Tiny's shapes with random weights and scales, for counting instructions (docs/performance.md).

    python -m tests.codegen.mlperf_tiny FOLDER

writes each as a .tflite file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_writer import write_tflite
from tests.codegen.networks import resnet

_STEP = 4 / 255  # of every activation


class _Random(GraphBuilder):
    """Layers whose sums use most of their output's range, each channel with a scale of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.rng = np.random.default_rng(0)

    def _layer(self, channels: int, fan_in: int) -> tuple[object, object]:
        scale = self.rng.uniform(0.7, 1.4, channels) / (73 * np.sqrt(fan_in))
        return self.rng.integers(-2000, 2000, channels), scale

    def conv(self, x: int, out: int, kernel: tuple[int, int], stride: int, zero_point: int = -128) -> int:
        fan_in = kernel[0] * kernel[1] * self.shape(x)[3]
        bias, scale = self._layer(out, fan_in)
        weights = self.rng.integers(-127, 128, (out, *kernel, self.shape(x)[3]))
        return self.conv_2d(
            x, weights, bias, weight_scale=scale, scale=_STEP, zero_point=zero_point, stride=stride, activation="RELU"
        )  # type: ignore[arg-type]

    def depthwise(self, x: int, stride: int) -> int:
        channels = self.shape(x)[3]
        bias, scale = self._layer(channels, 9)
        weights = self.rng.integers(-127, 128, (1, 3, 3, channels))
        return self.depthwise_conv_2d(
            x, weights, bias, weight_scale=scale, scale=_STEP, zero_point=-128, stride=stride, activation="RELU"
        )  # type: ignore[arg-type]

    def dense(self, x: int, out: int, activation: str = "NONE") -> int:
        fan_in = self.shape(x)[1]
        weights, bias = self.rng.integers(-127, 128, (out, fan_in)), self.rng.integers(-2000, 2000, out)
        zero_point = -128 if activation == "RELU" else 3
        scale = 1 / (73 * np.sqrt(fan_in))
        return self.fully_connected(
            x, weights, bias, weight_scale=scale, scale=_STEP, zero_point=zero_point, activation=activation
        )

    def head(self, x: int, classes: int) -> Graph:
        _, height, width, channels = self.shape(x)
        pooled = self.average_pool_2d(x, (height, width), padding="VALID")
        return self.build(self.dense(self.reshape(pooled, (1, channels)), classes))


def ds_cnn() -> Graph:
    """Keyword spotting: 49x10, 64 channels, four depthwise separable blocks, 2 656 768 multiply-accumulates."""
    b = _Random("ds_cnn")
    x = b.conv(b.input((1, 49, 10, 1), scale=_STEP, zero_point=3), 64, (10, 4), 2)
    for _ in range(4):
        x = b.conv(b.depthwise(x, 1), 64, (1, 1), 1)
    return b.head(x, 12)


def mobilenet_vww() -> Graph:
    """Visual wake words: MobileNetV1 of width 1/4 on 96x96x3, 7 489 664 multiply-accumulates."""
    b = _Random("mobilenet_vww")
    x = b.conv(b.input((1, 96, 96, 3), scale=1 / 255, zero_point=-128), 8, (3, 3), 2)
    for width, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]:
        x = b.conv(b.depthwise(x, stride), width, (1, 1), 1)
    return b.head(x, 2)


def autoencoder() -> Graph:
    """Anomaly detection: ten fully connected layers, 264 192 multiply-accumulates."""
    b = _Random("autoencoder")
    x = b.input((1, 640), scale=_STEP, zero_point=3)
    for width in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = b.dense(x, width, "RELU")
    return b.build(b.dense(x, 640))


NETWORKS: dict[str, Callable[[], Graph]] = {
    "resnet8": lambda: resnet(1),
    "resnet20": lambda: resnet(3),
    "ds_cnn": ds_cnn,
    "mobilenet_vww": mobilenet_vww,
    "autoencoder": autoencoder,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes networks of MLPerf Tiny's shapes.")
    parser.add_argument("folder", type=Path)
    target: Path = parser.parse_args().folder
    target.mkdir(parents=True, exist_ok=True)
    for name, make in NETWORKS.items():
        (target / f"{name}.tflite").write_bytes(write_tflite(make()))
