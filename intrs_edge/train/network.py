"""The quantisation-aware network: runs an `Architecture` with every value on the lattice that the device will have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.errors import IntrsError
from intrs_edge.train.architecture import INPUT, Architecture, Layer, build_architecture
from intrs_edge.train.inputs import InputQuant, choose_input_quant
from intrs_edge.train.quantise import ActivationQuant, QatConv, QatLinear

# layers that only select or average values keep the quantisation of what they read, as TFLite demands
PASSING = ("average_pool", "max_pool", "subsample")


class QatNetwork(nn.Module):  # type: ignore[misc]
    """An architecture with weights, observers, and the input quantisation chosen for ``sigma`` ([0,1] pixels).

    ``forward`` takes int8 inputs as float [N, C, H, W] (the result of `quantise_input`) and gives logits [N, classes].
    """

    def __init__(self, arch: Architecture, sigma: float, seed: int = 0, classes: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.arch = arch
        self.sigma = sigma
        self.classes = classes
        self.input_quant: InputQuant = choose_input_quant(sigma)
        self.quantising = True
        self.modules_by_layer = nn.ModuleDict()
        self.quants = nn.ModuleDict()
        generator = torch.Generator().manual_seed(seed)
        for layer in arch.layers:
            module = _module(layer, arch)
            if module is not None:
                _initialise(module, generator)
                self.modules_by_layer[layer.name] = module
            if layer.kind not in PASSING:
                self.quants[layer.name] = ActivationQuant()

    def quantise_input(self, pixels: npt.NDArray[np.integer[Any]]) -> Tensor:
        """Lattice integers [N, H, W, C], noise included -> the network's int8 input as float [N, C, H, W]."""
        if pixels.ndim != 4 or pixels.shape[1:] != self.arch.input_shape:
            raise IntrsError(
                f"the network takes images of shape {self.arch.input_shape}, got {pixels.shape[1:]}; resize the images"
            )
        q = self.input_quant.quantise(pixels)
        return torch.from_numpy(np.ascontiguousarray(q.transpose(0, 3, 1, 2))).float()

    def qparams(self, name: str) -> tuple[Tensor, Tensor]:
        """Scale and zero point of a layer's output (of ``input`` too)."""
        while name != INPUT and name not in self.quants:
            name = next(layer.inputs[0] for layer in self.arch.layers if layer.name == name)
        if name == INPUT:
            return torch.tensor(self.input_quant.scale), torch.tensor(self.input_quant.zero_point, dtype=torch.int32)
        scale, zero = self.quants[name].qparams()
        return scale, zero

    def forward(self, x: Tensor) -> Tensor:
        """int8 inputs as float [N, C, H, W] -> logits [N, classes], on the lattice of the last layer."""
        values = {INPUT: (x - self.input_quant.zero_point) * float(self.input_quant.scale)}
        last_use = {name: i for i, layer in enumerate(self.arch.layers) for name in layer.inputs}
        for i, layer in enumerate(self.arch.layers):
            values[layer.name] = self._run(layer, [values[name] for name in layer.inputs])
            for name in set(layer.inputs):
                if last_use[name] == i:
                    del values[name]
        return values[self.arch.layers[-1].name]

    def _run(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        if layer.kind == "subsample":
            extra = layer.shape[2] - x.shape[1]
            return F.pad(x[:, :, :: layer.stride, :: layer.stride], (0, 0, 0, 0, extra // 2, extra - extra // 2))
        if layer.kind == "max_pool":  # inputs are not negative here (after ReLU), so zeros are a neutral border
            top, bottom, left, right = layer.pad
            return F.max_pool2d(F.pad(x, (left, right, top, bottom)), layer.kernel, layer.stride)
        if layer.kind == "average_pool":
            mean = x.mean((2, 3), True)
            if not self.quantising:
                return mean
            return torch.fake_quantize_per_tensor_affine(mean, *self.qparams(layer.inputs[0]), -128, 127)
        if layer.kind == "add":
            y = x + inputs[1]
        else:
            if layer.kind == "linear":  # NHWC order, as TFLite flattens
                x = x.permute(0, 2, 3, 1).flatten(1)
            y = self.modules_by_layer[layer.name](x, self.qparams(layer.inputs[0])[0])
        quantised: Tensor = self.quants[layer.name](F.relu(y) if layer.relu else y)
        return quantised

    def freeze(self, frozen: bool = True) -> None:
        """Stops (or restarts) the observers and the batch statistics; from here on the network computes what is
        exported."""
        for module in self.modules():
            if isinstance(module, (ActivationQuant, QatConv)):
                module.frozen.fill_(frozen)

    def quantise(self, quantising: bool = True) -> None:
        """Turns rounding and observing off (a plain float network on the same int8 input) or on again."""
        for module in self.modules():
            if isinstance(module, (ActivationQuant, QatConv, QatLinear, QatNetwork)):
                module.quantising = quantising

    def predict(self, pixels: npt.NDArray[np.integer[Any]], batch: int = 256) -> npt.NDArray[np.float32]:
        """Lattice integers [N, H, W, C] -> logits [N, classes] of the frozen network."""
        with _evaluating(self):
            parts = [self(self.quantise_input(pixels[i : i + batch])).numpy() for i in range(0, len(pixels), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.arch.classes), np.float32)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was)


def build_network(
    name: str,
    shape: tuple[int, int, int],
    classes: int,
    *,
    sigma: float = 0.0,
    seed: int = 0,
    options: dict[str, object] | None = None,
    class_names: tuple[str, ...] = (),
) -> QatNetwork:
    """A network (`architecture.NETWORKS`) for images of (H, W, C), with random weights from ``seed``.

    sigma: the noise it will see, in [0,1] pixels; it decides the input quantisation.
    """
    return QatNetwork(build_architecture(name, shape, classes, options), sigma, seed, class_names)


def calibrate(network: QatNetwork, pixels: npt.NDArray[np.integer[Any]], batch: int = 64) -> None:
    """Sets batch statistics and activation ranges from lattice integers [N, H, W, C] and freezes the network.

    Two passes: the statistics first, because every range depends on them.
    """
    network.freeze(False)
    norms = [m.bn for m in network.modules() if isinstance(m, QatConv)]
    momenta = [bn.momentum for bn in norms]
    network.train()
    with torch.no_grad():
        for bn in norms:
            bn.reset_running_stats()
            bn.momentum = None  # a plain average over the batches
        starts = range(0, len(pixels), batch)
        for i in starts:
            network(network.quantise_input(pixels[i : i + batch]))
        for quant in network.quants.values():
            quant.seen.fill_(False)
        for module in network.modules():
            if isinstance(module, QatConv):
                module.frozen.fill_(True)
        for i in starts:
            network(network.quantise_input(pixels[i : i + batch]))
    for bn, momentum in zip(norms, momenta, strict=True):
        bn.momentum = momentum
    network.freeze()
    network.eval()


def _module(layer: Layer, arch: Architecture) -> nn.Module | None:
    h, w, c = arch.shape(layer.inputs[0])
    if layer.kind == "conv":
        return QatConv(c, layer.shape[2], layer.kernel, layer.stride, layer.pad)
    if layer.kind == "depthwise":
        return QatConv(c, c, layer.kernel, layer.stride, layer.pad, groups=c)
    if layer.kind == "linear":
        return QatLinear(h * w * c, layer.shape[2])
    return None


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    fan_in = module.weight[0].numel()
    with torch.no_grad():
        gain = 2.0 if isinstance(module, QatConv) else 1.0
        module.weight.normal_(0.0, math.sqrt(gain / fan_in), generator=generator)
