# SPDX-License-Identifier: Apache-2.0
"""The noise bank: discrete Gaussian samples drawn once, reshuffled every epoch (the paper's section 3.3), and image
shifts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.smoothing.noise import DiscreteGaussian, draw, exact


class NoiseBank:
    """Gives every epoch the same samples in another order. Everything follows from (seed, epoch): nothing needs
    saving."""

    def __init__(self, sigma: float, size: int, seed: int) -> None:
        """sigma in [0,1] pixels, 0 for no noise; size: samples in the bank."""
        self.seed = seed
        rng = np.random.default_rng([seed, 0x6E6F697365])
        self.samples = np.zeros(1, np.int16)
        if sigma > 0:
            self.samples = draw(DiscreteGaussian(exact(sigma, "sigma") * 255), size, rng)
        self.rng = rng
        self.position = 0

    def start_epoch(self, epoch: int) -> None:
        """Reshuffles the bank for an epoch."""
        self.rng = np.random.default_rng([self.seed, epoch, 1])
        self.order = self.rng.permutation(self.samples)
        self.position = 0

    def take(self, shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
        """The next samples. At the end of the bank it starts again at a random place, so that no two images keep
        meeting the same noise."""
        need = int(np.prod(shape))
        parts = []
        while need:
            part = self.order[self.position : self.position + need]
            parts.append(part)
            need -= len(part)
            self.position += len(part)
            if self.position >= len(self.order):
                self.position = int(self.rng.integers(len(self.order))) if need else 0
        taken: npt.NDArray[np.int16] = np.concatenate(parts).reshape(shape)
        return taken


def augment(images: npt.NDArray[np.uint8], flip: bool, shift: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Random horizontal flips, and shifts by up to ``shift`` pixels with zeros moving in. uint8 [N, H, W, C] -> the
    same shape."""
    n, h, w, _ = images.shape
    if flip:
        images = np.where(rng.integers(2, size=(n, 1, 1, 1), dtype=np.int8) == 1, images[:, :, ::-1], images)
    if shift:
        padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (h, w), (1, 2))  # type: ignore[call-overload]
        dy, dx = rng.integers(2 * shift + 1, size=(2, n))
        images = np.ascontiguousarray(windows[np.arange(n), dy, dx].transpose(0, 2, 3, 1))
    return images
