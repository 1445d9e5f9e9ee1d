# SPDX-License-Identifier: Apache-2.0
"""Operators that move values: the numpy reference, run on places instead of values, says where each comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from intrs_edge.gpu.site import Site, Step, builder
from intrs_edge.graph import reference
from intrs_edge.graph.reference.common import Array

MOVES = (
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE", "CONCATENATION", "SPLIT", "SPLIT_V",
    "UNPACK", "PACK", "GATHER", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "TILE", "REVERSE_V2", "BROADCAST_TO", "SLICE",
    "STRIDED_SLICE", "RESIZE_NEAREST_NEIGHBOR",
)  # fmt: skip


def _numbered(site: Site, start: int) -> tuple[list[Array], int]:
    """The arguments with the places of their values from ``start`` on for values; and where these end."""
    args: list[Array] = []
    for index in site.op.inputs:
        tensor = site.graph.tensors[index] if index >= 0 else None
        if tensor is None:
            args.append(np.empty(0))
        elif tensor.data is not None:
            args.append(tensor.data[np.newaxis])
        else:
            args.append(np.arange(start, start + tensor.elements, dtype=np.int64).reshape(1, *tensor.shape))
            start += tensor.elements
    return args, start


@builder(*MOVES)
def moves(site: Site) -> Step:
    """A choice of the flattened inputs' values and of constants, which are those that do not follow the numbering."""
    kernel = reference.KERNELS[site.op.kind]
    args, total = _numbered(site, 0)
    once = kernel(site.graph, site.op, args)
    again = kernel(site.graph, site.op, _numbered(site, total + 256)[0])
    positions = [i for i, index in enumerate(site.op.inputs) if index >= 0 and site.graph.tensors[index].data is None]
    choices, constants = [], []
    for first, second in zip(once, again, strict=True):
        place, fixed = first.reshape(-1).astype(np.int64), (first == second).reshape(-1)
        values, where = np.unique(place[fixed], return_inverse=True)
        place[fixed] = total + where
        constants.append(site.tensor(values.astype(np.int8)[None]))
        same = not values.size and np.array_equal(place, np.arange(total))
        choices.append((None if same else site.tensor(place), first.shape[1:]))

    def step(args: Sequence[Tensor]) -> list[Tensor]:
        given = [args[i].reshape(len(args[i]), -1) for i in positions]  # flatten(1) takes no scalars
        runs = max((len(x) for x in given), default=1)
        flat = given[0] if len(given) == 1 else torch.cat([x.expand(runs, -1) for x in given], 1) if given else None
        out = []
        for (place, shape), fixed in zip(choices, constants, strict=True):
            parts = [x for x in (flat, fixed.expand(runs, -1) if fixed.numel() else None) if x is not None]
            whole = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            out.append((whole if place is None else whole.index_select(1, place)).reshape(runs, *shape))
        return out

    return step
