# SPDX-License-Identifier: Apache-2.0
"""The noise of `smoothing.sampler`, all samples side by side on a device: the same words, the same noise, bit for bit.

A generator's step is linear over GF(2), so a state is a row of 128 bits and a jump a matrix: the states of a range of
samples follow from the first by doubling, and each sample's words are cut into segments whose starts follow likewise.
Which word is what (sign, pair, low word of a split cell) depends on the words before it; "the pair behind the pair at
word p" is a table over p, and its 16th power leads from block to block. Matrix entries are 0 and 1 and sums at most
128 (2^16 where bits become words), exact in float32 and whatever narrower type the device multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intrs_edge.integers import ceil_div
from intrs_edge.smoothing.generator import LFSR113_TERMS, Generator
from intrs_edge.smoothing.results import Stream
from intrs_edge.smoothing.sampler import Sampler

_M32 = 0xFFFFFFFF
_SEGMENT = 64  # words that follow each other by steps; the segments of a sample run side by side
_BLOCK = 16  # pairs of coordinates that one word of signs serves
_DEVIATIONS = 10  # of the number of split cells, above its mean, that the words drawn at first provide for


def _bits(states: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """uint32 ``[4, n]`` as rows of bits ``[n, 128]``, bit b of word w at 32 w + b."""
    words = np.ascontiguousarray(states.T)[:, :, None] >> np.arange(32, dtype=np.uint32)
    return (words & np.uint32(1)).reshape(-1, 128).astype(np.uint8)


class Streams:
    """A generator's linear algebra: ``[128, 128]`` matrices that act on rows of bits from the right."""

    def __init__(self, generator: Generator, device: torch.device) -> None:
        """Works them out, in some milliseconds."""
        self.generator, self.device = generator, device
        powers = [np.zeros((4, 128), np.uint32)]
        for k in range(128):
            powers[0][k // 32, k] = np.uint32(1 << (k % 32))
        while len(powers) < 128:
            powers.append(powers[-1].copy())
            generator.step(powers[-1])
        stack = np.stack(powers)
        # by the bits of the sample's number (0..31) and of the image's (32..63)
        self._jumps = [
            _bits(np.bitwise_xor.reduce(stack[[k for k in range(128) if p >> k & 1]]))
            for p in generator.jump_polynomials()
        ]
        self._samples = [self._on_device(matrix) for matrix in self._jumps[:32]]
        self._segments = [self._on_device(_bits(powers[_SEGMENT]))]
        weights = torch.zeros(128, 8)
        for k in range(128):
            weights[k, k // 16] = float(1 << (k % 16))
        self._weights = weights.to(device)

    def _on_device(self, matrix: npt.NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(matrix.astype(np.float32)).to(self.device)

    def states(self, stream: Stream, first: int, count: int) -> Tensor:
        """The states at the start of samples first .. first+count-1 as rows of bits, float32 ``[count, 128]``."""
        row = _bits(np.array(self.generator.seed(stream.seed), np.uint32).reshape(4, 1))
        number = stream.image << 32 | first
        for bit in range(64):
            if number >> bit & 1:
                row = (row @ self._jumps[bit] & 1).astype(np.uint8)
        return self._spread(self._on_device(row), self._samples, count)[0]

    def _spread(self, starts: Tensor, matrices: Sequence[Tensor], count: int) -> Tensor:
        """``[n, count, 128]``: row i of each is its start ``[n, 128]`` times the matrix to the power i; matrices[k] is
        that to the power 2^k.
        """
        block = starts[:, None]
        for matrix in matrices:
            if block.shape[1] >= count:
                break
            more = block[:, : count - block.shape[1]] @ matrix
            block = torch.cat([block, more.remainder_(2)], 1)
        return block

    def words(self, states: Tensor, count: int) -> Tensor:
        """The first ``count`` words or some more of every state ``[n, 128]``: int64 ``[n, ..]``."""
        segments = ceil_div(count, _SEGMENT)
        while 1 << len(self._segments) < segments:
            self._segments.append((self._segments[-1] @ self._segments[-1]).remainder_(2))
        starts = self._spread(states, self._segments, segments)
        halves = (starts @ self._weights).to(torch.int64)
        state = [halves[..., 2 * w] | halves[..., 2 * w + 1] << 16 for w in range(4)]
        draw = _lfsr113 if self.generator.name == "lfsr113" else _xoshiro
        return torch.stack([draw(state) for _ in range(_SEGMENT)], -1).flatten(1)


def _rotl(x: Tensor, k: int) -> Tensor:
    return (x << k | x >> (32 - k)) & _M32


def _xoshiro(s: list[Tensor]) -> Tensor:
    """The next word of xoshiro128++, the state changed in place."""
    out = (_rotl(s[0] + s[3] & _M32, 7) + s[0]) & _M32
    t = s[1] << 9 & _M32
    s[2] = s[2] ^ s[0]
    s[3] = s[3] ^ s[1]
    s[1] = s[1] ^ s[2]
    s[0] = s[0] ^ s[3]
    s[2] = s[2] ^ t
    s[3] = _rotl(s[3], 11)
    return out


def _lfsr113(s: list[Tensor]) -> Tensor:
    """The next word of LFSR113, the state changed in place."""
    for k, (q, r, shift, keep) in enumerate(LFSR113_TERMS):
        feedback = ((s[k] << q & _M32) ^ s[k]) >> r
        s[k] = ((s[k] & keep) << shift & _M32) ^ feedback
    return s[0] ^ s[1] ^ s[2] ^ s[3]


class NoiseSource:
    """Draws what `Sampler.draw` draws, on a device."""

    def __init__(self, sampler: Sampler, dimension: int, device: torch.device) -> None:
        """dimension: coordinates of a sample."""
        self.streams, self.dimension = Streams(sampler.generator, device), dimension
        first, split = sampler.cells
        self._first, self._split = (torch.from_numpy(np.asarray(x, np.int64)).to(device) for x in (first, split))
        self._limits = torch.from_numpy(sampler.limits.astype(np.int64)).to(device)
        self._pairs, self._blocks = ceil_div(dimension, 2), ceil_div(dimension, 2 * _BLOCK)
        mean = dimension * float(split.mean())
        self.words = self._pairs + self._blocks + int(mean + _DEVIATIONS * mean**0.5) + 3  # drawn at first

    def draw(self, stream: Stream, first: int, count: int) -> Tensor:
        """The noise of samples first .. first+count-1: int64 ``[count, dimension]``, lattice steps."""
        return self.noise(self.streams.states(stream, first, count))

    def noise(self, states: Tensor) -> Tensor:
        """The noise that begins at each state ``[n, 128]``: int64 ``[n, dimension]``."""
        count = self.words
        while True:
            found = self._read(self.streams.words(states, count))
            if found is not None:
                return found
            count *= 2  # more cells were split than ten standard deviations above the mean

    def _read(self, words: Tensor) -> Tensor | None:
        """The noise that words int64 ``[n, w]`` say; None where they are too few for any of the n."""
        n, w = words.shape
        last = torch.tensor(w - 1, device=words.device)
        split = self._split[words & 0xFFFF], self._split[words >> 16]
        after = torch.arange(1, w + 1, device=words.device) + split[0] + split[1]
        after = torch.minimum(after, last)  # whoever comes to the last word has left the words: see below
        block = after
        for _ in range(4):
            block = block.gather(1, block)  # by 2, 4, 8, 16 pairs
        start = torch.zeros((n, 1), dtype=torch.int64, device=words.device)
        starts = [start]
        for _ in range(self._blocks - 1):
            starts.append(block.gather(1, torch.minimum(starts[-1] + 1, last)))
        signs_at = torch.cat(starts, 1)
        pairs = [torch.minimum(signs_at + 1, last)]
        for _ in range(_BLOCK - 1):
            pairs.append(after.gather(1, pairs[-1]))
        at = torch.stack(pairs, 2).flatten(1)[:, : self._pairs]
        if bool((after.gather(1, at[:, -1:]) == last).any()):
            return None
        word = words.gather(1, at)
        cells = torch.stack([word & 0xFFFF, word >> 16], 2).flatten(1)[:, : self.dimension]
        low_at = torch.stack([at + 1, at + 1 + split[0].gather(1, at)], 2).flatten(1)[:, : self.dimension]
        magnitude = self._first[cells]
        lane, coordinate = self._split[cells].nonzero(as_tuple=True)
        u = cells[lane, coordinate] << 32 | words[lane, low_at[lane, coordinate]]
        magnitude[lane, coordinate] = torch.searchsorted(self._limits, u)
        signs = words.gather(1, signs_at)[:, :, None] >> torch.arange(2 * _BLOCK, device=words.device) & 1
        negative = signs.flatten(1)[:, : self.dimension]
        return torch.where(negative == 1, -magnitude, magnitude)
