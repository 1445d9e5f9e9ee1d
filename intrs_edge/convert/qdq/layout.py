# SPDX-License-Identifier: Apache-2.0
"""Layout of values: ONNX's axes against the axes in memory. TRANSPOSE and RESHAPE ops appear only where bookkeeping
cannot help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import Emitter
from intrs_edge.convert.qdq.values import Activation, Shape
from intrs_edge.convert.unsupported import Unsupported

NHWC = (0, 2, 3, 1)


def stored(shape: Shape, order: tuple[int, ...]) -> Shape:
    """The shape in memory of a value of ONNX shape ``shape``."""
    return tuple(shape[i] for i in order)


def arrange(emit: Emitter, value: Activation, order: tuple[int, ...]) -> Activation:
    """The same value with another order in memory: by TRANSPOSE, or RESHAPE when only axes of extent 1 move."""
    if value.order == order:
        return value
    perm = [value.order.index(axis) for axis in order]
    shape = stored(value.shape, order)
    old = emit.shape(value.index)
    data = emit.tensors[value.index].data
    if data is not None:
        index = emit.constant(f"{_name(emit, value)}/transpose", data.transpose(perm), emit.quant(value.index))
    elif [p for p in perm if old[p] != 1] == sorted(p for p in perm if old[p] != 1):
        index = emit.reshape(value.index, shape, f"{_name(emit, value)}/view")
    else:
        perms = emit.integers(f"{_name(emit, value)}/perm", perm)
        index = emit.op(
            "TRANSPOSE", (value.index, perms), shape, emit.quant(value.index), f"{_name(emit, value)}/transpose"
        )
    return replace(value, index=index, order=order)


def plain(emit: Emitter, value: Activation) -> Activation:
    """The value with its elements in memory in ONNX's order."""
    if value.flat is not None:
        shape, order = value.flat
        index = emit.reshape(value.index, stored(shape, order), f"{_name(emit, value)}/unflat")
        unflat = replace(value, index=index, shape=shape, order=order, flat=None)
        index = emit.reshape(plain(emit, unflat).index, value.shape, f"{_name(emit, value)}/flat")
        return replace(value, index=index, order=tuple(range(len(value.shape))), flat=None)
    return arrange(emit, value, tuple(range(len(value.shape))))


def image(emit: Emitter, value: Activation) -> Activation:
    """A value [1, C, H, W] in memory as NHWC; a signal [1, C, L] as an image of height 1."""
    if len(value.shape) == 3:
        lasting = arrange(emit, value, (0, 2, 1))
        n, c, length = value.shape
        index = emit.reshape(lasting.index, (n, 1, length, c), f"{_name(emit, value)}/image")
        return replace(value, index=index, shape=(n, c, 1, length), order=NHWC)
    if len(value.shape) != 4:
        raise Unsupported(f"it reads a value of shape {list(value.shape)}; images [1, C, H, W] or signals [1, C, L] do")
    return arrange(emit, value, NHWC)


def signal(emit: Emitter, value: Activation, rank: int) -> Activation:
    """What `image` was given rank 3 for: a signal again; an image as it is."""
    if rank != 3:
        return value
    n, c, _, length = value.shape
    index = emit.reshape(value.index, (n, length, c), f"{_name(emit, value)}/signal")
    return replace(value, index=index, shape=(n, c, length), order=(0, 2, 1))


def reshape(emit: Emitter, value: Activation, shape: Shape, name: str) -> Activation:
    """ONNX's Reshape. To [1, N] it stays a view whatever the order in memory; to rank 4 the result lies as NHWC
    again."""
    if shape == value.shape:
        return value
    view = _unit_axes_moved(value, shape)
    if view is not None:
        return replace(value, index=emit.reshape(value.index, stored(shape, view), name), shape=shape, order=view)
    if len(shape) == 2 and shape[0] == 1 and value.flat is None:
        index = emit.reshape(value.index, shape, name)
        flat = None if _trivial(value) else (value.shape, value.order)
        return replace(value, index=index, shape=shape, order=(0, 1), flat=flat)
    source = plain(emit, value)
    index = emit.reshape(source.index, shape, name)
    same = replace(source, index=index, shape=shape, order=tuple(range(len(shape))))
    return arrange(emit, same, NHWC) if len(shape) == 4 else same


def columns(weight: npt.NDArray[np.int8], value: Activation) -> npt.NDArray[np.int8]:
    """Weights [O, N] for a flattened value, their columns moved to where its elements lie in memory."""
    if value.flat is None:
        return weight
    shape, order = value.flat
    axes = [0, *(1 + axis for axis in order)]
    return np.ascontiguousarray(weight.reshape(len(weight), *shape).transpose(axes).reshape(len(weight), -1))


def matched(emit: Emitter, values: list[Activation]) -> list[Activation]:
    """Values of one rank brought to one order in memory, and none of them flattened out of order unless all are
    alike."""
    if any(v.flat != values[0].flat for v in values):
        values = [plain(emit, v) for v in values]
    order = values[0].order
    return [v if v.order == order else arrange(emit, v, order) for v in values]


def _unit_axes_moved(value: Activation, shape: Shape) -> tuple[int, ...] | None:
    """The order in memory after a reshape that only adds or drops axes of extent 1; None for any other reshape."""
    old, new = ([i for i, s in enumerate(x) if s != 1] for x in (value.shape, shape))
    if value.flat is not None or [value.shape[i] for i in old] != [shape[i] for i in new]:
        return None
    moved = [new[old.index(axis)] for axis in value.order if axis in old]
    rank = len(shape)
    usual = [o for o in (NHWC, (0, 2, 1), tuple(range(rank))) if len(o) == rank]
    rest = (*(i for i in range(rank) if i not in new), *moved)
    return next((o for o in usual if [i for i in o if i in new] == moved), rest)


def _trivial(value: Activation) -> bool:
    """Whether the order in memory equals ONNX's but for axes of extent 1."""
    moved = [axis for axis in value.order if value.shape[axis] != 1]
    return moved == sorted(moved)


def _name(emit: Emitter, value: Activation) -> str:
    return emit.tensors[value.index].name
