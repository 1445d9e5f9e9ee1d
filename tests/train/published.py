"""Public definitions whose checkpoints are known, with their own names: torchvision's MobileNetV2, and
EfficientNet-Lite0 as efficientnet_pytorch has it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _conv_norm(i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = i * expansion
        layers: list[nn.Module] = [_conv_norm(i, wide, 1)] if expansion != 1 else []
        layers += [_conv_norm(wide, wide, 3, stride, wide), nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o)]
        self.conv, self.adds = nn.Sequential(*layers), stride == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        features, width = [_conv_norm(3, 32, 3, 2)], 32
        for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                           (6, 320, 1, 1)):  # fmt: skip
            for i in range(n):
                features.append(InvertedResidual(width, c, s if i == 0 else 1, t))
                width = c
        self.features = nn.Sequential(*features, _conv_norm(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


class SameConv(nn.Conv2d):
    """Padded as TensorFlow's SAME."""

    def forward(self, x: Tensor) -> Tensor:
        (k, _), (s, _), (h, w) = self.kernel_size, self.stride, x.shape[2:]
        rows, columns = (max((-(-n // s) - 1) * s + k - n, 0) for n in (h, w))
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConvBlock(nn.Module):
    def __init__(self, i: int, o: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide, self.expands, self.adds = i * expansion, expansion != 1, stride == 1 and i == o
        if self.expands:
            self._expand_conv, self._bn0 = SameConv(i, wide, 1, bias=False), _norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide, bias=False), _norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, o, 1, bias=False), _norm(o)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), _norm(32)
        blocks, width = [], 32
        for n, k, s, t, c in ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
                              (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)):  # fmt: skip
            for i in range(n):
                blocks.append(MBConvBlock(width, c, k, s if i == 0 else 1, t))
                width = c
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1, self._fc = SameConv(320, 1280, 1, bias=False), _norm(1280), nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def random_state(make: type[nn.Module], classes: int, seed: int = 0) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network with random weights and statistics, evaluating, and its state_dict."""
    torch.manual_seed(seed)
    network = make(classes).eval()
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0, 0.2)
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 1.5)  # less would magnify every rounding
    return network, network.state_dict()
