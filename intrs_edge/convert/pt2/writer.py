# SPDX-License-Identifier: Apache-2.0
"""An ONNX model under construction from the calls of a torch.export program."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from intrs_edge.convert.pt2.file import Argument, Call, Program, Ref
from intrs_edge.convert.unsupported import Unsupported

OPSET = 20
_IR = 9
_TYPES = {
    "float32": onnx.TensorProto.FLOAT, "int8": onnx.TensorProto.INT8, "uint8": onnx.TensorProto.UINT8,
}  # fmt: skip


class Writer:
    """Nodes and constants so far. ``names``: the ONNX value of a torch value, "" where it could not be written."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.names: dict[str, str] = {program.source: "x"}
        self.numbers: dict[str, int] = {}

    def get(self, call: Call, key: str, default: Argument = None) -> Argument:
        """An argument that is no tensor; names of integers are those integers."""
        value = call.inputs.get(key, default)
        if isinstance(value, list):
            return [self._number(v) for v in value]
        return self._number(value)

    def _number(self, value: Argument) -> Argument:
        if not isinstance(value, Ref):
            return value
        if value.name in self.numbers:
            return self.numbers[value.name]
        raise Unsupported(f"its argument {value.name!r} is not known before it runs; export with a fixed batch of 1")

    def array(self, value: Argument) -> npt.NDArray[Any]:
        """The values of a tensor that the file holds."""
        if not isinstance(value, Ref) or value.name not in self.program.constants:
            raise Unsupported("its parameters are not constants of the file")
        return self.program.constants[value.name]

    def held(self, value: Argument) -> bool:
        """Whether an argument is a tensor that the file holds."""
        return isinstance(value, Ref) and value.name in self.program.constants

    def shape(self, value: Argument) -> tuple[int, ...]:
        """The shape of a tensor."""
        if not isinstance(value, Ref) or value.name not in self.program.shapes:
            raise Unsupported("an operand has no shape")
        return self.program.shapes[value.name]

    def value(self, value: Argument) -> str:
        """The ONNX value of a tensor, or of a number as a constant; "" for None."""
        if value is None:
            return ""
        if not isinstance(value, Ref):
            return self.constant(np.asarray(value, np.float32))
        if value.name in self.names:
            return self.names[value.name]
        constant = self.array(value)
        kind = {"float64": "float32"}.get(constant.dtype.name, constant.dtype.name)
        self.names[value.name] = self.constant(constant.astype(kind), value.name)
        return self.names[value.name]

    def constant(self, value: npt.NDArray[Any], name: str = "") -> str:
        """A constant's ONNX name."""
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        return name

    def integers(self, values: list[int] | tuple[int, ...]) -> str:
        """A constant of int64, as ONNX takes shapes and axes."""
        return self.constant(np.asarray(values, np.int64).reshape(len(values)))

    def node(self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attrs: Any) -> list[str]:
        """Adds a node whose outputs are called after ``name``."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        given = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, given, name=name, **attrs))
        return given

    def one(self, call: Call, kind: str, inputs: list[str], **attrs: Any) -> None:
        """The node that a call of one output is."""
        self.give(call, self.node(kind, inputs, call.outputs[0], **attrs))

    def give(self, call: Call, values: list[str]) -> None:
        """Says what a call's outputs are."""
        self.names.update(zip(call.outputs, values, strict=False))

    def model(self) -> onnx.ModelProto:
        """The finished model."""
        program = self.program
        kind = _TYPES.get(program.dtype, onnx.TensorProto.FLOAT)
        graph = helper.make_graph(
            self.nodes,
            "model",
            [helper.make_tensor_value_info("x", kind, program.shapes[program.source])],
            [
                helper.make_tensor_value_info(
                    self.names[program.output], onnx.TensorProto.FLOAT, program.shapes[program.output]
                )
            ],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR)
        helper.set_model_props(model, program.metadata)
        return model
