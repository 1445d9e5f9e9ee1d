"""Layout of values: ONNX's axes against the axes in memory. TRANSPOSE and RESHAPE ops appear only where bookkeeping
cannot help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from intrs_edge.convert.emit import Emitter
from intrs_edge.convert.values import Activation, Shape, Unsupported

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
    if [p for p in perm if old[p] != 1] == sorted(p for p in perm if old[p] != 1):
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
        unflat = Activation(
            emit.reshape(value.index, stored(shape, order), f"{_name(emit, value)}/unflat"), shape, order
        )
        index = emit.reshape(plain(emit, unflat).index, value.shape, f"{_name(emit, value)}/flat")
        return Activation(index, value.shape, tuple(range(len(value.shape))))
    return arrange(emit, value, tuple(range(len(value.shape))))


def image(emit: Emitter, value: Activation) -> Activation:
    """A rank-4 value [1, C, H, W] in memory as NHWC."""
    if len(value.shape) != 4:
        raise Unsupported(f"it reads a value of shape {list(value.shape)}; only images [1, C, H, W] are supported")
    return arrange(emit, value, NHWC)


def reshape(emit: Emitter, value: Activation, shape: Shape, name: str) -> Activation:
    """ONNX's Reshape. To [1, N] it stays a view whatever the order in memory; to rank 4 the result lies as NHWC
    again."""
    if shape == value.shape:
        return value
    if len(shape) == 2 and shape[0] == 1 and value.flat is None:
        index = emit.reshape(value.index, shape, name)
        return Activation(index, shape, (0, 1), None if _trivial(value) else (value.shape, value.order))
    source = plain(emit, value)
    same = Activation(emit.reshape(source.index, shape, name), shape, tuple(range(len(shape))))
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


def _trivial(value: Activation) -> bool:
    """Whether the order in memory equals ONNX's but for axes of extent 1."""
    moved = [axis for axis in value.order if value.shape[axis] != 1]
    return moved == sorted(moved)


def _name(emit: Emitter, value: Activation) -> str:
    return emit.tensors[value.index].name
