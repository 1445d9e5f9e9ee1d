# SPDX-License-Identifier: Apache-2.0
"""What only moves values: reshaping, transposing, slicing, padding; and what is dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from intrs_edge.integers import ceil_div
from intrs_edge.train.tracing.values import Unsupported, Value, one

if TYPE_CHECKING:
    from intrs_edge.train.tracing.graph import Builder as Tracer

_STEPS = "only slices with a positive step are supported; flip or gather before the network"
_ALL = 1 << 31  # an end of torch.export that means all


def reshape(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Value:
    """Whatever torch made of the shape."""
    v = one(x)
    return v if t.whole(t.result) == v.shape else t.layer(node, "reshape", (v,))


def permute(t: Tracer, node: fx.Node, x: Any, *args: Any, dims: Any = None) -> Value:
    """permute(0, ...)."""
    v = one(x)
    order = dims if dims is not None else args[0] if isinstance(args[0], (tuple, list)) else args
    return _permuted(t, node, v, [int(d) % (len(v.shape) + 1) for d in order])


def transpose(t: Tracer, node: fx.Node, x: Any, dim0: int, dim1: int) -> Value:
    """Two axes exchanged."""
    v = one(x)
    order = list(range(len(v.shape) + 1))
    a, b = dim0 % len(order), dim1 % len(order)
    order[a], order[b] = order[b], order[a]
    return _permuted(t, node, v, order)


def _permuted(t: Tracer, node: fx.Node, v: Value, order: list[int]) -> Value:
    if order[0] != 0:
        raise Unsupported("moves the batch axis; keep it in front")
    return t.layer(node, "permute", (v,), perm=tuple(order[1:]))


def shuffle(t: Tracer, node: fx.Node, x: Any, groups: int) -> Value:
    """nn.ChannelShuffle."""
    v = one(x)
    c, *rest = v.shape
    apart = t.layer(node, "reshape", (v,), suffix="_groups", shape=(groups, c // groups, *rest))
    order = (1, 0, *range(2, len(v.shape) + 1))
    mixed = t.layer(
        node, "permute", (apart,), suffix="_mixed", shape=(c // groups, groups, *rest), perm=tuple(o + 1 for o in order)
    )
    return t.layer(node, "reshape", (mixed,))


def getitem(t: Tracer, node: fx.Node, x: Any, key: Any) -> Any:
    """A slice of a tensor, or an element of a tuple of tensors."""
    if isinstance(x, (tuple, list)):
        return x[key]
    v = one(x)
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(isinstance(k, (int, slice)) or k is Ellipsis for k in keys):
        raise Unsupported(_STEPS)
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(v.shape) + 2 - len(keys))
    if not isinstance(keys[0], slice) or keys[0] not in (slice(None), slice(0, None)):
        raise Unsupported("takes images out of a batch; slice another axis")
    parts = []
    for axis, part in enumerate(keys[1:], 1):
        size = v.shape[axis - 1]
        start, end, step = (part if isinstance(part, slice) else slice(part % size, part % size + 1)).indices(size)
        if (start, end, step) != (0, size, 1):
            parts.append((axis, start, end, step))
    v = sliced(t, node, v, parts, "_part") if parts else v
    return v if t.whole(t.result) == v.shape else t.layer(node, "reshape", (v,))


def sliced(t: Tracer, node: fx.Node, v: Value, parts: Sequence[tuple[int, int, int, int]], suffix: str = "") -> Value:
    """The part of (axis, start, end, step) for some axes, the batch counted."""
    shape = list(v.shape)
    for axis, start, end, step in parts:
        if axis == 0:
            raise Unsupported("takes images out of a batch; slice another axis")
        if step < 1:
            raise Unsupported(_STEPS)
        shape[axis - 1] = ceil_div(end - start, step)
    if min(shape) < 1:
        raise Unsupported("an empty slice; leave it out")
    axes, starts, ends, steps = (tuple(p[i] for p in parts) for i in range(4))
    return t.layer(
        node, "slice", (v,), suffix=suffix, shape=tuple(shape), axes=axes, starts=starts, ends=ends, steps=steps
    )


def slice_aten(
    t: Tracer, node: fx.Node, x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Value:
    """aten.slice.Tensor."""
    axis = dim % (len(one(x).shape) + 1)
    if axis == 0 and not start and (end is None or end > _ALL) and step == 1:
        return one(x)
    return getitem(t, node, x, (slice(None),) * axis + (slice(start, end, step),))  # type: ignore[no-any-return]


def narrow(t: Tracer, node: fx.Node, x: Any, dim: int, start: int, length: int) -> Value:
    """torch.narrow."""
    axis = dim % (len(one(x).shape) + 1)
    return sliced(t, node, one(x), [(axis, start, start + length, 1)])


def select(t: Tracer, node: fx.Node, x: Any, dim: int, index: int) -> Value:
    """torch.select."""
    axis = dim % (len(one(x).shape) + 1)
    return getitem(t, node, x, (slice(None),) * axis + (index,))  # type: ignore[no-any-return]


def unbind(t: Tracer, node: fx.Node, x: Any, dim: int = 0) -> tuple[Value, ...]:
    """torch.unbind."""
    v = one(x)
    axis = dim % (len(v.shape) + 1)
    shape = v.shape[: axis - 1] + v.shape[axis:]
    return tuple(
        t.layer(node, "reshape", (sliced(t, node, v, [(axis, i, i + 1, 1)], f"_{i}"),), suffix=f"_{i}_row", shape=shape)
        for i in range(v.shape[axis - 1] if axis else 1)
    )


def split(t: Tracer, node: fx.Node, x: Any, size: Any, dim: int = 0) -> tuple[Value, ...]:
    """torch.split."""
    v = one(x)
    axis = dim % (len(v.shape) + 1)
    if axis == 0:
        raise Unsupported("splits a batch; use another axis")
    whole = v.shape[axis - 1]
    sizes = list(size) if isinstance(size, (tuple, list)) else [min(size, whole - i) for i in range(0, whole, size)]
    ends = np.cumsum(sizes)
    return tuple(
        sliced(t, node, v, [(axis, int(end - n), int(end), 1)], f"_{i}")
        for i, (n, end) in enumerate(zip(sizes, ends, strict=True))
    )


def chunk(t: Tracer, node: fx.Node, x: Any, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    """torch.chunk."""
    v = one(x)
    axis = dim % (len(v.shape) + 1)
    return split(t, node, v, ceil_div(v.shape[axis - 1], chunks) if axis else 1, dim)


def pad(t: Tracer, node: fx.Node, x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Value:
    """F.pad with zeros."""
    v = one(x)
    if mode != "constant" or value not in (None, 0, 0.0):
        raise Unsupported("only padding with zeros is supported; pad with zeros")
    amounts = [int(a) for a in pad]
    if min(amounts) < 0:
        raise Unsupported("negative padding; slice instead")
    axes = len(v.shape)
    begins, ends = [0] * axes, [0] * axes
    for i in range(len(amounts) // 2):
        if i == axes:
            raise Unsupported("pads the batch axis; pad another one")
        begins[axes - 1 - i], ends[axes - 1 - i] = amounts[2 * i], amounts[2 * i + 1]
    return padded(t, node, v, begins, ends)


def pad_aten(t: Tracer, node: fx.Node, x: Any, amounts: Any, value: Any = 0) -> Value:
    """aten.constant_pad_nd."""
    return pad(t, node, x, amounts, value=value)


def padded(t: Tracer, node: fx.Node, v: Value, begins: list[int], ends: list[int]) -> Value:
    """Zeros around a value, one number an axis without the batch."""
    return t.layer(node, "pad", (v,), pad=(*begins, *ends)) if any((*begins, *ends)) else v


def pad_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.ZeroPad2d and its like."""
    return pad(t, node, x, m.padding, value=getattr(m, "value", 0))


