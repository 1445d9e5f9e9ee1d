# SPDX-License-Identifier: Apache-2.0
"""A graph as steps on a device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from intrs_edge.errors import IntrsError
from intrs_edge.gpu import conv, moves, values
from intrs_edge.gpu.site import BUILDERS, Site
from intrs_edge.graph.ir import Graph, Op

__all__ = ["Program", "conv", "moves", "values"]

_BYTES_A_VALUE, _BYTES_A_TAP = 48, 9  # of an output while it is requantised; of a patch, in float64


class Program:
    """Runs a validated graph of one input and one output on many inputs at once.

    Raises IntrsError when the graph has an operator that there is no step for.
    """

    def __init__(self, graph: Graph, device: torch.device, integer: bool) -> None:
        """integer: see `Site`."""
        lacking = sorted({op.kind for op in graph.ops} - set(BUILDERS))
        if lacking:
            raise IntrsError(
                f"the GPU engine has no {', '.join(lacking)}, which this network uses: certify it with --target host"
            )
        self.graph = graph
        self._steps = [(op, BUILDERS[op.kind](Site(graph, op, device, integer))) for op in graph.ops]
        self._constants = {
            i: torch.from_numpy(t.data[None].copy()).to(device)
            for i, t in enumerate(graph.tensors)
            if t.data is not None and t.dtype in ("int8", "uint8")
        }
        self._last = {i: number for number, op in enumerate(graph.ops) for i in op.inputs}
        self._nothing = torch.empty(0, device=device)
        self.bytes_a_run = max((self._bytes(op) for op in graph.ops), default=1)

    def _bytes(self, op: Op) -> int:
        """About what a step needs for one input."""
        size = _BYTES_A_VALUE * sum(self.graph.tensors[i].elements for i in (*op.inputs, *op.outputs) if i >= 0)
        if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            pixels = self.graph.tensors[op.outputs[0]].shape
            taps = self.graph.tensors[op.inputs[1]].shape
            size += _BYTES_A_TAP * math.prod(pixels[:3]) * taps[1] * taps[2] * self.graph.tensors[op.inputs[0]].shape[3]
        return size

    def __call__(self, x: Tensor) -> Tensor:
        """int8 ``[K, *shape]`` of the input to ``[K, *shape]`` of the output."""
        (source,), (result,) = self.graph.inputs, self.graph.outputs
        found = {source: x.reshape(len(x), *self.graph.tensors[source].shape)}
        for number, (op, step) in enumerate(self._steps):
            args = [found.get(i, self._constants.get(i, self._nothing)) for i in op.inputs]
            found.update(zip(op.outputs, step(args), strict=True))
            for i in op.inputs:
                if self._last.get(i) == number and i != result:
                    found.pop(i, None)
        y = found[result]
        return y.expand(len(x), *y.shape[1:])
