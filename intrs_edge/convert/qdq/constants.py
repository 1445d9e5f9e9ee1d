# SPDX-License-Identifier: Apache-2.0
"""Folds the nodes that compute constants: shapes of reshapes, transposed weights, and the like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.budget import Values
from intrs_edge.convert.qdq.values import Constant, Lattice
from intrs_edge.convert.unsupported import Unsupported

Array = npt.NDArray[Any]
Inputs = list[Union[Array, None]]

_MOVING = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
_BROADCASTING = ("Add", "Sub", "Mul", "Div")
_FILLING = ("ConstantOfShape",)
_CASTS = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}


def fold(kind: str, inputs: Sequence[Constant | None], attrs: dict[str, Any], budget: Values) -> Constant:
    """The constant result of a node of a `FOLDED` kind; a dequantised constant that only changes its shape keeps its
    integers.

    What the node makes is charged before it is made: IntrsError when that is too much for the file.
    """
    try:
        arrays = [None if c is None else c.value for c in inputs]
        budget.take(_values_made(kind, arrays, attrs), f"{kind} of constants")
        result = np.asarray(FOLDED[kind](arrays, attrs))
        lattice = inputs[0].lattice if inputs and inputs[0] is not None else None
        if lattice is not None and kind in _MOVING:
            axis = _axis_after(kind, lattice, result.shape, attrs)
            if axis is not None:
                q = np.asarray(FOLDED[kind]([lattice.q, *arrays[1:]], attrs))
                return Constant(result, replace(lattice, q=q, axis=axis))
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, MemoryError, AttributeError) as error:
        raise Unsupported(f"its constant inputs do not fit together ({str(error)[:80]})") from error
    return Constant(result)


def _values_made(kind: str, inputs: Inputs, attrs: dict[str, Any]) -> int:
    """How many values a node makes; most make no more than they read."""
    if kind in _FILLING:
        return math.prod(max(0, v) for v in _ints(inputs[0]))
    sizes = [np.asarray(a).size for a in inputs]
    if kind in _BROADCASTING:
        return math.prod(int(n) for n in np.broadcast_shapes(*(np.asarray(a).shape for a in inputs)))
    if kind == "Gather":
        x = np.asarray(inputs[0])
        return sizes[1] * (x.size // max(1, x.shape[int(attrs.get("axis", 0))]))
    return sum(sizes)


def _axis_after(kind: str, lattice: Lattice, shape: tuple[int, ...], attrs: dict[str, Any]) -> int | None:
    """Where the channel axis of a constant is after a node that moves its elements; None when it is lost."""
    if lattice.scale.size == 1:
        return 0
    if kind == "Transpose":
        perm = list(attrs.get("perm", range(lattice.q.ndim)[::-1]))
        return perm.index(lattice.axis)
    return 0 if lattice.axis == 0 and shape and shape[0] == lattice.scale.size else None


def _ints(x: Array | None) -> list[int]:
    return [] if x is None else [int(v) for v in x.reshape(-1)]


def _axes(inputs: Inputs, attrs: dict[str, Any]) -> list[int]:
    return _ints(inputs[1]) if len(inputs) > 1 else list(attrs.get("axes", []))


def _constant(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    for key, dtype in (("value", None), ("value_float", np.float32), ("value_floats", np.float32)):
        if key in attrs:
            return np.asarray(attrs[key], dtype)
    return np.asarray(attrs["value_ints"] if "value_ints" in attrs else attrs["value_int"], np.int64)


def reshaped(old: tuple[int, ...], new: list[int], allow_zero: bool = False) -> tuple[int, ...]:
    """ONNX's Reshape: 0 keeps an axis, -1 takes what is left."""
    shape = [old[i] if s == 0 and not allow_zero else s for i, s in enumerate(new)]
    total = math.prod(old)
    if shape.count(-1) == 1:
        rest = -math.prod(shape)
        if rest <= 0 or total % rest:
            raise ValueError(f"{list(old)} does not reshape to {new}")
        shape[shape.index(-1)] = total // rest
    if min(shape, default=1) < 0 or math.prod(shape) != total:
        raise ValueError(f"{list(old)} does not reshape to {new}")
    return tuple(shape)


def _reshape(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    x = inputs[0]
    assert x is not None
    return x.reshape(reshaped(x.shape, _ints(inputs[1]), bool(attrs.get("allowzero", 0))))


def _slice(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    x = inputs[0]
    assert x is not None
    starts, ends = _ints(inputs[1]), _ints(inputs[2])
    axes = _ints(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = _ints(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    return np.asarray(x[tuple(index)])


def _fill(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    shape = _ints(inputs[0])
    if any(s < 0 for s in shape):
        raise ValueError("an impossible shape")
    value = np.asarray(attrs.get("value", np.zeros(1, np.float32)))
    return np.full(shape, value.reshape(-1)[0], value.dtype)


def _divide(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    a, b = np.asarray(inputs[0]), np.asarray(inputs[1])
    if a.dtype.kind in "iu":  # ONNX truncates towards zero
        if np.any(b == 0):
            raise ValueError("division by zero")
        return np.asarray(np.trunc(a / b).astype(a.dtype))
    with np.errstate(all="ignore"):
        return np.asarray(a / b)


def _clip(inputs: Inputs, attrs: dict[str, Any]) -> Array:
    x = np.asarray(inputs[0])
    low, high = attrs.get("min", -np.inf), attrs.get("max", np.inf)  # attributes until opset 11
    if len(inputs) > 1 and inputs[1] is not None:
        low = inputs[1].item()
    if len(inputs) > 2 and inputs[2] is not None:
        high = inputs[2].item()
    return np.asarray(np.minimum(np.maximum(x, low), high).astype(x.dtype))


def _same(function: Callable[..., Any]) -> Callable[[Inputs, dict[str, Any]], Array]:
    return lambda inputs, attrs: np.asarray(function(*inputs))


FOLDED: dict[str, Callable[[Inputs, dict[str, Any]], Array]] = {
    "Constant": _constant,
    "ConstantOfShape": _fill,
    "Clip": _clip,
    "Reshape": _reshape,
    "Slice": _slice,
    "Cast": lambda i, a: np.asarray(i[0]).astype(_CASTS[a["to"]]),
    "Concat": lambda i, a: np.concatenate([np.asarray(x) for x in i], int(a["axis"])),
    "Gather": lambda i, a: np.take(np.asarray(i[0]), np.asarray(i[1]), int(a.get("axis", 0))),
    "Squeeze": lambda i, a: np.squeeze(np.asarray(i[0]), tuple(_axes(i, a)) or None),
    "Unsqueeze": lambda i, a: np.expand_dims(np.asarray(i[0]), tuple(_axes(i, a))),
    "Transpose": lambda i, a: np.transpose(np.asarray(i[0]), a.get("perm")),
    "Add": _same(np.add),
    "Sub": _same(np.subtract),
    "Mul": _same(np.multiply),
    "Div": _divide,
    "Sqrt": _same(np.sqrt),
    "Neg": _same(np.negative),
    "Flatten": lambda i, a: np.asarray(i[0]).reshape(math.prod(np.asarray(i[0]).shape[: int(a.get("axis", 1))]), -1),
}
