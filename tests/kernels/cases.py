"""Random and extreme layers for kernel tests: constants as the contract has them, and the portable call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.filters import Filters
from intrs_edge.graph.quantize import AddParams, Requant
from tests.kernels.harness import Call

Rng = np.random.Generator


@dataclass(frozen=True)
class Layer:
    """A convolution: its window, constants, activation range and one input."""

    window: Mapping[str, int]
    filters: Filters
    min: int
    max: int
    input: npt.NDArray[np.int8]

    @property
    def out_bytes(self) -> int:
        return self.window["out_h"] * self.window["out_w"] * self.window["out_c"]

    def portable(self, depthwise: bool = False) -> Call:
        f = self.filters
        q = {
            "multiplier": f.multiplier.astype(np.int32),
            "shift": f.shift.astype(np.int8),
            "zero_point": f.out_zero_point,
            "min": self.min,
            "max": self.max,
        }
        common = {"w": self.window, "in_zero_point": f.in_zero_point, "bias": f.bias.astype(np.int32), "q": q}
        if depthwise:
            weights = np.ascontiguousarray(f.weights.T)
            return Call(
                "intrs_depthwise2d_portable", "intrs_depthwise2d", {**common, "multiplier": 1, "weights": weights}
            )
        return Call("intrs_conv2d_portable", "intrs_conv2d", {**common, "groups": 1, "weights": f.weights})

    def packed(self, **fields: object) -> dict[str, object]:
        """The fields that the variants share."""
        return {
            "w": self.window,
            "in_zero_point": self.filters.in_zero_point,
            "min": self.min,
            "max": self.max,
            **fields,
        }


def _window(
    h: int, w: int, c: int, out_c: int, kernel: tuple[int, int], stride: int, pad: int, dilation: int
) -> dict[str, int]:
    reach = [(k - 1) * dilation + 1 for k in kernel]
    return {
        "in_h": h, "in_w": w, "in_c": c,
        "out_h": (h + 2 * pad - reach[0]) // stride + 1,
        "out_w": (w + 2 * pad - reach[1]) // stride + 1, "out_c": out_c,
        "filter_h": kernel[0], "filter_w": kernel[1], "stride_h": stride, "stride_w": stride,
        "dilation_h": dilation, "dilation_w": dilation, "pad_top": pad, "pad_left": pad,
    }  # fmt: skip


def layer(
    rng: Rng,
    shape: tuple[int, int, int],
    out_c: int,
    kernel: tuple[int, int] = (3, 3),
    stride: int = 1,
    pad: int = 1,
    dilation: int = 1,
    depthwise: bool = False,
    extreme: bool = False,
    up: bool = False,
) -> Layer:
    """A layer with random zero points, multipliers that use the output's whole range, and random or extreme values.

    up: some channels are scaled up and some never change; the activation is then a ReLU at the zero point.
    """
    h, w, c = shape
    window = _window(h, w, c, out_c, kernel, stride, pad, dilation)
    taps = kernel[0] * kernel[1]
    wshape = (out_c, taps) if depthwise else (out_c, *kernel, c)
    if extreme:
        weights = rng.choice(np.array([-127, 127], np.int8), wshape)
        x = rng.choice(np.array([-128, 127], np.int8), h * w * c)
    else:
        weights = rng.integers(-127, 128, wshape).astype(np.int8)
        x = rng.integers(-128, 128, h * w * c).astype(np.int8)
    fan_in = taps * (1 if depthwise else c)
    # the scale that brings a typical sum to some tens of output steps
    spread = 73 * 74 * np.sqrt(fan_in) / 40 * (np.sqrt(fan_in) if extreme else 1)
    real = rng.uniform(0.5, 2.0, out_c) / spread
    exponent = np.floor(np.log2(real)).astype(np.int64) + 1
    multiplier = np.minimum(np.round(real / np.exp2(exponent) * 2**31).astype(np.int64), 2**31 - 1)
    shift = np.minimum(exponent, -1)
    bias = rng.integers(-20 * int(spread), 20 * int(spread) + 1, out_c)
    relu = bool(rng.integers(2)) or up
    zero = -128 if relu else int(rng.integers(-128, 128))
    if up:
        shift[::3] = rng.integers(0, 3, len(shift[::3]))
        weights[::3] = rng.integers(-1, 2, weights[::3].shape)
        bias[::3] = rng.integers(-9, 9, len(bias[::3]))
        shift[1::5], bias[1::5] = -27, rng.choice([-(2**30), 2**30], len(shift[1::5]))
    low, high = (-128, 127) if rng.integers(4) else (-90, 77)
    if relu:
        low = -128
    filters = Filters(weights, bias, int(rng.integers(-128, 128)), multiplier, shift, zero, not relu)
    return Layer(window, filters, low, high, x)


Int8s = npt.NDArray[np.int8]


def sums(rng: Rng) -> Iterator[tuple[tuple[Int8s, Int8s], AddParams, dict[str, object]]]:
    """Additions of all 65 536 pairs, each operand once the one with the larger scale, with and without ReLU: operands
    (the exact one second),
    parameters, and the portable kernel's fields for operands in that order."""
    a, b = (x.reshape(-1).astype(np.uint8).view(np.int8) for x in np.meshgrid(np.arange(256), np.arange(256)))
    for i in range(6):
        zero = (int(rng.integers(-128, 128)), int(rng.integers(-128, 128)))
        small, right = int(rng.integers(1 << 30, 1 << 31)), int(rng.integers(0, 4))
        first = i % 2 == 0  # the exact operand
        multiplier = (1 << 30, small) if first else (small, 1 << 30)
        shift = (0, -right) if first else (-right, 0)
        relu = i >= 3
        low, high = ((-128, 127), (-100, 100))[i == 1]
        out_zero = -128 if relu else int(rng.integers(-128, 128))
        q = Requant(np.array([1518500250], np.int32), np.array([-18], np.int8), out_zero, low, high)
        n = a.size - i % 4
        order = slice(None, None, -1 if first else 1)
        portable = {
            "n": n,
            "zero_point": list(zero[order]),
            "multiplier": list(multiplier[order]),
            "shift": list(shift[order]),
            "left_shift": 20,
            "q": {"multiplier": q.multiplier, "shift": q.shift, "zero_point": out_zero, "min": low, "max": high},
        }
        yield (a, b), AddParams(zero, multiplier, shift, 20, q), portable
