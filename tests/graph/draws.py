"""What random graphs are drawn from, and inputs that reach the extremes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph

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


def output_scale(
    draw: Draw, rng: np.random.Generator, unit: float, weights: npt.NDArray[np.int8], fan_in: int
) -> float:
    """A scale that spreads the accumulator over a few to a few hundred steps."""
    spread = 75.0 * np.sqrt(max(1.0, fan_in * float((weights.astype(float) ** 2).mean())))
    return float(unit * spread / draw(st.floats(2.0, 300.0)))


def image(draw: Draw, b: GraphBuilder, most: int = 9, channels: int = 6) -> int:
    shape = (1, draw(st.integers(1, most)), draw(st.integers(1, most)), draw(st.integers(1, channels)))
    return b.input(shape, scale=draw(scales), zero_point=draw(zeros))


def window(draw: Draw, shape: tuple[int, ...], dilated: bool = True) -> dict[str, object] | None:
    """Filter, strides, dilations and padding that fit an input."""
    _, h, w, _ = shape
    padding = draw(paddings)
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3))) if dilated else (1, 1)
    limits = [n if padding == "SAME" else (n - 1) // d + 1 for n, d in zip((h, w), dilation, strict=True)]
    filter_ = tuple(draw(st.integers(1, max(1, min(5, limit)))) for limit in limits)
    stride = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    return {"padding": padding, "dilation": dilation, "filter": filter_, "stride": stride}


def weight_scale(draw: Draw, rng: np.random.Generator, channels: int) -> float | list[float]:
    base = draw(st.floats(1e-4, 0.1))
    return [base * f for f in rng.uniform(0.05, 2.0, channels)] if draw(st.booleans()) else base


def some_bias(draw: Draw, rng: np.random.Generator, channels: int) -> npt.NDArray[np.int64] | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    reach = draw(st.sampled_from([0, 100, 20000, 10**6]))
    return rng.integers(-reach, reach + 1, channels)
