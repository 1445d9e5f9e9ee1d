# SPDX-License-Identifier: Apache-2.0
"""What a builder of a step is given, and the table of builders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intrs_edge.gpu.arithmetic import Products
from intrs_edge.graph.ir import Graph, Op

Step = Callable[[Sequence[Tensor]], list[Tensor]]  # values [K, *shape]; constants have K = 1


@dataclass(frozen=True)
class Site:
    """An operator of a graph on a device. integer: whether sums of products are taken by int8 products (CUDA)."""

    graph: Graph
    op: Op
    device: torch.device
    integer: bool

    def constant(self, position: int) -> npt.NDArray[np.generic] | None:
        """The constant that an input is; None where it is absent."""
        index = self.op.inputs[position] if position < len(self.op.inputs) else -1
        return None if index < 0 else self.graph.tensors[index].data

    def weights(self) -> npt.NDArray[np.int8]:
        """The constant weights."""
        data = self.constant(1)
        assert data is not None
        return data.astype(np.int8)

    def products(self, weights: npt.NDArray[np.int8]) -> Products:
        """With these weights ``[n, k]``."""
        return Products(np.ascontiguousarray(weights), self.device, self.integer)

    def tensor(self, values: npt.NDArray[np.generic]) -> Tensor:
        """Values on the device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


BUILDERS: dict[str, Callable[[Site], Step]] = {}
Builder = Callable[[Site], Step]


def builder(*kinds: str) -> Callable[[Builder], Builder]:
    """Enters a function into the table."""

    def enter(function: Builder) -> Builder:
        for kind in kinds:
            BUILDERS[kind] = function
        return function

    return enter


def aligned(args: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Both operands with as many dimensions: ones go between the runs and the tensor's own dimensions."""
    a, b = args[0], args[1]
    rank = max(a.ndim, b.ndim)
    return (
        a.reshape(a.shape[0], *(1,) * (rank - a.ndim), *a.shape[1:]),
        b.reshape(b.shape[0], *(1,) * (rank - b.ndim), *b.shape[1:]),
    )
