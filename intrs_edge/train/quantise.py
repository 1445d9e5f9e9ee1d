# SPDX-License-Identifier: Apache-2.0
"""Quantisation-aware modules over ``torch.fake_quantize_*``: what TFLite's int8 scheme can represent, nothing else.

Activations: int8, per tensor, asymmetric, range from a moving average of minima and maxima until frozen. Weights:
int8 in -127..127, per output channel and symmetric (per tensor in a linear layer: TFLite runtimes disagree about the
rest), range from the weights themselves. Bias: int32 in units of input scale times weight scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.train.rounding import activate, extremes, fake_quantise

# A channel whose weights are nearly all zero would make a bias unit so small that the int32 bias overflows.
BIAS_LIMIT = 2.0**28
TINY = 1e-8


class ActivationQuant(nn.Module):  # type: ignore[misc]
    """Observes a range while training and not frozen, and rounds to its 256 levels; with ``fixed`` (low, high) the
    range is given."""

    def __init__(self, momentum: float = 0.05, fixed: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.momentum = momentum
        self.fixed = fixed
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))
        self.frozen = False
        self.quantising = True
        if fixed is not None:
            self.low.fill_(fixed[0])
            self.high.fill_(fixed[1])
            self.seen.fill_(True)

    def qparams(self) -> tuple[Tensor, Tensor]:
        """Scale (float32) and zero point (int32, -128..127); the range is widened to hold 0."""
        low, high = self.low.clamp(max=0.0), self.high.clamp(min=0.0)
        scale = ((high - low) / 255.0).clamp(min=TINY)
        zero = (-128.0 - low / scale).round().clamp(-128, 127).to(torch.int32)
        return scale, zero

    def observe(self, x: Tensor, activation: str = "") -> None:
        """Moves the range towards that of the activated x; the first call sets it."""
        with torch.no_grad():
            low, high = extremes(x, activation)
            self.low.copy_(torch.where(self.seen, torch.lerp(self.low, low, self.momentum), low))
            self.high.copy_(torch.where(self.seen, torch.lerp(self.high, high, self.momentum), high))
            self.seen.fill_(True)

    def forward(self, x: Tensor, activation: str = "") -> Tensor:
        """Any shape -> the same shape, activated (``relu``, ``relu6``), on the lattice of the observed range."""
        if not self.quantising:
            return activate(x, activation)
        if self.training and not self.frozen and self.fixed is None:
            self.observe(x, activation)
        return fake_quantise(x, *self.qparams(), activation)


class QatWeights(nn.Module):  # type: ignore[misc]
    """What every weighted layer shares: float weights, perhaps batch normalisation behind them, and their int8 form.

    While batch statistics are in use the layer runs with the folded, quantised weights, scaled back, and its output is
    normalised by the batch (Krishnamoorthi 2018, section 3.2.2); once ``frozen`` it is one operation and a bias.
    Subclasses give ``apply``. ``channel_axis`` is the output channel's axis in ``weight``.
    """

    channel_axis = 0
    per_channel = True

    def __init__(self, shape: tuple[int, ...], channels_out: int, bias: bool, norm: nn.Module | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.bn = norm
        self.frozen = False
        self.quantising = True

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's linear operation."""
        raise NotImplementedError

    def folded(self, input_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights and bias [O] with batch norm folded in, and the weight scales [O] or [1]; not yet rounded."""
        bias = self.bias if self.bias is not None else torch.zeros_like(self.weight[:1].flatten()[:1])
        if self.bn is None:
            weight = self.weight
            bias = bias.expand(self.weight.shape[self.channel_axis])
        else:
            factor = self.factor()
            weight = self.weight * self._along(factor)
            bias = self.bn.bias + (bias - self.bn.running_mean) * factor
        first = weight.transpose(0, self.channel_axis) if self.channel_axis else weight
        return weight, bias, weight_scale(first, bias, input_scale, self.per_channel)

    def factor(self) -> Tensor:
        """gamma / sqrt(var + eps) per channel, kept away from 0 so that it can be divided by."""
        assert self.bn is not None
        factor = self.bn.weight * torch.rsqrt(self.bn.running_var + self.bn.eps)
        return torch.where(factor.abs() < 1e-6, torch.full_like(factor, 1e-6), factor)

    def forward(self, x: Tensor, input_scale: Tensor) -> Tensor:
        """Values on the lattice of input_scale -> the layer's output, before activation and rounding."""
        if not self.quantising:
            y = self.apply_weight(x, self.weight, self.bias)
            return y if self.bn is None else self.bn(y)
        weight, bias, scale = self.folded(input_scale)
        if self.bn is not None and self.training and not self.frozen:
            # The factor cancels, so it must not carry a gradient: gamma learns through the batch norm alone. It is
            # taken out of the weights again, not out of the output, which is larger.
            factor = self._along(self.factor().detach())
            rounded = fake_quantise_weight(self.weight * factor, scale, self.channel_axis)
            return self.bn(self.apply_weight(x, rounded / factor, self.bias))
        rounded = fake_quantise_weight(weight, scale, self.channel_axis)
        return self.apply_weight(x, rounded, round_bias(bias, input_scale * scale))

    def _along(self, channels: Tensor) -> Tensor:
        """[O] shaped to multiply ``weight``."""
        return channels.reshape([-1 if i == self.channel_axis else 1 for i in range(self.weight.dim())])


class QatConv(QatWeights):
    """Convolution over one or two axes, weights [O, I/groups, *kernel]; ``pad`` is (begins..., ends...)."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        pad: tuple[int, ...],
        dilation: tuple[int, ...] | None = None,
        groups: int = 1,
        norm: bool = True,
        bias: bool = False,
    ) -> None:
        axes = len(kernel)
        bn = (nn.BatchNorm1d, nn.BatchNorm2d)[axes - 1](channels_out) if norm else None
        super().__init__((channels_out, channels_in // groups, *kernel), channels_out, bias, bn)
        self.stride, self.groups, self.dilation = stride, groups, dilation or (1,) * axes
        begins, ends = pad[:axes], pad[axes:]
        self.pad = begins if begins == ends else (0,) * axes
        # torch pads the last axis first
        self.outer = () if begins == ends else tuple(p for a in reversed(range(axes)) for p in (begins[a], ends[a]))

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """[N, I, *spatial] -> [N, O, *spatial']."""
        if self.outer:
            x = F.pad(x, self.outer)
        conv = F.conv2d if len(self.stride) == 2 else F.conv1d
        return conv(x, weight, bias, self.stride, self.pad, self.dilation, self.groups)


class QatConvTranspose(QatWeights):
    """Transposed convolution over two axes, weights [I, O, kh, kw]; ``pad`` is (top, left, bottom, right), which crops
    the output."""

    channel_axis = 1

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pad: tuple[int, int],
        output_pad: tuple[int, int] = (0, 0),
        norm: bool = False,
        bias: bool = True,
    ) -> None:
        bn = nn.BatchNorm2d(channels_out) if norm else None
        super().__init__((channels_in, channels_out, *kernel), channels_out, bias, bn)
        self.stride, self.pad, self.output_pad = stride, pad, output_pad

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """[N, I, H, W] -> [N, O, H', W']."""
        return F.conv_transpose2d(x, weight, bias, self.stride, self.pad, self.output_pad)


class QatLinear(QatWeights):
    """Fully connected layer, weights [O, I] quantised per tensor."""

    per_channel = False

    def __init__(self, features_in: int, features_out: int, norm: bool = False, bias: bool = True) -> None:
        bn = nn.BatchNorm1d(features_out) if norm else None
        super().__init__((features_out, features_in), features_out, bias, bn)

    def apply_weight(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """[N, ..., I] -> [N, ..., O]."""
        return F.linear(x, weight, bias)


class QatPrelu(nn.Module):  # type: ignore[misc]
    """PReLU with slopes [C] (or [1]) rounded to int8, symmetric, per tensor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 0.25))
        self.quantising = True

    def slope_scale(self) -> Tensor:
        """The slopes' one scale [1]."""
        return (self.weight.detach().abs().amax().reshape(1) / 127.0).clamp(min=TINY)

    def forward(self, x: Tensor, input_scale: Tensor) -> Tensor:
        """Any [N, C, ...] -> the same shape, not yet rounded."""
        weight = fake_quantise_weight(self.weight, self.slope_scale()) if self.quantising else self.weight
        return F.prelu(x, weight)


def weight_scale(weight: Tensor, bias: Tensor, input_scale: Tensor, per_channel: bool) -> Tensor:
    """Symmetric scales [O] or [1]: the largest weight at 127, and the bias within int32 with room to spare."""
    with torch.no_grad():
        largest = weight.abs().flatten(1).amax(1)
        least = bias.abs() / (input_scale * BIAS_LIMIT)
        if not per_channel:
            largest, least = largest.amax().reshape(1), least.amax().reshape(1)
        return torch.maximum(largest / 127.0, least).clamp(min=TINY)


def fake_quantise_weight(weight: Tensor, scale: Tensor, axis: int = 0) -> Tensor:
    """Rounds weights to their int8 lattice, gradients straight through; several scales run along ``axis``."""
    if scale.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(
            weight, scale, torch.zeros(1, dtype=torch.int32, device=weight.device), -127, 127
        )
    return torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros_like(scale, dtype=torch.int32), axis, -127, 127
    )


def round_bias(bias: Tensor, unit: Tensor) -> Tensor:
    """Rounds a bias to whole units of the accumulator, gradients straight through."""
    with torch.no_grad():
        rounded = (bias.double() / unit.double()).round() * unit.double()
    return bias + (rounded.to(bias.dtype) - bias).detach()
