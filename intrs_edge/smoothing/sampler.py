# SPDX-License-Identifier: Apache-2.0
"""The numpy twin of ``firmware/smoothing/intrs_noise_fill.c``: the same words, the same noise, bit for bit.

Stream contract. Coordinates are taken in order (HWC). Before each block of 32 coordinates one word gives 32 signs,
coordinate j of the block uses bit j (1 is negative). Each pair of coordinates takes one word, the low half for the
first: a 16-bit cell c. The magnitude is the first k with hi[k] > c; when some hi[k] equals c, one further word w is
drawn at once and the magnitude is the first k with (hi[k], lo[k]) >= (c, w).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from intrs_edge.smoothing.generator import Generator
from intrs_edge.smoothing.noise import Noise


@dataclass(frozen=True)
class Sampler:
    """Draws noise vectors of one distribution with one generator; all samples of a call advance side by side."""

    noise: Noise
    generator: Generator

    @cached_property
    def cells(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """For every 16-bit cell: the first k with hi[k] >= c, and whether hi[k] == c."""
        cells = np.arange(1 << 16)
        first = np.searchsorted(self.noise.hi, cells).astype(np.int32)
        return first, self.noise.hi[first] == cells

    @cached_property
    def limits(self) -> npt.NDArray[np.uint64]:
        """The noise's limits, ascending: uint64 ``[last + 1]``."""
        return np.array(self.noise.limits, dtype=np.uint64)

    def draw(self, seed: int, image: int, first: int, count: int, dimension: int) -> npt.NDArray[np.int16]:
        """The noise of samples first .. first+count-1 of an image: int16 ``[count, dimension]``, lattice steps."""
        state = self.generator.states(seed, image, first, count)
        start, split = self.cells
        out = np.empty((dimension, count), dtype=np.int16)
        signs = word = np.zeros(count, dtype=np.uint32)
        for j in range(dimension):
            if j % 32 == 0:
                signs = self.generator.next(state)
            if j % 2 == 0:
                word = self.generator.next(state)
            cell = word >> np.uint32(16) if j % 2 else word & np.uint32(0xFFFF)
            magnitude = start[cell]
            lanes = np.flatnonzero(split[cell])
            if lanes.size:
                part = state[:, lanes]
                low = self.generator.next(part)
                state[:, lanes] = part
                u = cell[lanes].astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
                magnitude[lanes] = np.searchsorted(self.limits, u)
            negative = (signs >> np.uint32(j % 32) & np.uint32(1)).astype(bool)
            out[j] = np.where(negative, -magnitude, magnitude)
        return np.ascontiguousarray(out.T)
