# SPDX-License-Identifier: Apache-2.0
"""Batches inside a model: a kernel of a windowed operator sees one image, and is called for each.

A RESHAPE can fold positions or time steps into the batch, so a convolution of a model for one image may read
``[3, H, W, C]``. Kernels of WINDOWED operators know nothing of it: their site's graph shows ``[1, H, W, C]``, and the
generator calls them once an image (or tells a batched kernel how many there are). Kernels of all other operators take
tensors whole.
"""

from __future__ import annotations

from dataclasses import replace

from intrs_edge.codegen.kernels import Site
from intrs_edge.graph.ir import Graph, Tensor

WINDOWED = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_BILINEAR"}
)  # fmt: skip


class Sites:
    """Makes the sites of a graph for targets that see ``batch`` images at a time."""

    def __init__(self, graph: Graph, batch: int) -> None:
        self.graph, self.batch = graph, batch
        apart = [t if _images(t) == 1 else replace(t, shape=(1, *t.shape[1:])) for t in graph.tensors]
        self._one = replace(graph, tensors=tuple(apart))

    def at(self, ops: tuple[int, ...]) -> Site | None:
        """The site of a chain; None where its ops do not all walk through the images of its first one's."""
        first = self.graph.ops[ops[0]]
        images = _images(self.graph.tensors[first.outputs[0]]) if first.kind in WINDOWED else 1
        if images == 1:
            return Site(self.graph, ops, self.batch)
        later = {t for op in ops[1:] for t in (*self.graph.ops[op].inputs, *self.graph.ops[op].outputs)}
        if any(_images(self.graph.tensors[t]) != images for t in later):
            return None
        return Site(self._one, ops, self.batch * images, images)


def _images(tensor: Tensor) -> int:
    """The batch of an image tensor that varies."""
    return tensor.shape[0] if len(tensor.shape) == 4 and not tensor.constant else 1