def same(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Any:
    """Nothing happens at inference."""
    if isinstance(t.result, Tensor) and t.result.dtype != torch.float32:
        raise Unsupported(f"turns values into {str(t.result.dtype).removeprefix('torch.')}; leave them floats")
    return x


def same_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Any:
    """A module that does nothing at inference."""
    return x


def dropout(t: Tracer, node: fx.Node, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """F.dropout."""
    if training and p:
        raise Unsupported("drops values at inference too; pass training=self.training")
    return x


def dropout_aten(t: Tracer, node: fx.Node, x: Any, p: float, train: bool) -> Any:
    """aten.dropout."""
    return dropout(t, node, x, p, train)


def constant(t: Tracer, node: fx.Node, x: Any, *_: Any, **__: Any) -> Any:
    """What depends on a value's shape alone."""
    return t.result


def softmax(t: Tracer, node: fx.Node, x: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Value:
    """Dropped at the end, where the largest stays the largest."""
    v = one(x)
    axis = (0 if len(v.shape) == 2 else 1) if dim is None else dim % (len(v.shape) + 1)
    if axis == 0 or v.shape[axis - 1] != math.prod(v.shape):
        raise Unsupported("softmax over something else than the classes; return the logits")
    if not _ends(node):
        raise Unsupported("softmax inside a network is not supported; use sigmoid or hard_sigmoid")
    return v if t.whole(t.result) == v.shape else t.layer(node, "reshape", (v,))


def _ends(node: fx.Node) -> bool:
    """Whether nothing follows but the output, and what keeps the order of the classes."""
    return all(user.op == "output" or (_keeps_order(user) and _ends(user)) for user in node.users)


def _keeps_order(node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(node.graph.owning_module.get_submodule(node.target), (nn.Flatten, nn.Identity, nn.Dropout))
    return getattr(node.target, "__name__", str(node.target)).partition(".")[0] in (
        "flatten", "view", "reshape", "squeeze", "contiguous", "softmax", "log_softmax",
    )  # fmt: skip


def softmax_module(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Softmax and nn.LogSoftmax."""
    return softmax(t, node, x, m.dim)
