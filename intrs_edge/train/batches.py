# SPDX-License-Identifier: Apache-2.0
"""The batches of an epoch: shuffled, moved, noisy, as the network reads them; all follows from the seed and the
epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.train.config import TrainConfig
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.noise import NoiseBank, augment

Pixels = npt.NDArray[np.uint8]


class Noise:
    """The noise of a run: discrete on the pixel lattice, from a bank; or a continuous Gaussian on real pixels."""

    def __init__(self, config: TrainConfig, network: QatNetwork) -> None:
        self.seed, self.network, self.continuous = config.seed, network, config.plain_float
        self.bank = None if self.continuous else NoiseBank(config.sigma, config.bank, config.seed)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """From here on the noise of an epoch."""
        self.rng = np.random.default_rng([self.seed, epoch, 5])
        if self.bank is not None:
            self.bank.start_epoch(epoch)

    def inputs(self, images: Pixels) -> Tensor:
        """uint8 [N, H, W, C] -> the network's input, each with noise of its own."""
        if self.bank is not None:
            return self.network.quantise_input(images.astype(np.int32) + self.bank.take(images.shape))
        noise = self.rng.standard_normal(images.shape, np.float32) * np.float32(self.network.sigma)
        return self.network.real_input(images.astype(np.float32) / np.float32(255) + noise)


def batches(
    config: TrainConfig, data: ImageSet, epoch: int, noise: Noise, first: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and labels, a batch a time, from the batch ``first`` on: noisy copies, one of each image, or two behind
    each other that share everything but the noise."""
    noise.start_epoch(epoch)
    rng = np.random.default_rng([config.seed, epoch, 2])
    order = rng.permutation(len(data))
    copies = 2 if config.consistency > 0 else 1
    for number, i in enumerate(range(0, len(order), config.batch)):
        chosen = order[i : i + config.batch]
        if len(chosen) < 2:  # batch statistics of one image are none
            return
        images = augment(data.images[chosen], config.flip, config.shift, rng)
        inputs = torch.cat([noise.inputs(images) for _ in range(copies)])
        if number >= first:  # what was before is made all the same: the random numbers follow each other
            yield inputs, torch.from_numpy(data.labels[chosen])


def batches_per_epoch(config: TrainConfig, data: ImageSet) -> int:
    """A last batch of one image is left out: it has no batch statistics."""
    whole, rest = divmod(len(data), config.batch)
    return max(1, whole + (rest > 1))
