# SPDX-License-Identifier: Apache-2.0
"""The normalisation (x - mean) / std that an ONNX file computes in float on its input, before it is quantised.

The device quantises pixels by one integer map, which takes it in: the nodes go, mean and std become part of the
model's `Preprocessing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from intrs_edge.budget import Values
from intrs_edge.convert.onnx_file import array, attributes
from intrs_edge.convert.qdq.constants import FOLDED, fold
from intrs_edge.convert.qdq.values import Constant
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.preprocessing import KEY, Preprocessing, described, parse, range_under

_AFFINE = ("Add", "Sub", "Mul", "Div")
_DEPTH = 8


@dataclass(frozen=True)
class Normalisation:
    """``(x - mean) / std`` of a model's float input x; one number, or one per channel. The defaults change nothing."""

    mean: tuple[Fraction, ...] = (Fraction(0),)
    std: tuple[Fraction, ...] = (Fraction(1),)

    def __bool__(self) -> bool:
        return self != Normalisation()


def take_normalisation(model: onnx.ModelProto) -> tuple[onnx.ModelProto, Normalisation]:
    """(the model without the nodes that normalise its input, what they computed).

    Nodes are taken from the input on as long as each is the only reader of the one before and adds, subtracts,
    multiplies or divides by a number or one number per channel; they become Identity. What cannot be taken stays.
    """
    taken = onnx.ModelProto()
    taken.CopyFrom(model)
    walk = _Walk(taken.graph, Values(model.ByteSize()))
    return taken, walk.run()


def with_normalisation(graph: Graph, taken: Normalisation) -> Graph:
    """The graph with what was taken from its file in its metadata, behind what the file says of its own input."""
    said = parse(graph.metadata[KEY])[0] if KEY in graph.metadata else None
    if said is not None and said.layout == "NCHW":  # the file's; the graph's is NHWC
        graph = described(graph, replace(said, layout="NHWC"))
    if not taken:
        return graph
    tensor = graph.tensors[graph.inputs[0]]
    if said is not None:
        mean = tuple(m + s * t for m, s, t in _together(said.mean, said.std, taken.mean))
        std = tuple(s * t for s, t, _ in _together(said.std, taken.std, taken.std))
        return described(graph, Preprocessing(said.range, mean, std, said.bgr, "NHWC", said.resize))
    found = None if tensor.quant is None else range_under(tensor.quant, tensor.dtype, taken.mean, taken.std)
    return described(graph, Preprocessing(found, taken.mean, taken.std))


def _together(*columns: tuple[Fraction, ...]) -> list[tuple[Fraction, ...]]:
    length = max(map(len, columns))
    return list(zip(*(c * length if len(c) == 1 else c for c in columns), strict=True))


