# SPDX-License-Identifier: Apache-2.0
"""What the planner is given and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from intrs_edge.integers import ceil_div

ALIGN = 16


@dataclass(frozen=True)
class Step:
    """A call: tensors it reads and writes, scratch bytes, and the positions in ``inputs`` whose memory its first output
    may take over.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: int = 0
    inplace: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """A piece of the arena: offset and bytes, alive from call ``first`` to call ``last`` (positions in the order), for
    these tensors.

    The input is alive from call 0, the output to the last call. ``scratch`` names the step whose scratch it is, else
    -1.
    """

    tensors: tuple[int, ...]
    bytes: int
    first: int
    last: int
    offset: int = 0
    scratch: int = -1

    def meets(self, other: Block) -> bool:
        """Whether both are alive at one call."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """The arena: ``order`` of the steps, blocks, total bytes, and how good it is.

    ``lower_bound``: no plan with this order is smaller. ``order_proven``: no other order has a smaller bound.
    """

    order: tuple[int, ...]
    blocks: tuple[Block, ...]
    bytes: int
    lower_bound: int
    order_method: str
    order_proven: bool
    offset_method: str

    @property
    def optimal(self) -> bool:
        """Whether the arena meets the lower bound."""
        return self.bytes == self.lower_bound

    @cached_property
    def _offsets(self) -> dict[int, int]:
        return {tensor: block.offset for block in reversed(self.blocks) for tensor in block.tensors}

    @cached_property
    def _scratch_offsets(self) -> dict[int, int]:
        return {block.scratch: block.offset for block in self.blocks if block.scratch >= 0}

    def offset(self, tensor: int) -> int:
        """Byte offset of a tensor; KeyError for one without memory."""
        return self._offsets[tensor]

    def scratch_offset(self, step: int) -> int:
        """Byte offset of a step's scratch; KeyError where it has none."""
        return self._scratch_offsets[step]


def align(n: int) -> int:
    """Up to a multiple of 16."""
    return ceil_div(n, ALIGN) * ALIGN


def alive(blocks: Sequence[Block], steps: int) -> list[int]:
    """The bytes alive at every call; at one at least."""
    change = [0] * (max(steps, 1) + 1)
    for block in blocks:
        change[min(block.first, max(steps, 1))] += block.bytes
        change[min(block.last + 1, max(steps, 1))] -= block.bytes
    total, found = 0, []
    for difference in change[:-1]:
        total += difference
        found.append(total)
    return found


def peak(blocks: Sequence[Block], steps: int) -> int:
    """The most bytes alive at one call: a lower bound of every placement."""
    return max(alive(blocks, steps))
