# SPDX-License-Identifier: Apache-2.0
"""What each operator of torch.export that only moves values is in ONNX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intrs_edge.convert.pt2.file import Call
from intrs_edge.convert.pt2.writer import Writer
from intrs_edge.convert.unsupported import Unsupported

_END = np.iinfo(np.int64).max


def _shaped(w: Writer, call: Call) -> None:
    """What only gives the elements another shape: the program says which."""
    shape = w.program.shapes[call.outputs[0]]
    w.one(call, "Reshape", [w.value(call.itself), w.integers(shape)])


def _same(w: Writer, call: Call) -> None:
    w.give(call, [w.value(call.itself)])


def _permute(w: Writer, call: Call) -> None:
    rank = len(w.shape(call.itself))
    perm = [int(d) % rank for d in w.get(call, "dims", list(range(rank))[::-1])]
    if "dim0" in call.inputs:
        a, b = (int(w.get(call, key)) % rank for key in ("dim0", "dim1"))
        perm = list(range(rank))
        perm[a], perm[b] = b, a
    w.one(call, "Transpose", [w.value(call.itself)], perm=perm)


def _cat(w: Writer, call: Call) -> None:
    w.one(call, "Concat", [w.value(t) for t in call.inputs["tensors"]], axis=int(w.get(call, "dim", 0)))


def _stack(w: Writer, call: Call) -> None:
    axis, name = int(w.get(call, "dim", 0)), call.outputs[0]
    axis %= len(w.program.shapes[name])
    parts = [
        w.node("Unsqueeze", [w.value(t), w.integers([axis])], f"{name}.part{i}")[0]
        for i, t in enumerate(call.inputs["tensors"])
    ]
    w.one(call, "Concat", parts, axis=axis)


def _slice(w: Writer, call: Call) -> None:
    axis, step = (int(w.get(call, key, d)) for key, d in (("dim", 0), ("step", 1)))
    start, end = w.get(call, "start"), w.get(call, "end")
    numbers = [0 if start is None else int(start), _END if end is None else int(end), axis, step]
    w.one(call, "Slice", [w.value(call.itself), *(w.integers([n]) for n in numbers)])


def _select(w: Writer, call: Call) -> None:
    index = w.constant(np.asarray(int(w.get(call, "index")), np.int64))
    w.one(call, "Gather", [w.value(call.itself), index], axis=int(w.get(call, "dim")))


def _split(w: Writer, call: Call) -> None:
    """split, chunk and unbind: the extents are those of the outputs."""
    axis, name = int(w.get(call, "dim", 0)), call.outputs[0]
    axis %= len(w.shape(call.itself))
    unbind = "unbind" in call.target
    sizes = [1 if unbind else w.program.shapes[out][axis] for out in call.outputs]
    inputs = [w.value(call.itself), w.integers(sizes)]
    parts = w.node("Split", inputs, f"{name}.split" if unbind else name, len(sizes), axis=axis)
    if unbind:
        parts = [w.node("Squeeze", [p, w.integers([axis])], out)[0] for p, out in zip(parts, call.outputs, strict=True)]
    w.give(call, parts)


def _pad(w: Writer, call: Call) -> None:
    mode = {"constant": "constant", "reflect": "reflect"}.get(str(w.get(call, "mode", "constant")))
    mode = "reflect" if "reflection" in call.target else mode
    if mode is None:
        raise Unsupported("only constant and reflecting borders are supported")
    given = [int(p) for p in w.get(call, "pad", w.get(call, "padding"))]
    rank = len(w.shape(call.itself))
    pads = [0] * (2 * rank)
    for i in range(len(given) // 2):  # torch begins at the last axis
        pads[rank - 1 - i], pads[2 * rank - 1 - i] = given[2 * i], given[2 * i + 1]
    value = w.constant(np.asarray(w.get(call, "value", 0.0) or 0.0, np.float32))
    w.one(call, "Pad", [w.value(call.itself), w.integers(pads), value if mode == "constant" else ""], mode=mode)


ATEN: dict[str, Callable[[Writer, Call], None]] = {
    "_to_copy": _same, "_unsafe_view": _shaped, "alias": _same, "cat": _cat, "chunk": _split, "clone": _same,
    "concat": _cat, "constant_pad_nd": _pad, "contiguous": _same, "detach": _same, "dropout": _same,
    "flatten": _shaped, "lift_fresh_copy": _same, "pad": _pad, "permute": _permute, "reflection_pad1d": _pad,
    "reflection_pad2d": _pad, "reshape": _shaped, "select": _select, "slice": _slice, "split": _split,
    "split_with_sizes": _split, "squeeze": _shaped, "stack": _stack, "t": _permute, "transpose": _permute,
    "unbind": _split, "unflatten": _shaped, "unsqueeze": _shaped, "view": _shaped,
}  # fmt: skip
