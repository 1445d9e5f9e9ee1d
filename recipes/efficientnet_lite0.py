"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variants of 2020: no squeeze-and-excitation, ReLU6) as a torch module.

The names are those of the package efficientnet_pytorch, so that public weights load; padding is TensorFlow's SAME.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# repeats, kernel, stride, expansion, channels out
_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
           (1, 3, 1, 6, 320))  # fmt: skip
_STEM, _HEAD = 32, 1280


class SameConv(nn.Module):
    """A convolution padded as TensorFlow's SAME on even images: the odd pixel right and below. Its weight is in the
    name ``weight``, as that of a plain convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.pad = nn.ZeroPad2d((before, after, before, after))
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, H / stride, W / stride]."""
        return self.conv(self.pad(x))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project; the input is added where it fits."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expands, self.adds = expansion != 1, stride == 1 and channels_in == channels_out
        if self.expands:
            self._expand_conv, self._bn0 = SameConv(channels_in, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, wide), _norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, channels_out, 1), _norm(channels_out)
        self.relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """[N, I, H, W] -> [N, O, H / stride, W / stride]."""
        y = self.relu(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self.relu(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Images [N, 3, H, W] of even sides, normalised -> logits [N, classes]."""

    def __init__(self, num_classes: int, stages: tuple[tuple[int, ...], ...] = _STAGES) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, _STEM, 3, 2), _norm(_STEM)
        blocks, width = [], _STEM
        for repeats, kernel, stride, expansion, out in stages:
            for k in range(repeats):
                blocks.append(Block(width, out, kernel, stride if k == 0 else 1, expansion))
                width = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(width, _HEAD, 1), _norm(_HEAD)
        self.relu, self.pool = nn.ReLU6(), nn.AdaptiveAvgPool2d(1)
        self._fc = nn.Linear(_HEAD, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.relu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.relu(self._bn1(self._conv_head(x)))
        return self._fc(torch.flatten(self.pool(x), 1))


def efficientnet_lite0(num_classes: int, weights: str | None = None) -> EfficientNetLite0:
    """The network; ``weights``: a state_dict in efficientnet_pytorch's names (half or single precision), of which all
    but the last layer must fit. That one is taken where it has as many classes. Raises ValueError for other weights.
    """
    network = EfficientNetLite0(num_classes)
    if weights is None:
        return network
    own = network.state_dict()
    found = {
        name.replace("conv.weight", "conv.conv.weight").replace("conv_stem.weight", "conv_stem.conv.weight").replace(
            "conv_head.weight", "conv_head.conv.weight"): value.float() if value.is_floating_point() else value
        for name, value in torch.load(weights, map_location="cpu", weights_only=True).items()
    }  # fmt: skip
    if found.get("_fc.weight", own["_fc.weight"]).shape != own["_fc.weight"].shape:
        found = {name: value for name, value in found.items() if not name.startswith("_fc.")}
    learned = {name for name in own if not name.endswith("num_batches_tracked")}
    new = {"_fc.weight", "_fc.bias"} - set(found)
    wrong = sorted((learned - set(found) - new) | (set(found) - set(own)))
    wrong += [name for name in found if name in own and own[name].shape != found[name].shape]
    if wrong:
        raise ValueError(f"{weights} is not of EfficientNet-Lite0: {wrong[0]} does not fit")
    network.load_state_dict(found, strict=False)
    return network
