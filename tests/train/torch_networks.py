"""Ordinary float modules in the style of public model definitions, small enough to run here."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """torchvision's layout: stem with a max pool, stages, average pool, flatten, fc."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(8, 8, 1))
        self.layer2 = nn.Sequential(BasicBlock(8, 16, 2))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x))))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class InvertedResidual(nn.Module):
    def __init__(self, i: int, o: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = i * expand
        self.use_res_connect = stride == 1 and i == o
        self.conv = nn.Sequential(
            nn.Conv2d(i, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True), nn.Conv2d(hidden, o, 1, bias=False), nn.BatchNorm2d(o),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
            InvertedResidual(8, 8, 1, 2), InvertedResidual(8, 12, 2, 3),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(12, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1)).reshape(x.shape[0], -1)
        return self.classifier(x)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeeze, 1), nn.Conv2d(squeeze, channels, 1)
        self.activation, self.scale_activation = nn.ReLU(), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(scale) * x


class MobileNetV3(nn.Module):
    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, eps=0.001, momentum=0.01), nn.Hardswish(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            SqueezeExcitation(8, 4), nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.Hardswish(),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(12, 16), nn.Hardswish(inplace=True), nn.Dropout(), nn.Linear(16, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class EfficientNetLite(nn.Module):
    """TensorFlow's SAME padding: the odd pixel right and below."""

    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self._conv_stem, self._bn0 = nn.Conv2d(channels, 8, 3, 2, bias=False), nn.BatchNorm2d(8, eps=1e-3)
        self.block = InvertedResidual(8, 8, 1, 2)
        self._fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(self.pad(x))))
        return self._fc(self.block(x).mean([2, 3]))


class Fire(nn.Module):
    def __init__(self, i: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze, self.expand1x1 = nn.Conv2d(i, squeeze, 1), nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x), inplace=True)
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16, 8, 16)
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(32, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        for m in self.modules():  # as torchvision's: without batch norm it learns nothing otherwise
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


class DenseLayer(nn.Module):
    def __init__(self, i: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(i), nn.Conv2d(i, 2 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(2 * growth), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseNet(nn.Module):
    """Batch norm in front of the activation and the convolution."""

    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, 8, 3, 1, 1, bias=False)
        self.layers = nn.ModuleList([DenseLayer(8, 4), DenseLayer(12, 4)])
        self.norm = nn.BatchNorm2d(16)
        self.transition = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.AvgPool2d(2, 2))
        self.classifier = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.conv0(x)]
        for layer in self.layers:
            features.append(layer(features))
        x = self.transition(F.relu(self.norm(torch.cat(features, 1))))
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(n, -1, h, w)


class ShuffleNet(nn.Module):
    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.branch2 = nn.Sequential(
            nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 4, 3, 1, 1, groups=4, bias=False), nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        )  # fmt: skip
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.stem(x).chunk(2, dim=1)
        x = channel_shuffle(torch.cat((a, self.branch2(b)), dim=1), 2)
        return self.fc(x.mean([2, 3]))


class Mixed(nn.Module):
    """What the others lack: activations, arithmetic, slices, transposed convolution, resizing, PReLU, softmax."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, (3, 1), padding="same"), nn.Conv2d(3, 6, 3, padding=2, dilation=2)
        self.prelu, self.leaky, self.tanh = nn.PReLU(6), nn.LeakyReLU(0.1), nn.Tanh()
        self.up, self.silu = nn.ConvTranspose2d(6, 4, 2, 2), nn.SiLU()
        self.nearest, self.smooth = nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.act = nn.Hardtanh(-2.0, 2.0)
        self.fc = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * 16, 12), nn.BatchNorm1d(12), nn.Sigmoid(), nn.Linear(12, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.a(x)) - self.leaky(self.b(x)) * 0.5
        x = self.tanh(x)[:, :, 1:-1:2, ::2]
        y = self.silu(self.up(x))
        y = F.avg_pool2d(self.act(y + 0.25), 2) * self.nearest(F.max_pool2d(y, 4, ceil_mode=True))[:, :, :7, :8]
        y = self.smooth(y)[..., :14, :]
        return F.log_softmax(self.fc(F.adaptive_max_pool2d(F.pad(y, (0, 0, 1, 1)), 4)), dim=1)


class KeywordSpotter(nn.Module):
    """One-dimensional convolutions over [N, C, L]."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(4, 8, 5, 2, 2, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Mlp(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(24, 32), nn.BatchNorm1d(32), nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(self.b(self.a(x))))


class DataDependent(nn.Module):
    """Control flow that torch.fx cannot follow, but torch.export can for one shape."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[2] // 16):
            x = F.relu(self.bn(self.conv(x)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNet, (3, 32, 32)), "mobilenet_v2": (MobileNetV2, (3, 16, 16)),
    "mobilenet_v3": (MobileNetV3, (3, 16, 16)), "efficientnet_lite": (EfficientNetLite, (3, 16, 16)),
    "squeezenet": (SqueezeNet, (3, 20, 20)), "densenet": (DenseNet, (3, 12, 12)),
    "shufflenet": (ShuffleNet, (3, 16, 16)),
    "mixed": (Mixed, (3, 16, 16)), "keywords": (KeywordSpotter, (4, 32)), "mlp": (Mlp, (24,)),
    "data-dependent": (DataDependent, (3, 16, 16)),
}  # fmt: skip


def settled(name: str, seed: int = 0) -> tuple[nn.Module, tuple[int, ...]]:
    """A module with random weights and batch statistics that have seen data, in evaluation mode."""
    make, shape = MODULES[name]
    torch.manual_seed(seed)
    module = make()
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0, 0.3)
        for _ in range(10):
            module(torch.rand(16, *shape))
    return module.eval(), shape
