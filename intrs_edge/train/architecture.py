"""Networks as data: a list of layers, each naming the layers it reads.

The same list is executed by the quantisation-aware torch module (`network.QatNetwork`), written as QDQ ONNX
(`export`) and turned into the IR (`intrs_edge.convert.qat`), so that there is one description of a network and
nothing to trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from intrs_edge.errors import IntrsError

INPUT = "input"
WEIGHTED = ("conv", "depthwise", "linear")
SHORTCUTS = ("conv", "pad")


@dataclass(frozen=True)
class Layer:
    """One layer. ``shape`` is its output (H, W, C) without the batch.

    kind: ``conv``, ``depthwise`` (multiplier 1), ``linear`` (flattens H, W, C order), ``add``, ``average_pool``
    (over the whole plane), ``max_pool``, or ``subsample`` (every ``stride``-th pixel, channels padded with zeros on
    both sides: the shortcut without parameters of He et al. 2016, option A). ``pad`` is (top, bottom, left, right)
    zeros put around the input.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    relu: bool = False


@dataclass(frozen=True)
class Architecture:
    """Layers in an order of execution; the last one gives the logits."""

    name: str
    input_shape: tuple[int, int, int]
    classes: int
    layers: tuple[Layer, ...]

    def shape(self, name: str) -> tuple[int, int, int]:
        """The (H, W, C) of a layer's output, or of the input."""
        if name == INPUT:
            return self.input_shape
        return next(layer.shape for layer in self.layers if layer.name == name)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, zeros of the padding included."""
        total = 0
        for layer in self.layers:
            if layer.kind in WEIGHTED:
                h, w, c = self.shape(layer.inputs[0])
                depth = 1 if layer.kind == "depthwise" else h * w * c if layer.kind == "linear" else c
                total += layer.shape[0] * layer.shape[1] * layer.shape[2] * layer.kernel[0] * layer.kernel[1] * depth
        return total


@dataclass
class _Builder:
    """Appends layers and keeps the shapes."""

    shapes: dict[str, tuple[int, int, int]]
    layers: list[Layer] = field(default_factory=list)

    def add(self, name: str, kind: str, inputs: tuple[str, ...], shape: tuple[int, int, int], **rest: object) -> str:
        layer = Layer(name, kind, inputs, shape, **rest)  # type: ignore[arg-type]
        self.layers.append(layer)
        self.shapes[name] = shape
        return name

    def window(
        self,
        name: str,
        kind: str,
        source: str,
        channels: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        relu: bool = True,
    ) -> str:
        """A convolution or pooling with the usual symmetric padding: odd k pads k // 2, even k one less on top and
        left."""
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        pad = ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
        h, w, _ = self.shapes[source]
        shape = ((h + kh - 1 - kh) // stride + 1, (w + kw - 1 - kw) // stride + 1, channels)
        if min(shape) < 1:
            raise IntrsError(f"layer {name!r}: an input of {h}x{w} is too small for this network; use larger images")
        return self.add(name, kind, (source,), shape, kernel=(kh, kw), stride=stride, pad=pad, relu=relu)

    def head(self, source: str, classes: int) -> None:
        pooled = self.add("pool", "average_pool", (source,), (1, 1, self.shapes[source][2]))
        self.add("logits", "linear", (pooled,), (1, 1, classes))


def resnet(
    shape: tuple[int, int, int],
    classes: int,
    *,
    blocks: Sequence[int],
    widths: Sequence[int],
    bottleneck: bool = False,
    stem_stride: int = 1,
    shortcut: str = "conv",
    name: str = "resnet",
) -> Architecture:
    """A residual network (He et al. 2016) for small images: 3x3 stem, one stage per width, the first block of a
    later stage strided.

    Images of 128 pixels and more get the ImageNet stem (7x7 stride 2, max pool 3x3 stride 2). shortcut: ``conv`` is
    a 1x1 convolution where the shape changes (option B), ``pad`` a strided slice with padded channels (option A).
    """
    if shortcut not in SHORTCUTS:
        raise IntrsError(f"unknown shortcut {shortcut!r}; use one of {', '.join(SHORTCUTS)}")
    if len(blocks) != len(widths) or not blocks or min(blocks) < 1 or min(widths) < 1 or stem_stride not in (1, 2):
        raise IntrsError("a resnet needs as many blocks as widths, all at least 1, and a stem stride of 1 or 2")
    b = _Builder({INPUT: shape})
    if min(shape[:2]) >= 128:
        x = b.window("stem", "conv", INPUT, widths[0], 7, 2)
        x = b.window("stem_pool", "max_pool", x, widths[0], 3, 2, relu=False)
    else:
        x = b.window("stem", "conv", INPUT, widths[0], 3, stem_stride)
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
        out = width * 4 if bottleneck else width
        for i in range(1, count + 1):
            stride = 2 if stage > 1 and i == 1 else 1
            prefix = f"s{stage}b{i}"
            skip = x
            if bottleneck:
                y = b.window(f"{prefix}_conv1", "conv", x, width, 1)
                y = b.window(f"{prefix}_conv2", "conv", y, width, 3, stride)
                y = b.window(f"{prefix}_conv3", "conv", y, out, 1, relu=False)
            else:
                y = b.window(f"{prefix}_conv1", "conv", x, width, 3, stride)
                y = b.window(f"{prefix}_conv2", "conv", y, out, 3, relu=False)
            if b.shapes[x] != b.shapes[y]:
                if shortcut == "conv":
                    skip = b.window(f"{prefix}_skip", "conv", x, out, 1, stride, relu=False)
                else:
                    skip = b.add(f"{prefix}_skip", "subsample", (x,), b.shapes[y], stride=stride)
            x = b.add(f"{prefix}_add", "add", (y, skip), b.shapes[y], relu=True)
    b.head(x, classes)
    return Architecture(name, shape, classes, tuple(b.layers))


def dscnn(
    shape: tuple[int, int, int],
    classes: int,
    *,
    width: int = 64,
    blocks: int = 4,
    stem_stride: int = 2,
    name: str = "ds-cnn",
) -> Architecture:
    """Depthwise-separable network (Zhang et al. 2017): a strided stem, then 3x3 depthwise and 1x1 convolutions.

    The stem is 10x4 for spectrograms (at least four times as high as wide, such as 49x10), 3x3 for images.
    """
    if width < 1 or blocks < 1 or stem_stride not in (1, 2):
        raise IntrsError("ds-cnn needs a width and a number of blocks of at least 1, and a stem stride of 1 or 2")
    b = _Builder({INPUT: shape})
    x = b.window("stem", "conv", INPUT, width, (10, 4) if shape[0] >= 4 * shape[1] else 3, stem_stride)
    for i in range(1, blocks + 1):
        x = b.window(f"b{i}_depthwise", "depthwise", x, width, 3)
        x = b.window(f"b{i}_pointwise", "conv", x, width, 1)
    b.head(x, classes)
    return Architecture(name, shape, classes, tuple(b.layers))


_RESNETS: dict[str, dict[str, object]] = {
    "resnet8": {"blocks": (1, 1, 1), "widths": (16, 32, 64)},
    "resnet20": {"blocks": (3, 3, 3), "widths": (16, 32, 64)},
    "resnet50": {"blocks": (3, 4, 6, 3), "widths": (64, 128, 256, 512), "bottleneck": True},
}
NETWORKS = ("resnet8", "resnet20", "resnet50", "ds-cnn")


def build_architecture(
    name: str, shape: tuple[int, int, int], classes: int, options: dict[str, object] | None = None
) -> Architecture:
    """The named network for images of (H, W, C) and a number of classes.

    ``options`` override the builder's keywords (``widths``, ``blocks``, ``stem_stride``, ``shortcut``, ``width``);
    raises IntrsError for an unknown network or option.
    """
    if name not in NETWORKS:
        raise IntrsError(f"unknown network {name!r}; use one of {', '.join(NETWORKS)}")
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
