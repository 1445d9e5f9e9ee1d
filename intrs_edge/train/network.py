# SPDX-License-Identifier: Apache-2.0
"""The quantisation-aware network: runs an `Architecture` with every value on the lattice that the device will have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from intrs_edge.errors import IntrsError
from intrs_edge.graph.preprocessing import Preprocessing
from intrs_edge.train.architecture import INPUT, Architecture, Layer
from intrs_edge.train.inputs import InputQuant, NormalisedInput, choose_input_quant, normalised_input
from intrs_edge.train.networks import build_architecture
from intrs_edge.train.noise import NoiseBank
from intrs_edge.train.operators import OPERATORS
from intrs_edge.train.quantise import ActivationQuant, QatLinear, QatPrelu, QatWeights
from intrs_edge.train.rounding import activate, fake_quantise


class QatNetwork(nn.Module):  # type: ignore[misc]
    """An architecture with weights, observers, and the input quantisation chosen for ``sigma`` ([0,1] pixels).

    mean, std: of pixel / 255, one or one per channel, where the weights were trained on normalised images.

    ``forward`` takes int8 inputs as float [N, C, H, W] (the result of `quantise_input`; [N, C, L] or [N, features] for
    such networks) and gives logits [N, classes].
    """

    def __init__(
        self,
        arch: Architecture,
        sigma: float,
        seed: int = 0,
        classes: tuple[str, ...] = (),
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.arch = arch
        self.sigma = sigma
        self.classes = classes
        self.resize = ""  # how images of other sizes came to this one: "stretch", "crop"
        self.notes: tuple[str, ...] = ()  # what whoever trains it should know, a line each
        self.input_quant: InputQuant | NormalisedInput = choose_input_quant(sigma)
        self.mean, self.std = tuple(mean) or (0.0,), tuple(std) or (1.0,)
        if mean or std:
            self.input_quant = normalised_input(sigma, self.mean, self.std, arch.input_shape[2])
        scale, zero = self.input_quant.scale, self.input_quant.zero_point
        self.register_buffer("input_scale", torch.tensor(scale), persistent=False)
        self.register_buffer("input_zero", torch.tensor(zero, dtype=torch.int32), persistent=False)
        self.quantising = True
        self.modules_by_layer = nn.ModuleDict()
        self.quants = nn.ModuleDict()
        self.last_use = {name: i for i, layer in enumerate(arch.layers) for name in layer.inputs}
        generator = torch.Generator().manual_seed(seed)
        for layer in arch.layers:
            operator = OPERATORS[layer.kind]
            if operator.module is not None:
                module = operator.module(layer, arch.shape(layer.inputs[0]))
                _initialise(module, generator)
                if isinstance(module, QatWeights) and module.weight.dim() == 4:
                    module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
                self.modules_by_layer[layer.name] = module
            if operator.lattice == "limits":
                self.quants[layer.name] = ActivationQuant(fixed=(layer.options["low"], layer.options["high"]))
            elif not isinstance(operator.lattice, str):
                self.quants[layer.name] = ActivationQuant(fixed=operator.lattice)
            elif operator.lattice == "own":
                self.quants[layer.name] = ActivationQuant()
        self.noise_seed, self._bank_epoch = seed, 0
        self._bank: NoiseBank | None = None
        self.source = {layer.name: layer.inputs[0] for layer in arch.layers}

    def quantise_input(self, pixels: npt.NDArray[np.integer[Any]]) -> Tensor:
        """Lattice integers [N, H, W, C], noise included -> the network's int8 input as float, in torch's order."""
        if pixels.ndim != 4 or pixels.shape[1:] != self.arch.input_shape:
            raise IntrsError(
                f"the network takes images of shape {self.arch.input_shape}, got {pixels.shape[1:]}; resize the images"
            )
        q = self.arch.in_torch_order(self.input_quant.quantise(pixels))
        return torch.from_numpy(np.ascontiguousarray(q)).float()

    def real_input(self, values: npt.NDArray[np.floating[Any]]) -> Tensor:
        """Real pixels [N, H, W, C], pixel / 255 with noise, not rounded -> what ``forward`` takes, for a network that
        is not quantised."""
        real = torch.from_numpy(np.ascontiguousarray(self.arch.in_torch_order(values), np.float32))
        normal = (real - torch.from_numpy(self.per_channel(self.mean))) / torch.from_numpy(self.per_channel(self.std))
        return normal / float(self.input_quant.scale) + self.input_quant.zero_point

    @property
    def reads(self) -> Preprocessing:
        """What a pixel means, and how an image came to its size, as the written model says it."""
        return replace(self.input_quant.reads, resize=self.resize or None)

    def per_channel(self, values: Sequence[float]) -> npt.NDArray[np.float32]:
        """One number, or one a channel, shaped to meet [N, *input]."""
        return np.asarray(values, np.float32).reshape(-1, *[1] * (len(self.arch.input) - 1))

    def noisy(self, images: npt.NDArray[np.generic] | Tensor) -> Tensor:
        """Images with fresh discrete Gaussian noise, as the network's input: what ``forward`` takes.

        images: uint8 [N, H, W, C] (array), uint8 [N, C, H, W] ([N, *input]) or the same as floats pixel / 255 in [0, 1]
        (tensor, as torch's loaders give them). Raises IntrsError for anything else. Noise follows from ``noise_seed``.
        """
        pixels = _lattice(images)
        if isinstance(images, Tensor) and pixels.shape[1:] == self.arch.input:
            pixels = np.ascontiguousarray(self.arch.in_image_order(pixels))
        if self._bank is None:
            self._bank = NoiseBank(self.sigma, 1 << 22, self.noise_seed)
            self._bank.start_epoch(0)
        if self._bank.position + pixels.size > len(self._bank.order):  # all used: in another order again
            self._bank_epoch += 1
            self._bank.start_epoch(self._bank_epoch)
        return self.quantise_input(pixels + self._bank.take(pixels.shape))

    def qparams(self, name: str) -> tuple[Tensor, Tensor]:
        """Scale and zero point of a layer's output (of ``input`` too)."""
        while name != INPUT and name not in self.quants:
            name = self.source[name]
        if name == INPUT:
            return self.input_scale, self.input_zero
        scale, zero = self.quants[name].qparams()
        return scale, zero

    def forward(self, x: Tensor) -> Tensor:
        """int8 inputs as float -> logits [N, classes], on the lattice of the last layer."""
        if x.dim() == 4:  # channels last: a sixth less time on a CPU
            x = x.contiguous(memory_format=torch.channels_last)
        values = {INPUT: (x - self.input_quant.zero_point) * float(self.input_quant.scale)}
        for i, layer in enumerate(self.arch.layers):
            values[layer.name] = self._run(layer, [values[name] for name in layer.inputs])
            for name in set(layer.inputs):
                if self.last_use[name] == i:
                    del values[name]
        return values[self.arch.layers[-1].name]

    def _run(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        operator = OPERATORS[layer.kind]
        if layer.name in self.modules_by_layer:
            y = self.modules_by_layer[layer.name](inputs[0], self.qparams(layer.inputs[0])[0])
        else:
            assert operator.run is not None
            y = operator.run(layer, inputs)
        if layer.name in self.quants:
            quantised: Tensor = self.quants[layer.name](y, layer.activation)
            return quantised
        if operator.lattice == "averaged" and self.quantising:
            return fake_quantise(y, *self.qparams(layer.inputs[0]), layer.activation)
        return activate(y, layer.activation)

    def freeze(self, frozen: bool = True) -> None:
        """Stops (or restarts) the observers and the batch statistics; from here on the network computes what is
        exported."""
        for module in self.modules():
            if isinstance(module, (ActivationQuant, QatWeights)):
                module.frozen = frozen

    def quantise(self, quantising: bool = True) -> None:
        """Turns rounding and observing off (a plain float network on the same int8 input) or on again."""
        for module in self.modules():
            if isinstance(module, (ActivationQuant, QatWeights, QatPrelu, QatNetwork)):
                module.quantising = quantising

    def logits(self, inputs: Tensor) -> npt.NDArray[np.float32]:
        """What ``forward`` takes -> logits [N, classes] of the frozen network, wherever it lies."""
        with _evaluating(self):
            found: npt.NDArray[np.float32] = self(inputs.to(self.input_scale.device)).cpu().numpy()
        return found

    def predict(self, pixels: npt.NDArray[np.integer[Any]], batch: int = 256) -> npt.NDArray[np.float32]:
        """Lattice integers [N, H, W, C] -> logits [N, classes] of the frozen network."""
        parts = [self.logits(self.quantise_input(pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.arch.classes), np.float32)


def _lattice(images: npt.NDArray[np.generic] | Tensor) -> npt.NDArray[np.int32]:
    """Images as lattice integers, in the order that they have."""
    values = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if values.dtype.kind == "f":
        scaled = np.rint(values * 255.0)
        if values.size and (values.min() < 0 or values.max() > 1 or np.abs(scaled - values * 255.0).max() > 1e-2):
            raise IntrsError(
                "the images are floats that are not pixel / 255; give uint8, or leave the normalisation to the network"
            )
        values = scaled
    elif values.dtype != np.uint8:
        raise IntrsError(f"the images are {values.dtype}; give uint8, or floats pixel / 255")
    return np.ascontiguousarray(values.astype(np.int32))


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
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> QatNetwork:
    """A network (`networks.NETWORKS`) for images of (H, W, C), with random weights from ``seed``.

    sigma: the noise it will see, in [0,1] pixels; it decides the input quantisation.
    """
    return QatNetwork(build_architecture(name, shape, classes, options), sigma, seed, class_names, mean, std)


def calibrate(network: QatNetwork, pixels: npt.NDArray[np.integer[Any]], batch: int = 64) -> None:
    """Sets batch statistics and activation ranges from lattice integers [N, H, W, C] and freezes the network.

    Two passes: the statistics first, because every range depends on them.
    """
    network.freeze(False)
    norms = [m.bn for m in network.modules() if isinstance(m, QatWeights) and m.bn is not None]
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
            quant.seen.fill_(quant.fixed is not None)
        for module in network.modules():
            if isinstance(module, QatWeights):
                module.frozen = True
        for i in starts:
            network(network.quantise_input(pixels[i : i + batch]))
    for bn, momentum in zip(norms, momenta, strict=True):
        bn.momentum = momentum
    network.freeze()
    network.eval()


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, QatPrelu):
        return
    channels = module.weight.shape[module.channel_axis]
    fan_in = module.weight.numel() // channels
    with torch.no_grad():
        gain = 1.0 if isinstance(module, QatLinear) else 2.0
        module.weight.normal_(0.0, math.sqrt(gain / fan_in), generator=generator)
