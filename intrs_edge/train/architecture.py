# SPDX-License-Identifier: Apache-2.0
"""Networks as data: a list of layers, each naming the layers it reads.

The same list is executed by the quantisation-aware torch module (`network.QatNetwork`) and written as QDQ ONNX
(`onnx_writer`); what each kind of layer computes is in `operators`. The lists come from `networks` (by name) and from
`trace` (any torch module).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

INPUT = "input"
ACTIVATIONS = ("", "relu", "relu6")


@dataclass(frozen=True)
class Layer:
    """One layer. ``shape`` is its output without the batch, in torch's order: (C, H, W), (C, L) or (features,).

    kind: a key of `operators.OPERATORS`, which says what ``options`` it takes. activation: ``relu`` or ``relu6`` fused
    behind it, or an empty string.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    activation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Architecture:
    """Layers in an order of execution; the last one gives the logits. ``input`` is the shape that the first layers
    read, in torch's order without the batch."""

    name: str
    input: tuple[int, ...]
    classes: int
    layers: tuple[Layer, ...]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The images that it takes, (H, W, C), as the converted model has them: the signal (C, L) of one-dimensional
        convolutions is an image of L rows and C columns, other (A, B) inputs one of A rows, a vector one row."""
        if len(self.input) == 3:
            c, h, w = self.input
            return h, w, c
        rows, length = (1, *self.input)[-2:]
        return (length, rows, 1) if self.is_signal else (rows, length, 1)

    @property
    def is_signal(self) -> bool:
        """Whether the input is (C, L) with channels, which lie last in the converted model."""
        first = {layer.kind for layer in self.layers if INPUT in layer.inputs}
        return len(self.input) == 2 and bool(first & {"conv", "max_pool", "average_pool"})

    def in_torch_order(self, codes: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """[N, H, W, C] -> [N, *input]."""
        if len(self.input) == 3:
            return codes.transpose(0, 3, 1, 2)
        return codes[..., 0].transpose(0, 2, 1) if self.is_signal else codes.reshape(len(codes), *self.input)

    def in_image_order(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """[N, *input] -> [N, H, W, C]."""
        if len(self.input) == 3:
            return values.transpose(0, 2, 3, 1)
        return (values.transpose(0, 2, 1) if self.is_signal else values).reshape(len(values), *self.input_shape)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a layer's output, or of the input, in torch's order without the batch."""
        if name == INPUT:
            return self.input
        return next(layer.shape for layer in self.layers if layer.name == name)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, zeros of the padding included."""
        total = 0
        for layer in self.layers:
            source = self.shape(layer.inputs[0])
            if layer.kind == "conv":
                o = layer.options
                total += math.prod(layer.shape) * math.prod(o["kernel"]) * source[0] // o["groups"]
            elif layer.kind == "conv_transpose":
                total += math.prod(source) * layer.shape[0] * math.prod(layer.options["kernel"])
            elif layer.kind == "linear":
                total += math.prod(layer.shape) * source[-1]
        return total
