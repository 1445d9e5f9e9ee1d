# SPDX-License-Identifier: Apache-2.0
"""QDQ ONNX -> IR with exactly the scales of the file, whoever wrote it (opset 10 to 24).

Values are followed name by name (`values`): an op's real result waits as ``Pending`` for the QuantizeLinear that
gives its scale; what only moves values waits with it, Relu and Clip are fused, what is per channel is folded. uint8
activations become int8 by moving the zero point by 128; NCHW becomes NHWC by bookkeeping alone wherever possible. What
cannot be converted is listed, all nodes at once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from intrs_edge.budget import Values
from intrs_edge.convert.emit import Emitter
from intrs_edge.convert.onnx_file import array, attributes, check_sound, opset_of
from intrs_edge.convert.qdq import layout, ops
from intrs_edge.convert.qdq.constants import FOLDED, fold
from intrs_edge.convert.qdq.context import Context
from intrs_edge.convert.qdq.finish import Finisher
from intrs_edge.convert.qdq.input import take_normalisation, with_normalisation
from intrs_edge.convert.qdq.quantise import TYPES, activation_quant, lattice, parameters, rounded
from intrs_edge.convert.qdq.tail import MONOTONE, keeps_the_class, tail
from intrs_edge.convert.qdq.values import (
    Activation,
    Affine,
    Constant,
    Pending,
    Range,
    Unknown,
    Value,
    same_quant,
)
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.errors import IntrsError, shown
from intrs_edge.graph.ir import Graph, Quant
from intrs_edge.graph.passes.rewrite import needed
from intrs_edge.graph.validate import validate

METADATA = ("intrs.input", "intrs.sigma", "intrs.classes")
_LISTED = 20
_QDQ = ("QuantizeLinear", "DequantizeLinear")
# what gives the same when it is done on integers as on the reals that they stand for
_ON_INTEGERS = (
    "Cast", "Clip", "Concat", "Dropout", "Flatten", "GlobalMaxPool", "Identity", "MaxPool", "Pad", "Reshape", "Resize",
    "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


def from_qdq_onnx(model: onnx.ModelProto, name: str = "model", notes: list[str] | None = None) -> Graph:
    """The int8 graph of a QDQ model: int8 NHWC in, int8 logits out; a softmax, argmax or the like at the end is
    dropped, with the QuantizeLinear behind it.

    name: what error messages call it. notes: gets a line for each rounding that the file does not have. Raises
    IntrsError listing every node that cannot be converted, or naming the damage.
    """
    integer = [n.op_type for n in model.graph.node if str(n.op_type).startswith(ops.INTEGER_OPERATORS)]
    if integer:
        raise IntrsError(
            f"{name}: it holds {shown(integer[0])}, an operator that computes on integers (QOperator or dynamic "
            "quantisation); quantise the float model statically with quant_format=QDQ"
        )
    check_sound(model, name)
    try:
        model, normalisation = take_normalisation(model)
    except IntrsError as error:
        raise IntrsError(f"{name}: {error}") from error
    converter = _Converter(model, name)
    graph = with_normalisation(converter.run(), normalisation)
    if notes is not None:
        notes += converter.finisher.notes
    return graph


class _Converter:
    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self.model, self.graph, self.name = model, model.graph, name
        self.opset = opset_of(model)
        self.budget = Values(model.ByteSize())
        self.emit = Emitter()
        self.finisher = Finisher(self.emit)
        self.values: dict[str, Value] = {}
        self.problems: list[str] = []
        self.input_shape: tuple[int, ...] = ()
        self.input: Activation | None = None
        self.tail = {node.output[0] for node in tail(self.graph)}
        self.head: Value | None = None  # the logits, once a tail was dropped

    def run(self) -> Graph:
        try:
            for tensor in self.graph.initializer:
                self.values[tensor.name] = Constant(array(tensor))
            self._begin()
            live = self._live()
            for i, node in enumerate(self.graph.node):
                if i in live and self.head is None:
                    self._node(node, node.name or f"{node.op_type.lower()}_{i}")
            out = self._end()
        except IntrsError as error:
            raise IntrsError(f"{self.name}: {error}") from error
        except Unsupported as error:
            self.problems.append(str(error))
        if self.problems:
            more = f"; and {len(self.problems) - _LISTED} more" if len(self.problems) > _LISTED else ""
            raise IntrsError(
                f"{self.name}: {len(self.problems)} node{'s' * (len(self.problems) > 1)} cannot be converted: "
                f"{'; '.join(self.problems[:_LISTED])}{more}"
            )
        assert self.input is not None
        metadata = {p.key: p.value for p in self.model.metadata_props if p.key in METADATA}
        graph = self.emit.graph((self.input.index,), (out.index,), self.graph.name or "model", metadata)
        return self._sound(needed(graph))

    def _sound(self, graph: Graph) -> Graph:
        try:
            validate(graph)
        except IntrsError as error:
            raise IntrsError(f"{self.name}: {error}") from error
        return graph

    def _begin(self) -> None:
        inputs = [i for i in self.graph.input if i.name not in self.values]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise IntrsError(f"{len(inputs)} inputs and {len(self.graph.output)} outputs; a classifier has one of each")
        kind = TYPES.get(inputs[0].type.tensor_type.elem_type, "another type")
        if kind not in ("float32", "int8", "uint8"):
            raise IntrsError(f"the input is of {kind}; export it with a float, int8 or uint8 input")
        shape = []
        for axis, dim in enumerate(inputs[0].type.tensor_type.shape.dim):
            if axis == 0 and (dim.dim_value in (0, 1)):
                shape.append(1)
            elif dim.dim_value < 1 or dim.dim_value > 1 << 20:
                raise IntrsError(f"axis {axis} of the input is {dim.dim_param or dim.dim_value}; use a fixed size")
            else:
                shape.append(dim.dim_value)
        if not shape or shape[0] != 1 or math.prod(shape) > 1 << 28:
            raise IntrsError(
                f"the input has the shape {shape}; export with a batch of 1 (or a free batch) and fixed sizes"
            )
        self.input_shape = tuple(shape)
        self.values[inputs[0].name] = Pending(
            "input", inputs[0].name, self.input_shape, self._input, code="" if kind == "float32" else kind
        )

    def _live(self) -> set[int]:
        """The nodes on which the output depends."""
        needed, live = {self.graph.output[0].name}, set()
        for i, node in reversed(list(enumerate(self.graph.node))):
            if needed & set(node.output):
                live.add(i)
                needed |= set(node.input)
        return live

    def _end(self) -> Activation:
        value = self.head or self._get(self.graph.output[0].name)
        if isinstance(value, Unknown):
            if not self.problems:
                raise Unsupported("the output depends on a node that cannot be converted")
            raise Unsupported(self.problems.pop())
        if isinstance(value, Pending) and value.kind != "input":
            value = self.finisher.head(value)
        if not isinstance(value, Activation) or value.index == getattr(self.input, "index", -1):
            raise Unsupported("the output does not depend on the input through any op")
        return layout.plain(self.emit, value)

    def _get(self, name: str) -> Value:
        if name not in self.values:
            raise IntrsError(f"value {name!r} is used before anything produces it; the file is damaged")
        return self.values[name]

    def _node(self, node: onnx.NodeProto, name: str) -> None:
        outputs: list[Value]
        try:
            outputs = self._convert(node, name)
        except Unsupported as error:
            self.problems.append(f"{node.op_type} {name!r}: {error}")
            outputs = []
        for i, out in enumerate(node.output):
            if out in self.values:
                raise IntrsError(f"value {out!r} is produced twice; the file is damaged")
            if out:
                self.values[out] = outputs[i] if i < len(outputs) else Unknown()

    def _convert(self, node: onnx.NodeProto, name: str) -> list[Value]:
        kind = node.op_type
        if node.domain not in ("", "ai.onnx") and not (node.domain == "com.microsoft" and kind in _QDQ):
            raise Unsupported(f"ops of the domain {node.domain!r} are not supported; export standard ONNX ops")
        known = kind in (*_QDQ, "Identity", "Dropout", "Shape", "Cast", *MONOTONE) or kind in FOLDED
        if not known and kind not in ops.OPS:
            raise Unsupported("not supported; replace it, or run it outside the model")
        attrs = attributes(node)
        inputs = [self._get(i) if i else None for i in node.input]
        if any(isinstance(v, Unknown) for v in inputs):
            return []
        if node.output[0] in self.tail:
            shape = inputs[0].shape if isinstance(inputs[0], (Activation, Pending)) else ()
            if keeps_the_class(node, shape, self.opset):
                self.head = inputs[0]
                return [Unknown()]
        if kind == "QuantizeLinear":
            return [self._quantise(node, attrs, inputs[0])]
        if kind == "DequantizeLinear":
            return [self._dequantise(node, attrs, inputs[0])]
        if kind in FOLDED and all(v is None or isinstance(v, Constant) for v in inputs):
            return [fold(kind, [v if isinstance(v, Constant) else None for v in inputs], attrs, self.budget)]
        codes = {v.code for v in inputs if isinstance(v, (Activation, Pending))} - {""}
        if codes and kind not in _ON_INTEGERS:
            raise Unsupported("it computes on integers as if they were real; put a DequantizeLinear before it")
        if kind in ("Identity", "Dropout"):
            return [inputs[0]] if inputs[0] is not None else []
        if kind == "Cast":
            if TYPES.get(int(attrs.get("to", 0))) != (next(iter(codes)) if codes else "float32"):
                raise Unsupported("it changes the type of a value; only a Cast to the same type can be left out")
            return [inputs[0]] if inputs[0] is not None else []
        if kind == "Shape" and isinstance(inputs[0], (Activation, Pending)):
            axes = slice(int(attrs.get("start", 0)), int(attrs["end"]) if "end" in attrs else None)
            return [Constant(np.array(inputs[0].shape, np.int64)[axes])]
        if any(isinstance(v, Pending) and v.kind == "input" for v in inputs) and kind not in ops.ON_THE_INPUT:
            raise Unsupported("reads the float input before it is quantised; export a fully quantised (QDQ) model")
        handler = ops.OPS.get(kind)
        if handler is None:
            raise Unsupported("not supported on values that depend on the input; replace it")
        return handler(Context(self.finisher, name, attrs, len(node.output), self.opset), inputs)

    def _quantise(self, node: onnx.NodeProto, attrs: dict[str, Any], value: Value | None) -> Value:
        found = parameters(node, attrs, self._get)
        if isinstance(value, Constant):
            self.budget.take(value.value.size, f"QuantizeLinear {node.name!r} of a constant")
            return Constant(rounded(value.value, found, int(attrs.get("axis", 1))))
        quant = activation_quant(found)
        if isinstance(value, (Activation, Pending)) and value.code:
            raise Unsupported("it quantises what are integers already; put a DequantizeLinear before it")
        return replace(self.finisher.at(value, quant), code=found[2])

    def _dequantise(self, node: onnx.NodeProto, attrs: dict[str, Any], value: Value | None) -> Value:
        if isinstance(value, Constant):
            self.budget.take(value.value.size, f"DequantizeLinear {node.name!r} of a constant")
            found = parameters(node, attrs, self._get, value.value.dtype.name)
            return lattice(value.value, found, int(attrs.get("axis", 1)))
        if not isinstance(value, (Activation, Pending)) or not value.code:
            raise Unsupported("reads a value that is not quantised")
        quant = activation_quant(parameters(node, attrs, self._get, value.code))
        if isinstance(value, Pending):
            return replace(self.finisher.at(value, quant), code="")
        if not same_quant(self.emit.quant(value.index), quant):
            raise Unsupported("its scale or zero point differs from its QuantizeLinear's; the file is damaged")
        return replace(value, code="")

    def _input(self, quant: Quant, clip: Range, _: Affine | None) -> Activation:
        """The graph's input: NCHW is stored as NHWC, unless the model itself begins by transposing NHWC."""
        if self.input is None:
            order = self._input_order()
            shape = [self.input_shape[i] for i in order]
            index = self.emit.tensor("input", shape, "int8", quant)
            self.input = Activation(index, self.input_shape, order)
        if not same_quant(self.emit.quant(self.input.index), quant):
            raise Unsupported("the input is quantised twice with different scales; quantise it once")
        return self.finisher.at(self.input, quant, clip)

    def _input_order(self) -> tuple[int, ...]:
        """How the input lies in memory: images and the signals of 1-D convolutions with the channels last."""
        rank = len(self.input_shape)
        names = {i.name for i in self.graph.input if isinstance(self.values.get(i.name), Pending)}
        for node in self.graph.node:
            if names & set(node.input[:1]):
                if node.op_type == "Transpose" and list(attributes(node).get("perm", [])) == [0, 3, 1, 2]:
                    return tuple(range(rank))
                if rank == 3 and node.op_type in (
                    "Conv",
                    "ConvTranspose",
                    "MaxPool",
                    "AveragePool",
                    "BatchNormalization",
                ):
                    return (0, 2, 1)
                if node.op_type not in (*_QDQ, "Identity", "Cast", "Clip", "Dropout"):
                    break
                names |= set(node.output)
        return (0, 2, 3, 1) if rank == 4 else tuple(range(rank))
