# SPDX-License-Identifier: Apache-2.0
"""Activations and arithmetic, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, fx, nn

from intrs_edge.train.tracing.moves import padded, reshape
from intrs_edge.train.tracing.values import Handler, Unsupported, Value, one

if TYPE_CHECKING:
    from intrs_edge.train.tracing.graph import Builder as Tracer

Make = Callable[["Tracer", fx.Node, Value, dict[str, Any]], Value]


def _plain(kind: str, *names: str) -> Make:
    def make(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
        return t.layer(node, kind, (x,), **{n: options[n] for n in names})

    return make


def _silu(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
    gate = t.layer(node, "sigmoid", (x,), suffix="_gate")
    return t.layer(node, "mul", (x, gate))


def _clip(t: Tracer, node: fx.Node, x: Value, options: dict[str, Any]) -> Value:
    low, high = options["low"], options["high"]
    if low is None or high is None:
        if low is not None and float(low) == 0.0:
            return t.layer(node, "relu", (x,))
        raise Unsupported("a clamp needs both limits, or 0 and none; give both")
    low, high = float(low), float(high)
    if (low, high) == (0.0, 6.0):
        return t.layer(node, "relu6", (x,))
    if not low <= 0.0 < high:
        raise Unsupported(f"a clamp to {low:g}..{high:g} does not hold 0; choose limits around it")
    return t.layer(node, "clip", (x,), low=low, high=high)


# kind -> how it is made, and the names of the functional form's parameters with their defaults
_KINDS: dict[str, tuple[Make, dict[str, Any]]] = {
    "relu": (_plain("relu"), {}),
    "relu6": (_plain("relu6"), {}),
    "leaky_relu": (_plain("leaky_relu", "alpha"), {"alpha": 0.01}),
    "sigmoid": (_plain("sigmoid"), {}),
    "tanh": (_plain("tanh"), {}),
    "hard_swish": (_plain("hard_swish"), {}),
    "hard_sigmoid": (_plain("hard_sigmoid"), {}),
    "gelu": (_plain("gelu", "approximate"), {"approximate": "none"}),
    "silu": (_silu, {}),
    "clip": (_clip, {"low": None, "high": None}),
    "hardtanh": (_clip, {"low": -1.0, "high": 1.0}),
}
_RENAMED = {"negative_slope": "alpha", "min_val": "low", "max_val": "high", "min": "low", "max": "high"}


def functional(kind: str) -> Handler:
    """The handler of an activation called as a function or method."""
    make, defaults = _KINDS[kind]

    def handler(t: Tracer, node: fx.Node, x: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Value:
        options = {**defaults, **dict(zip(defaults, args, strict=False))}
        options |= {_RENAMED.get(k, k): v for k, v in kwargs.items()}
        return make(t, node, one(x), options)

    return handler


def of_module(kind: str, **attributes: str) -> Handler:
    """The handler of an activation that is a module with these attributes."""
    make, defaults = _KINDS[kind]

    def handler(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
        options = {**defaults, **{ours: getattr(m, theirs) for ours, theirs in attributes.items()}}
        return make(t, node, one(x), options)

    return handler


def binary(kind: str) -> Handler:
    """Sum, difference or product of two values, or of one and a constant."""

    def handler(t: Tracer, node: fx.Node, a: Any, b: Any, *, alpha: float = 1) -> Value:
        if alpha != 1:
            raise Unsupported("alpha other than 1; multiply before")
        if isinstance(a, Value) and isinstance(b, Value):
            return t.layer(node, kind, (a, b))
        x, other = (a, b) if isinstance(a, Value) else (b, a)
        constant = np.asarray(other.detach().numpy() if isinstance(other, Tensor) else other, np.float32)
        if not np.all(np.isfinite(constant)):
            raise Unsupported("a constant operand is not finite")
        if constant.ndim > len(x.shape):
            if constant.ndim > len(x.shape) + 1 or (constant != constant[:1]).any():
                raise Unsupported("mixes the images of a batch; keep the first axis for the batch")
            constant = constant[0]
        options: dict[str, Any] = {"constant": constant}
        if kind == "sub" and x is b:
            options["swapped"] = True
        return t.layer(node, kind, (one(x),), **options)

    return handler


def divide(t: Tracer, node: fx.Node, a: Any, b: Any, *, rounding_mode: str | None = None) -> Value:
    """Division by a constant."""
    if isinstance(b, Value):
        raise Unsupported("division by a value that depends on the input; divide by a constant")
    if rounding_mode is not None:
        raise Unsupported("a division that rounds; leave rounding_mode out")
    inverse = 1.0 / b if isinstance(b, Tensor) else 1.0 / float(b)
    return binary("mul")(t, node, a, inverse)  # type: ignore[no-any-return]


def reverse_subtract(t: Tracer, node: fx.Node, a: Any, b: Any, *, alpha: float = 1) -> Value:
    """torch.rsub: b - a."""
    return binary("sub")(t, node, b, a, alpha=alpha)  # type: ignore[no-any-return]


def negate(t: Tracer, node: fx.Node, x: Any) -> Value:
    """0 - x."""
    return t.layer(node, "sub", (one(x),), constant=np.float32(0), swapped=True)


def power(t: Tracer, node: fx.Node, x: Any, exponent: Any) -> Value:
    """Squares."""
    if exponent != 2:
        raise Unsupported("only squares are supported; use x * x")
    return square(t, node, x)


def square(t: Tracer, node: fx.Node, x: Any) -> Value:
    """x * x."""
    return t.layer(node, "mul", (one(x), one(x)))


def concat(t: Tracer, node: fx.Node, values: Any, dim: int = 0, *, axis: int | None = None) -> Value:
    """torch.cat; zeros in front or behind are padding."""
    known = [v for v in values if isinstance(v, Value)]
    rank = len(one(known[0] if known else None).shape) + 1
    along = (dim if axis is None else axis) % rank
    if along == 0:
        raise Unsupported("concatenates the images of a batch; use another axis")
    amounts = [0, 0]
    inside: list[Value] = []
    for v in values:
        if isinstance(v, Value):
            if inside and amounts[1]:
                raise Unsupported("concatenates zeros between values; put them in front or behind")
            inside.append(v)
        elif isinstance(v, Tensor) and v.dim() == rank and not v.any():
            amounts[bool(inside)] += v.shape[along]
        else:
            raise Unsupported("concatenates a constant that is not zero; compute it before the network")
    if not any(amounts):
        return t.layer(node, "concat", tuple(inside), axis=along) if len(inside) > 1 else inside[0]
    whole = inside[0]
    if len(inside) > 1:
        shape = list(t.whole(t.result))
        shape[along - 1] -= sum(amounts)
        whole = t.layer(node, "concat", tuple(inside), suffix="_values", shape=tuple(shape), axis=along)
    begins, ends = [0] * (rank - 1), [0] * (rank - 1)
    begins[along - 1], ends[along - 1] = amounts
    return padded(t, node, whole, begins, ends)


def stack(t: Tracer, node: fx.Node, values: Any, dim: int = 0) -> Value:
    """torch.stack, as reshaping and concatenation."""
    parts = [one(v) for v in values]
    along = dim % (len(parts[0].shape) + 2)
    if along == 0:
        raise Unsupported("stacks images of a batch; use another axis")
    shape = (*parts[0].shape[: along - 1], 1, *parts[0].shape[along - 1 :])
    rows = [t.layer(node, "reshape", (v,), suffix=f"_part{i}", shape=shape) for i, v in enumerate(parts)]
    return t.layer(node, "concat", tuple(rows), axis=along) if len(rows) > 1 else reshape(t, node, parts[0])
