"""The built-in networks, by name: residual networks for small and large images, and a depthwise-separable one."""

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
    """Appends layers and keeps the shapes, (C, H, W)."""

    shapes: dict[str, tuple[int, ...]]
    layers: list[Layer] = field(default_factory=list)

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
        relu: bool = True,
        kind: str = "conv",
        groups: int = 1,
    ) -> str:
        """A convolution or pooling with the usual symmetric padding: odd k pads k // 2, even k one less on top and
        left."""
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        pad = ((kh - 1) // 2, (kw - 1) // 2, kh // 2, kw // 2)
        _, h, w = self.shapes[source]
        shape = (channels, (h - 1) // stride + 1, (w - 1) // stride + 1)
        options: dict[str, Any] = {"kernel": (kh, kw), "stride": (stride, stride), "pad": pad, "dilation": (1, 1)}
        if kind == "conv":
            options |= {"groups": groups, "norm": True, "bias": False}
        return self.add(name, kind, (source,), shape, activation="relu" if relu else "", options=options)

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
        x = b.window("stem_pool", x, widths[0], 3, 2, relu=False, kind="max_pool")
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
                y = b.window(f"{prefix}_conv3", y, out, 1, relu=False)
            else:
                y = b.window(f"{prefix}_conv1", x, width, 3, stride)
                y = b.window(f"{prefix}_conv2", y, out, 3, relu=False)
            if b.shapes[x] != b.shapes[y]:
                if shortcut == "conv":
                    skip = b.window(f"{prefix}_skip", x, out, 1, stride, relu=False)
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


_RESNETS: dict[str, dict[str, object]] = {
    "resnet8": {"blocks": (1, 1, 1), "widths": (16, 32, 64)},
    "resnet20": {"blocks": (3, 3, 3), "widths": (16, 32, 64)},
    "resnet18": {"blocks": (2, 2, 2, 2), "widths": (64, 128, 256, 512)},
    "resnet34": {"blocks": (3, 4, 6, 3), "widths": (64, 128, 256, 512)},
    "resnet50": {"blocks": (3, 4, 6, 3), "widths": (64, 128, 256, 512), "bottleneck": True},
}
NETWORKS = (*_RESNETS, "ds-cnn")


def build_architecture(name: str, shape: Shape, classes: int, options: dict[str, object] | None = None) -> Architecture:
    """The named network for images of (H, W, C) and a number of classes.

    ``options`` override the builder's keywords (``widths``, ``blocks``, ``stem_stride``, ``shortcut``, ``width``);
    raises IntrsError for an unknown network or option.
    """
    if name not in NETWORKS:
        raise IntrsError(f"unknown network {name!r}; use one of {', '.join(NETWORKS)}, or FILE.py:FACTORY")
    if len(shape) != 3 or min(shape) < 1 or classes < 2:
        raise IntrsError(
            f"a network needs an input of height, width and channels and at least 2 classes, not {shape} and {classes}"
        )
    build: Callable[..., Architecture] = dscnn if name == "ds-cnn" else resnet
    keywords = {**_RESNETS.get(name, {}), "name": name, **(options or {})}
    known = set(build.__kwdefaults__ or {}) | set(_RESNETS.get(name, {}))
    if unknown := sorted(set(keywords) - known):
        raise IntrsError(
            f"network {name!r} has no option {', '.join(unknown)}; it has {', '.join(sorted(known - {'name'}))}"
        )
    try:
        return build(shape, classes, **keywords)
    except TypeError as error:
        raise IntrsError(f"network {name!r}: an option has the wrong type ({error})") from error