class _Walk:
    """Follows the input from node to node; real = mul * x + add, one of each or one per channel."""

    def __init__(self, graph: onnx.GraphProto, budget: Values) -> None:
        self.graph, self.budget = graph, budget
        self.initializers = {t.name: t for t in graph.initializer}
        self.makers = {out: node for node in graph.node for out in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self.mul: tuple[Fraction, ...] = (Fraction(1),)
        self.add: tuple[Fraction, ...] = (Fraction(0),)
        self.channel: int | None = None  # the axis of the file's input along which they differ
        self.taken: list[onnx.NodeProto] = []
        self.extents: list[int] = []

    def run(self) -> Normalisation:
        sources = [i for i in self.graph.input if i.name not in self.initializers]
        if len(sources) != 1:
            return Normalisation()
        self.extents = [d.dim_value for d in sources[0].type.tensor_type.shape.dim]
        perm = list(range(len(self.extents)))
        name, channels_last = sources[0].name, False
        while len(self.readers.get(name, [])) == 1:
            node = self.readers[name][0]
            if node.op_type == "Transpose":
                moved = list(attributes(node).get("perm", range(len(perm))[::-1]))
                if sorted(moved) != list(range(len(perm))):
                    break
                channels_last |= moved == [0, 3, 1, 2] and perm == [0, 1, 2, 3]
                perm = [perm[p] for p in moved]
            elif node.op_type in _AFFINE:
                if not self._affine(node, name, perm):
                    break
            elif node.op_type != "Identity":
                break
            name = node.output[0]
        if min(self.mul) <= 0 or self.channel not in (None, 3 if channels_last else 1):
            return Normalisation()  # a negative of the image, or numbers along another axis: left to be refused
        for node in self.taken:
            source = next(i for i in node.input if self._constant(i) is None)
            node.op_type, node.input[:] = "Identity", [source]
        return Normalisation(
            tuple(-a / m for m, a in zip(self.mul, self.add, strict=True)), tuple(1 / m for m in self.mul)
        )

    def _affine(self, node: onnx.NodeProto, name: str, perm: list[int]) -> bool:
        """Takes one node in; False when it is none of ours."""
        if len(node.input) != 2 or (node.op_type == "Div" and node.input[0] != name):
            return False
        other = self._constant(node.input[1] if node.input[0] == name else node.input[0])
        found = None if other is None else _along_one_axis(other, [self.extents[p] for p in perm])
        if found is None:
            return False
        values, axis = found
        if axis is not None and (len(perm) != 4 or self.channel not in (None, perm[axis])):
            return False
        if node.op_type == "Div" and not all(values):
            return False
        n = max(len(values), len(self.mul))
        mul, add, values = (v * n if len(v) == 1 else v for v in (self.mul, self.add, values))
        if len(mul) != len(values):
            return False
        if node.op_type in ("Mul", "Div"):
            factors = values if node.op_type == "Mul" else tuple(1 / v for v in values)
            mul, add = (tuple(a * f for a, f in zip(part, factors, strict=True)) for part in (mul, add))
        else:
            sign = -1 if node.op_type == "Sub" else 1
            add = tuple(a + sign * v for a, v in zip(add, values, strict=True))
            if node.op_type == "Sub" and node.input[0] != name:
                mul, add = tuple(-m for m in mul), tuple(-a for a in add)
        self.mul, self.add = mul, add
        self.channel = self.channel if axis is None else perm[axis]
        self.taken.append(node)
        return True

    def _constant(self, name: str, depth: int = 0) -> npt.NDArray[Any] | None:
        """The value of a constant, or of a node that computes one from constants; None for anything else."""
        if name in self.initializers:
            return array(self.initializers[name])
        node = self.makers.get(name)
        if node is None or depth > _DEPTH or node.output[0] != name:
            return None
        if node.op_type == "Identity":
            return self._constant(node.input[0], depth + 1)
        if node.op_type not in FOLDED:
            return None
        parts = [self._constant(i, depth + 1) if i else None for i in node.input]
        if any(part is None for part, i in zip(parts, node.input, strict=True) if i):
            return None
        try:
            constants = [None if p is None else Constant(p) for p in parts]
            return fold(node.op_type, constants, attributes(node), self.budget).value
        except Unsupported:
            return None


def _along_one_axis(value: npt.NDArray[Any], extents: list[int]) -> tuple[tuple[Fraction, ...], int | None] | None:
    """(numbers, the axis along which they lie, None for one number) of a constant that meets a value of these extents
    and leaves them as they are; None for anything else."""
    rank = len(extents)
    if value.dtype.kind != "f" or value.ndim > rank or value.size == 0 or not np.all(np.isfinite(value)):
        return None
    value = value.reshape((1,) * (rank - value.ndim) + value.shape)
    if any(n not in (1, extent) for n, extent in zip(value.shape, extents, strict=True)):
        return None
    differing = [a for a in range(rank) if np.any(value != np.take(value, [0], axis=a))]
    if len(differing) > 1:
        return None
    if not differing:
        return (Fraction(float(value.flat[0])),), None
    lines = np.moveaxis(value, differing[0], 0).reshape(value.shape[differing[0]], -1)
    return tuple(Fraction(float(v)) for v in lines[:, 0]), differing[0]
