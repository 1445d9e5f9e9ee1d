"""A network under construction whose sizes, scales and zero points are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from .net import Qdq, runner

Draw = Callable[[st.SearchStrategy[Any]], Any]
small = st.integers(1, 3)
# of no simple ratio: ONNX rounds ties to even, the contract rounds them up
factors = st.integers(-50, 50).map(lambda k: 1.0139**k)
scales = factors.map(lambda f: 0.0141 * f)


class Net(Qdq):
    """A quantised input; ``value`` is what it stands for."""

    most = 1  # steps that a logit may be off: a tie

    def __init__(
        self,
        draw: Draw,
        rank: int = 4,
        opset: int = 17,
        low: int = 1,
        channels: int | None = None,
        zero: int | None = None,
    ) -> None:
        sides = [draw(st.integers(low, 7)) for _ in range(rank - 2)]
        super().__init__((1, channels or draw(st.integers(1, 6)), *sides), opset, draw(st.integers(0, 999)))
        assume(len(set(self.shape[1:])) > 1)  # else nothing would show which axis is which
        self.draw = draw
        self.dtype = draw(st.sampled_from([np.int8, np.uint8]))
        self.first = draw(scales), draw(st.integers(-128, 127)) if zero is None else zero
        self.value = self.quantised(*self.first)

    def quantised(self, scale: float, code: int) -> str:
        """Q and DQ with the zero point ``code`` of int8, or what it is in the input's type."""
        self.last = (scale, code)
        self.coarsest = max(scale, getattr(self, "coarsest", 0.0))
        return self.quant(scale, code + (128 if self.dtype == np.uint8 else 0), self.dtype)

    def again(self) -> str:
        """The input at another scale: rounded on the way, so that a tie there is a step more behind it."""
        self.at, self.most = self.value, 3
        return self.quantised(self.draw(scales), self.draw(st.integers(-128, 127)))

    def kernel(self, *shape: int, axis: int = 0) -> str:
        """Weights, per tensor or per channel."""
        q = self.rng.integers(-127, 128, shape)
        if self.draw(st.booleans()):
            return self.codes(q, 0.01)
        return self.codes(q, self.rng.uniform(0.004, 0.02, shape[axis]), axis=axis)

    def real(self, *shape: int) -> str:
        """A constant in float, of either sign and not next to nothing."""
        sign = self.rng.choice([-1, 1], shape)
        return self.const(sign * self.rng.uniform(0.25, 2, shape), np.float32)

    def ints(self, values: object) -> str:
        return self.const(values, np.int64)

    def results(self) -> np.ndarray:
        """What the network computes in float for inputs of all codes."""
        run, (scale, zero) = runner(self.model()), self.first
        codes = np.random.default_rng(3).integers(-128, 128, (40, *self.shape[1:]))
        real = ((codes - zero) * np.float32(scale)).astype(np.float32)
        return np.stack([run(None, {"x": row[None]})[0] for row in real])


def window(net: Net, kernel: list[int], dilated: bool = True) -> dict[str, Any]:
    """strides, dilations and pads that leave something of the input."""
    axes = len(kernel)
    dilations = [net.draw(st.integers(1, 2)) if dilated else 1 for _ in kernel]
    pads = [net.draw(st.integers(0, k - 1)) for k in kernel * 2]
    for n, k, d, a, b in zip(net.shape[2:], kernel, dilations, pads, pads[axes:], strict=False):
        assume(n + a + b >= (k - 1) * d + 1)
    found = {"strides": [net.draw(small) for _ in kernel], "pads": pads, "kernel_shape": kernel}
    return {**found, "dilations": dilations} if dilated else found


def sides(net: Net) -> list[int]:
    return [net.draw(small) for _ in net.shape[2:]]
