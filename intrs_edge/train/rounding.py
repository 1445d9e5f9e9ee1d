# SPDX-License-Identifier: Apache-2.0
"""An activation, and rounding behind it to the 256 levels of int8, in few passes over memory.

On a CPU torch.fake_quantize_per_tensor_affine goes number by number and keeps a mask for the gradient: it made a
quantised step half as long again as a float one. Here the same bits, forwards and backwards, come from operations that
run over vectors.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LOW, HIGH = -128, 127
CEILING = {"relu": math.inf, "relu6": 6.0}


def activate(x: Tensor, activation: str) -> Tensor:
    """``relu``, ``relu6``, or nothing for an empty string."""
    if not activation:
        return x
    y: Tensor = F.relu(x) if activation == "relu" else F.relu6(x)
    return y


def extremes(x: Tensor, activation: str) -> tuple[Tensor, Tensor]:
    """Minimum and maximum of ``activate(x)``."""
    if _channels_last(x) and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1)  # in the order of the memory, or torch copies it
    low, high = torch.aminmax(x)
    return activate(low, activation), activate(high, activation)


def fake_quantise(x: Tensor, scale: Tensor, zero: Tensor, activation: str = "") -> Tensor:
    """``activate(x)`` on the lattice of scale and zero point; the gradient passes where nothing is cut off."""
    step = float(scale) if x.device.type == "cpu" and not torch.compiler.is_compiling() else math.nan
    if not math.isfinite(step) or x.dtype != torch.float32:
        return torch.fake_quantize_per_tensor_affine(activate(x, activation), scale, zero, LOW, HIGH)
    rounded: Tensor = _Rounded.apply(x, step, int(zero), activation)
    return rounded


class _Rounded(torch.autograd.Function):  # type: ignore[misc]
    """Levels are counted from the one of 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, zero: int, activation: str) -> Tensor:
        inverse = np.float32(1) / np.float32(step)
        least, most = LOW - zero, HIGH - zero
        ctx.save_for_backward(x)
        ctx.low, ctx.high = -_first_past(-least, inverse), _first_past(most, inverse)
        if activation:  # rounding keeps the order, so what is cut before it may be cut behind it
            ceiling = CEILING[activation]
            least = 0
            most = min(most, np.rint(np.float32(ceiling) * inverse))
            ctx.low, ctx.high = 0.0, min(ctx.high, ceiling)
        return x.mul(float(inverse)).round_().clamp_(least, most).mul_(step)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        if _channels_last(x):  # the result has the gradient's layout, and what follows is faster in x's
            grad = grad.contiguous(memory_format=torch.channels_last)
        return torch.ops.aten.hardtanh_backward(grad, x, ctx.low, ctx.high), None, None, None


def _channels_last(x: Tensor) -> bool:
    return x.dim() == 4 and bool(x.is_contiguous(memory_format=torch.channels_last))


@functools.lru_cache(4096)
def _first_past(level: int, inverse: np.float32) -> float:
    """The smallest float32 whose product with ``inverse`` rounds to more than a level >= 0."""

    def past(value: np.float32) -> bool:
        return bool(np.rint(value * inverse) > level)

    with np.errstate(over="ignore"):
        value = np.float32((level + 0.5) / float(inverse))
        while past(value):
            value = np.nextafter(value, np.float32(-1))
        while not past(value):
            value = np.nextafter(value, np.float32(math.inf))
    return float(value)
