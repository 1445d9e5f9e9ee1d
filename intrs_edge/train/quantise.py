"""Quantisation-aware modules over ``torch.fake_quantize_*``: what TFLite's int8 scheme can represent, nothing else.

Activations: int8, per tensor, asymmetric, range from a moving average of minima and maxima until frozen. Weights:
int8 in -127..127, per output channel and symmetric (per tensor in a linear layer: TFLite runtimes disagree about the
rest), range from the weights themselves. Bias: int32 in units of input scale times weight scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# A channel whose weights are nearly all zero would make a bias unit so small that the int32 bias overflows.
BIAS_LIMIT = 2.0**28
TINY = 1e-8


class ActivationQuant(nn.Module):  # type: ignore[misc]
    """Observes a range while training and not frozen, and rounds to its 256 levels."""

    def __init__(self, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))
        self.quantising = True

    def qparams(self) -> tuple[Tensor, Tensor]:
        """Scale (float32) and zero point (int32, -128..127); the range is widened to hold 0."""
        low, high = self.low.clamp(max=0.0), self.high.clamp(min=0.0)
        scale = ((high - low) / 255.0).clamp(min=TINY)
        zero = (-128.0 - low / scale).round().clamp(-128, 127).to(torch.int32)
        return scale, zero

    def observe(self, x: Tensor) -> None:
        """Moves the range towards that of x; the first call sets it."""
        with torch.no_grad():
            low, high = torch.aminmax(x)
            if bool(self.seen):
                self.low.lerp_(low, self.momentum)
                self.high.lerp_(high, self.momentum)
            else:
                self.low.copy_(low)
                self.high.copy_(high)
                self.seen.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape, on the lattice of the observed range."""
        if not self.quantising:
            return x
        if self.training and not bool(self.frozen):
            self.observe(x)
        return torch.fake_quantize_per_tensor_affine(x, *self.qparams(), -128, 127)


class QatConv(nn.Module):  # type: ignore[misc]
    """Convolution with folded batch normalisation: quantises the weights that the device will hold.

    While batch statistics are in use the convolution runs with the folded, quantised weights and its output is
    scaled back and normalised by the batch (Krishnamoorthi 2018, section 3.2.2); once ``frozen`` it is one
    convolution and a bias.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: tuple[int, int],
        stride: int,
        pad: tuple[int, int, int, int],
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        top, bottom, left, right = pad
        self.pad = (left, right, top, bottom)
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in // groups, *kernel))
        self.bn = nn.BatchNorm2d(channels_out)
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))
        self.quantising = True

    def folded(self, input_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights [O, I/groups, kh, kw] and bias [O] with batch norm folded in, and the weight scales [O]; not yet
        rounded."""
        factor = self.factor()
        weight = self.weight * factor.reshape(-1, 1, 1, 1)
        bias = self.bn.bias - self.bn.running_mean * factor
        return weight, bias, weight_scale(weight, bias, input_scale, per_channel=True)

    def factor(self) -> Tensor:
        """gamma / sqrt(var + eps) per channel, kept away from 0 so that it can be divided by."""
        factor = self.bn.weight * torch.rsqrt(self.bn.running_var + self.bn.eps)
        return torch.where(factor.abs() < 1e-6, torch.full_like(factor, 1e-6), factor)

    def forward(self, x: Tensor, input_scale: Tensor) -> Tensor:
        """[N, I, H, W] on the lattice of input_scale -> [N, O, H', W'], before activation and rounding."""
        if any(self.pad):
            x = F.pad(x, self.pad)
        if not self.quantising:
            return self.bn(F.conv2d(x, self.weight, None, self.stride, groups=self.groups))
        weight, bias, scale = self.folded(input_scale)
        if self.training and not bool(self.frozen):
            # the factor cancels, so it must not carry a gradient: gamma learns through the batch norm alone
            factor = self.factor().detach()
            weight = fake_quantise_weight(self.weight * factor.reshape(-1, 1, 1, 1), scale)
            y = F.conv2d(x, weight, None, self.stride, groups=self.groups)
            return self.bn(y / factor.reshape(1, -1, 1, 1))
        weight = fake_quantise_weight(weight, scale)
        return F.conv2d(x, weight, round_bias(bias, input_scale * scale), self.stride, groups=self.groups)


class QatLinear(nn.Module):  # type: ignore[misc]
    """Fully connected layer, weights [O, I] quantised per tensor."""

    def __init__(self, features_in: int, features_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features_out, features_in))
        self.bias = nn.Parameter(torch.zeros(features_out))
        self.quantising = True

    def folded(self, input_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights [O, I], bias [O] and the one weight scale [1]; not yet rounded."""
        return self.weight, self.bias, weight_scale(self.weight, self.bias, input_scale, per_channel=False)

    def forward(self, x: Tensor, input_scale: Tensor) -> Tensor:
        """[N, I] -> [N, O]."""
        if not self.quantising:
            return F.linear(x, self.weight, self.bias)
        weight, bias, scale = self.folded(input_scale)
        return F.linear(x, fake_quantise_weight(weight, scale), round_bias(bias, input_scale * scale))


def weight_scale(weight: Tensor, bias: Tensor, input_scale: Tensor, per_channel: bool) -> Tensor:
    """Symmetric scales [O] or [1]: the largest weight at 127, and the bias within int32 with room to spare."""
    with torch.no_grad():
        largest = weight.abs().flatten(1).amax(1)
        least = bias.abs() / (input_scale * BIAS_LIMIT)
        if not per_channel:
            largest, least = largest.amax().reshape(1), least.amax().reshape(1)
        return torch.maximum(largest / 127.0, least).clamp(min=TINY)


def fake_quantise_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Rounds weights to their int8 lattice, gradients straight through."""
    if scale.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(weight, scale, torch.zeros(1, dtype=torch.int32), -127, 127)
    return torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros_like(scale, dtype=torch.int32), 0, -127, 127
    )


def round_bias(bias: Tensor, unit: Tensor) -> Tensor:
    """Rounds a bias to whole units of the accumulator, gradients straight through."""
    with torch.no_grad():
        rounded = (bias.double() / unit.double()).round() * unit.double()
    return bias + (rounded.to(bias.dtype) - bias).detach()
