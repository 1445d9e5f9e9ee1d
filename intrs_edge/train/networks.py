# SPDX-License-Identifier: Apache-2.0
"""The built-in networks, by name: residual networks for small and large images, and depthwise-separable ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from intrs_edge.errors import IntrsError
from intrs_edge.train.architecture import INPUT, Architecture, Layer

SHORTCUTS = ("conv", "pad")
Shape = tuple[int, int, int]


@dataclass
class _Builder:
    """Appends layers and keeps the shapes, (C, H, W). same: padding as TensorFlow's SAME; norm: ``eps`` and
    ``momentum`` of the batch norms, where they are not torch's."""

    shapes: dict[str, tuple[int, ...]]
    layers: list[Layer] = field(default_factory=list)
    same: bool = False
    norm: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, kind: str, inputs: tuple[str, ...], shape: tuple[int, ...], **rest: Any) -> str:
        self.layers.append(Layer(name, kind, inputs, shape, **rest))
        self.shapes[name] = shape
        return name

    def window(
        self,
        name: str,
        source: str,
        channels: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        activation: str = "relu",
        kind: str = "conv",
        groups: int = 1,
    ) -> str:
        """A convolution or pooling, padded symmetrically (odd k pads k // 2, even k one less on top and left) or as
        TensorFlow's SAME."""
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        spatial = self.shapes[source][1:]
        out = tuple((n - 1) // stride + 1 for n in spatial)
        before = tuple((k - 1) // 2 for k in size)
        after = tuple(k // 2 for k in size)
        if self.same:  # the odd pixel right and below
            totals = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(out, size, spatial, strict=True)]
            before, after = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        options: dict[str, Any] = {
            "kernel": size,
            "stride": (stride, stride),
            "pad": before + after,
            "dilation": (1, 1),
        }
        if kind == "conv":
            options |= {"groups": groups, "norm": True, "bias": False, **self.norm}
        return self.add(name, kind, (source,), (channels, *out), activation=activation, options=options)

    def head(self, source: str, classes: int) -> None:
        channels = self.shapes[source][0]
        pooled = self.add("pool", "global_average_pool", (source,), (channels, 1, 1))
        flat = self.add("flat", "reshape", (pooled,), (channels,))
        self.add("logits", "linear", (flat,), (classes,), options={"bias": True, "norm": False})


def resnet(
    shape: Shape,
    classes: int,
    *,
    blocks: Sequence[int],
    widths: Sequence[int],
    bottleneck: bool = False,
    stem_stride: int = 1,
    shortcut: str = "conv",
    name: str = "resnet",
) -> Architecture:
    """A residual network (He et al. 2016) for images of (H, W, C): 3x3 stem, one stage per width, the first block of a
    later stage strided.

    Images of 128 pixels and more get the ImageNet stem (7x7 stride 2, max pool 3x3 stride 2). shortcut: ``conv`` is
    a 1x1 convolution where the shape changes (option B), ``pad`` a strided slice with padded channels (option A).
    """
    if shortcut not in SHORTCUTS:
        raise IntrsError(f"unknown shortcut {shortcut!r}; use one of {', '.join(SHORTCUTS)}")
    if len(blocks) != len(widths) or not blocks or min(blocks) < 1 or min(widths) < 1 or stem_stride not in (1, 2):
        raise IntrsError("a resnet needs as many blocks as widths, all at least 1, and a stem stride of 1 or 2")
    h, w, c = shape
    b = _Builder({INPUT: (c, h, w)})
    if min(h, w) >= 128:
        x = b.window("stem", INPUT, widths[0], 7, 2)
        x = b.window("stem_pool", x, widths[0], 3, 2, activation="", kind="max_pool")
    else:
        x = b.window("stem", INPUT, widths[0], 3, stem_stride)
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
        out = width * 4 if bottleneck else width
        for i in range(1, count + 1):
            stride = 2 if stage > 1 and i == 1 else 1
            prefix = f"s{stage}b{i}"
            skip = x
            if bottleneck:
                y = b.window(f"{prefix}_conv1", x, width, 1)
                y = b.window(f"{prefix}_conv2", y, width, 3, stride)
                y = b.window(f"{prefix}_conv3", y, out, 1, activation="")
            else:
                y = b.window(f"{prefix}_conv1", x, width, 3, stride)
                y = b.window(f"{prefix}_conv2", y, out, 3, activation="")
            if b.shapes[x] != b.shapes[y]:
                if shortcut == "conv":
                    skip = b.window(f"{prefix}_skip", x, out, 1, stride, activation="")
                else:
                    thin = b.add(
                        f"{prefix}_thin", "slice", (x,), (b.shapes[x][0], *b.shapes[y][1:]),
                        options={"axes": (2, 3), "starts": (0, 0), "ends": b.shapes[x][1:], "steps": (stride, stride)},
                    )  # fmt: skip
                    before = (out - b.shapes[x][0]) // 2
                    after = out - b.shapes[x][0] - before
                    skip = b.add(
                        f"{prefix}_skip", "pad", (thin,), b.shapes[y], options={"pad": (before, 0, 0, after, 0, 0)}
                    )
            x = b.add(f"{prefix}_add", "add", (y, skip), b.shapes[y], activation="relu")
    b.head(x, classes)
    return Architecture(name, (c, h, w), classes, tuple(b.layers))


def dscnn(
    shape: Shape,
    classes: int,
    *,
    width: int = 64,
    blocks: int = 4,
    stem_stride: int = 2,
    name: str = "ds-cnn",
) -> Architecture:
    """Depthwise-separable network (Zhang et al. 2017) for images of (H, W, C): a strided stem, then 3x3 depthwise and
    1x1 convolutions.

    The stem is 10x4 for spectrograms (at least four times as high as wide, such as 49x10), 3x3 for images.
    """
    if width < 1 or blocks < 1 or stem_stride not in (1, 2):
        raise IntrsError("ds-cnn needs a width and a number of blocks of at least 1, and a stem stride of 1 or 2")
    h, w, c = shape
    b = _Builder({INPUT: (c, h, w)})
    x = b.window("stem", INPUT, width, (10, 4) if h >= 4 * w else 3, stem_stride)
    for i in range(1, blocks + 1):
        x = b.window(f"b{i}_depthwise", x, width, 3, groups=width)
        x = b.window(f"b{i}_pointwise", x, width, 1)
    b.head(x, classes)
    return Architecture(name, (c, h, w), classes, tuple(b.layers))


def inverted(
    shape: Shape,
    classes: int,
    *,
    stages: Sequence[tuple[int, ...]],
    percent: int = 100,
    stem_stride: int = 2,
    lite: bool = False,
    name: str = "inverted",
) -> Architecture:
    """Inverted residuals with ReLU6 for images of (H, W, C): MobileNetV2 (Sandler et al. 2018), or EfficientNet-Lite
    (``lite``: TensorFlow's padding and batch norm).

    stages: (expansion, channels, blocks, stride, kernel). percent: of the channels, in multiples of 8 as published; a
    last layer of 1280 never shrinks.
    """
    if not 5 <= percent <= 400 or stem_stride not in (1, 2):
        raise IntrsError(f"{name} needs a percent of 5 to 400 and a stem stride of 1 or 2")
    h, w, c = shape
    b = _Builder({INPUT: (c, h, w)}, same=lite, norm={"eps": 1e-3, "momentum": 0.01} if lite else {})
    x = b.window("stem", INPUT, _scaled(32, percent), 3, stem_stride, "relu6")
    number = 0
    for expansion, channels, blocks, first_stride, kernel in stages:
        for i in range(blocks):
            number += 1
            source, prefix, stride = x, f"b{number}", first_stride if i == 0 else 1
            wide, out = b.shapes[x][0] * expansion, _scaled(channels, percent)
            if expansion != 1:
                x = b.window(f"{prefix}_expand", x, wide, 1, 1, "relu6")
            x = b.window(f"{prefix}_depthwise", x, wide, kernel, stride, "relu6", groups=wide)
            x = b.window(f"{prefix}_project", x, out, 1, 1, "")
            if stride == 1 and b.shapes[source] == b.shapes[x]:
                x = b.add(f"{prefix}_add", "add", (source, x), b.shapes[x])
    x = b.window("head", x, _scaled(1280, max(100, percent)), 1, 1, "relu6")
    b.head(x, classes)
    return Architecture(name, (c, h, w), classes, tuple(b.layers))


def _scaled(channels: int, percent: int) -> int:
    """A share of the channels, to a multiple of 8 that is at most a tenth less (the published rule)."""
    wanted = channels * percent / 100
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


_MOBILENET_V2 = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3), (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
)  # fmt: skip
_EFFICIENTNET = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)  # fmt: skip
_RESNETS: dict[str, dict[str, object]] = {
    "resnet8": {"blocks": (1, 1, 1), "widths": (16, 32, 64)},
    "resnet20": {"blocks": (3, 3, 3), "widths": (16, 32, 64)},
    "resnet18": {"blocks": (2, 2, 2, 2), "widths": (64, 128, 256, 512)},
    "resnet34": {"blocks": (3, 4, 6, 3), "widths": (64, 128, 256, 512)},
    "resnet50": {"blocks": (3, 4, 6, 3), "widths": (64, 128, 256, 512), "bottleneck": True},
}
_BUILDERS: dict[str, tuple[Callable[..., Architecture], dict[str, object]]] = {
    **{name: (resnet, keywords) for name, keywords in _RESNETS.items()},
    "ds-cnn": (dscnn, {}),
    "mobilenet_v2": (inverted, {"stages": _MOBILENET_V2, "lite": False}),
    "efficientnet_lite0": (inverted, {"stages": _EFFICIENTNET, "lite": True}),
}
_FIXED = {"name", "stages", "lite"}  # what makes the network the one of its name
NETWORKS = tuple(_BUILDERS)


def build_architecture(name: str, shape: Shape, classes: int, options: dict[str, object] | None = None) -> Architecture:
    """The named network for images of (H, W, C) and a number of classes.

    ``options`` override the builder's keywords (``widths``, ``blocks``, ``stem_stride``, ``shortcut``, ``width``,
    ``percent``); raises IntrsError for an unknown network or option.
    """
    if name not in NETWORKS:
        raise IntrsError(f"unknown network {name!r}; use one of {', '.join(NETWORKS)}, or FILE.py:FACTORY")
    if len(shape) != 3 or min(shape) < 1 or classes < 2:
        raise IntrsError(
            f"a network needs an input of height, width and channels and at least 2 classes, not {shape} and {classes}"
        )
    build, own = _BUILDERS[name]
    options = options or {}
    known = (set(build.__kwdefaults__ or {}) | set(own)) - _FIXED
    if unknown := sorted(set(options) - known):
        raise IntrsError(f"network {name!r} has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    try:
        return build(shape, classes, **{**own, "name": name, **options})
    except TypeError as error:
        raise IntrsError(f"network {name!r}: an option has the wrong type ({error})") from error
