# SPDX-License-Identifier: Apache-2.0
"""Where ops that only move values take them from, found by running the reference on the positions themselves."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.reference import KERNELS


@dataclass(frozen=True)
class _Move:
    """An op that only moves values. Equal ones (kind, attributes, shapes, constants) move them alike."""

    key: tuple[Any, ...]
    graph: Graph = field(compare=False)
    op: Op = field(compare=False)


def _move(graph: Graph, op: Op) -> _Move:
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs)]
    constants = tuple(None if t.data is None else (t.dtype, np.asarray(t.data).tobytes()) for t in tensors)
    return _Move((op.kind, tuple(sorted(op.attrs.items())), tuple(t.shape for t in tensors), constants), graph, op)


def copies(graph: Graph, op: Op) -> list[tuple[int, int, int, int] | None]:
    """`block_copy` of every output."""
    return _copies(_move(graph, op))


def tables(graph: Graph, op: Op) -> list[list[npt.NDArray[np.int32]]]:
    """`separable` offsets of every output."""
    return _tables(_move(graph, op))


# kernels ask again and again, for every level; the positions themselves are too large to keep
@functools.lru_cache(64)
def _copies(move: _Move) -> list[tuple[int, int, int, int] | None]:
    return [block_copy(m) for m in position_maps(move.graph, move.op)]


@functools.lru_cache(64)
def _tables(move: _Move) -> list[list[npt.NDArray[np.int32]]]:
    return [separable(m) for m in position_maps(move.graph, move.op)]


def position_maps(graph: Graph, op: Op) -> list[npt.NDArray[np.int64]]:
    """For an op that only moves values of its first non-constant input: per output, which input element each output
    element is.
    """
    arguments: list[npt.NDArray[Any]] = []
    for index in op.inputs:
        tensor = graph.tensors[index]
        if tensor.data is None:
            arguments.append(np.arange(tensor.elements, dtype=np.int64).reshape(1, *tensor.shape))
        else:
            arguments.append(np.asarray(tensor.data).reshape(1, *tensor.shape))
    outputs = KERNELS[op.kind](graph, op, arguments)
    return [
        np.asarray(y, np.int64).reshape(graph.tensors[index].shape)
        for y, index in zip(outputs, op.outputs, strict=True)
    ]


def separable(positions: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int32]]:
    """Offsets per axis whose sums are the positions. Axes of extent 1 are dropped, and neighbouring axes that do not
    come apart (a table of indices) count as one; of all ways the one with the shortest tables.
    """
    shape = tuple(n for n in positions.shape if n != 1)
    ways = (_merged(shape, seams) for seams in itertools.product((True, False), repeat=max(len(shape) - 1, 0)))
    for way in sorted(ways, key=sum):
        offsets = _offsets(positions.reshape(way))
        if offsets is not None:
            return offsets
    raise AssertionError("one axis is always a table")


def _merged(shape: tuple[int, ...], seams: tuple[bool, ...]) -> tuple[int, ...]:
    """The extents with axes joined where there is no seam between them."""
    merged = list(shape[:1])
    for extent, seam in zip(shape[1:], seams, strict=True):
        if seam:
            merged.append(extent)
        else:
            merged[-1] *= extent
    return tuple(merged)


def _offsets(positions: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int32]] | None:
    shape = positions.shape
    if not shape:
        return [positions.reshape(1).astype(np.int32)]
    origin = int(positions.flat[0])
    offsets = []
    for axis in range(len(shape)):
        line = positions[tuple(slice(None) if a == axis else 0 for a in range(len(shape)))]
        offsets.append(line - (origin if axis else 0))
    total = sum(o.reshape([-1 if a == i else 1 for a in range(len(shape))]) for i, o in enumerate(offsets))
    if not np.array_equal(total, positions):
        return None
    # a mirrored axis falls: keep every table at or above zero by moving its minimum to the first table
    lows = [int(o.min()) for o in offsets[1:]]
    offsets[1:] = [o - low for o, low in zip(offsets[1:], lows, strict=True)]
    offsets[0] = offsets[0] + sum(lows)
    return [o.astype(np.int32) for o in offsets]


def block_copy(positions: npt.NDArray[np.int64]) -> tuple[int, int, int, int] | None:
    """(rows, run, first, stride) where the positions are ``rows`` runs of consecutive elements a constant stride apart,
    else None.
    """
    flat = positions.reshape(-1)
    breaks = np.flatnonzero(np.diff(flat) != 1)
    run = int(breaks[0]) + 1 if breaks.size else flat.size
    if flat.size % run:
        return None
    table = flat.reshape(-1, run)
    starts = table[:, 0]
    stride = int(starts[1] - starts[0]) if len(starts) > 1 else 0
    wanted = starts[0] + stride * np.arange(len(starts))[:, None] + np.arange(run)[None, :]
    return (len(starts), run, int(starts[0]), stride) if np.array_equal(wanted, table) else None
