# SPDX-License-Identifier: Apache-2.0
"""Is this a graph the project can compile? Every problem is listed, with node, operator and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intrs_edge.errors import IntrsError
from intrs_edge.graph.cost import too_large
from intrs_edge.graph.geometry import bias_position
from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.operators import ACTIVATIONS, OPERATORS, Operator
from intrs_edge.graph.quantize import RANGES, add_params, per_tensor

MAX_RANK = 6
LISTED = 200
SHOWN_NAME = 64
SOFTMAX_DEPTH = 4095  # times 2**19, the largest exponential in Q12.19, is below 2**31
SCALE_RANGE = (2.0**-64, 2.0**64)
BROADCAST_RANK = 4


def problems(graph: Graph) -> list[str]:
    """Every reason why the graph cannot be compiled, each a line; empty when there is none.

    A model that is float or uint8 throughout says so once, not once an operator.
    """
    found = list(_foreign(graph)) or list(too_large(graph)) or list(_structure(graph))
    if found:
        return found
    whole = _whole(graph)
    if whole:
        found.append(whole)
    for op in graph.ops:
        if op.kind not in OPERATORS:
            found.append(f"{_where(op)}: this operator is not supported: replace it, or cut the model before it")
        elif not whole:
            found += [f"{_where(op)}: {problem}" for problem in _op(graph, op)]
    found += _ends(graph, bool(whole))
    return list(dict.fromkeys(found))


# custom operators of compilers that leave nothing of a model to read
COMPILED = {
    "CUSTOM:ethos-u": ("an Arm Ethos-U", "Vela"),
    "CUSTOM:edgetpu-custom-op": ("a Coral Edge TPU", "the Edge TPU compiler"),
}


def _foreign(graph: Graph) -> Iterator[str]:
    """The one problem of a file that was made for something else altogether."""
    for kind in sorted({op.kind for op in graph.ops} & COMPILED.keys()):
        machine, compiler = COMPILED[kind]
        yield f"the model is compiled for {machine}: give the .tflite file that {compiler} was given"
    halves = [t.name for t in graph.tensors if t.constant and t.dtype == "float16"]
    if halves:
        yield (
            f"the model is stored in float16 ('{halves[0][:SHOWN_NAME]}'): "
            "convert it with full integer quantisation and a representative data set"
        )


def _where(op: Op) -> str:
    """Kind and name; converters join the names of what they fused, which can fill a page."""
    name = op.name if len(op.name) <= SHOWN_NAME else op.name[: SHOWN_NAME - 3] + "..."
    return f"{op.kind} '{name}'"


def _whole(graph: Graph) -> str:
    """The one problem of a model that is not int8 at all, or nothing."""
    types = [
        graph.tensors[i].dtype for op in graph.ops for i in op.outputs if op.kind not in ("QUANTIZE", "DEQUANTIZE")
    ]
    for dtype, remedy in (
        ("float32", "convert it with full integer quantisation and a representative data set"),
        ("uint8", "convert it again to int8 (this is the scheme that TensorFlow Lite gave up in 2020)"),
        ("int16", "convert it again with int8 activations"),
    ):
        if types.count(dtype) * 2 > len(types):
            return f"the model computes in {dtype}: {remedy}"
    return ""


def validate(graph: Graph) -> None:
    """Raises IntrsError with all problems in one line; returns nothing when the graph can be compiled."""
    found = problems(graph)
    if len(found) == 1:
        raise IntrsError(found[0])
    if found:
        lines = [f"({i}) {p}" for i, p in enumerate(found[:LISTED], 1)]
        more = f"; and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise IntrsError(f"{len(found)} problems: " + "; ".join(lines) + more)


### the graph as a whole ###


def _structure(graph: Graph) -> Iterator[str]:
    count = len(graph.tensors)
    made: set[int] = set(graph.inputs)
    for tensor in graph.tensors:
        if any(n < 1 for n in tensor.shape):
            yield f"tensor '{tensor.name}': shape {tensor.shape} is dynamic or empty: export with fixed, non-zero sizes"
        if tensor.data is not None and (tensor.data.shape != tensor.shape or tensor.data.dtype.name != tensor.dtype):
            yield f"tensor '{tensor.name}': its data is {tensor.data.dtype} {tensor.data.shape}, not as declared"
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        yield (
            f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: one of each is supported; "
            "export the model with the classes as its only output"
        )
    for op in graph.ops:
        if not op.outputs:
            yield f"{op.kind} '{op.name}': it has no output: remove it"
        for i in op.inputs:
            if not -1 <= i < count:
                yield f"{op.kind} '{op.name}': input tensor {i} of {count} does not exist: the file is damaged"
            elif i >= 0 and i not in made and graph.tensors[i].data is None:
                yield f"{op.kind} '{op.name}': '{graph.tensors[i].name}' is read before it is made: order the operators"
        for i in op.outputs:
            if not 0 <= i < count:
                yield f"{op.kind} '{op.name}': output tensor {i} of {count} does not exist: the file is damaged"
            elif i in made or graph.tensors[i].data is not None:
                yield f"{op.kind} '{op.name}': '{graph.tensors[i].name}' is made twice: give each result its tensor"
            made.add(i)
    for i in graph.outputs:
        if i not in made:
            yield f"output '{graph.tensors[i].name if 0 <= i < count else i}': nothing makes it: the file is damaged"


def _ends(graph: Graph, typed: bool) -> Iterator[str]:
    """What is wrong with input and output; ``typed``: their type was said already."""
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for i in indices:
            tensor = graph.tensors[i]
            if tensor.dtype not in RANGES and not typed:
                yield (
                    f"{what} '{tensor.name}': its type is {tensor.dtype}: convert with full integer quantisation"
                    f" (inference_{what}_type int8)"
                )
            elif tensor.dtype in RANGES:
                yield from _quantised(tensor)
            if tensor.shape[:1] != (1,):
                yield f"{what} '{tensor.name}': its shape is {list(tensor.shape)}: export with a batch of 1"


### one operator ###


def _op(graph: Graph, op: Op) -> Iterator[str]:
    operator = OPERATORS[op.kind]
    roles = _roles(operator.inputs, len(op.inputs))
    if roles is None:
        yield f"it has {len(op.inputs)} inputs: the file is damaged, export it again"
        return
    if len(op.outputs) != 1 and not operator.parts:
        yield f"it has {len(op.outputs)} outputs, not 1: the file is damaged, export it again"
        return
    found: list[str] = []
    values: list[Tensor] = []
    for position, (role, index) in enumerate(zip(roles, op.inputs, strict=True)):
        if index < 0:
            if role != "b" and not (op.kind == "RESHAPE" and position == 1):
                found.append(f"input {position} is missing: the file is damaged, export it again")
            continue
        tensor = graph.tensors[index]
        found += _input(op, role, tensor)
        if role == "x":
            values.append(tensor)
    outputs = [graph.tensors[i] for i in op.outputs]
    for output in outputs:
        found += _value(op, output)
    if not found:
        found += _shapes(graph, op)
    if not found:
        found += _parameters(graph, op, operator, values, outputs)
    yield from found


def _roles(pattern: str, count: int) -> str | None:
    """The role of each of ``count`` inputs, None when the count does not fit."""
    if pattern.endswith("*"):
        return pattern[:-1] + pattern[-2] * (count - len(pattern) + 1) if count >= len(pattern) - 1 else None
    if pattern.endswith("?"):
        full = pattern[:-1]
        return full[:count] if len(full) - 1 <= count <= len(full) else None
    return pattern if count == len(pattern) else None


def _input(op: Op, role: str, tensor: Tensor) -> Iterator[str]:
    if role == "x":
        yield from _value(op, tensor)
        return
    if tensor.data is None:
        yield f"'{tensor.name}' is not a constant: fold it into the model"
    elif role == "i" and tensor.dtype not in ("int32", "int64"):
        yield f"'{tensor.name}' is {tensor.dtype}, it needs int32"
    elif role == "b" and tensor.dtype != "int32":
        yield f"bias '{tensor.name}' is {tensor.dtype}, it needs int32: use int8 quantisation (not 16x8 or float)"
    elif role == "w":
        yield from _weights(op, tensor)


def _value(op: Op, tensor: Tensor) -> Iterator[str]:
    allowed = ("int8", "uint8") if op.kind == "QUANTIZE" else ("int8",)
    if tensor.dtype not in allowed:
        yield f"'{tensor.name}' is {tensor.dtype}, only {' or '.join(allowed)} is supported: convert to full int8"
        return
    if len(tensor.shape) > MAX_RANK:
        yield f"'{tensor.name}' has {len(tensor.shape)} dimensions, the limit is {MAX_RANK}: reshape it"
    yield from _quantised(tensor)


def _quantised(tensor: Tensor) -> Iterator[str]:
    if tensor.quant is None or tensor.quant.scale.size != 1:
        yield f"'{tensor.name}' has no per-tensor quantisation: convert to full int8"
        return
    scale, zero_point = per_tensor(tensor)
    low, high = RANGES[tensor.dtype]
    if not SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]:
        yield f"'{tensor.name}' has scale {scale}, outside 2**-64..2**64: convert it again"
    if not low <= zero_point <= high:
        yield f"'{tensor.name}' has zero point {zero_point}, outside {low}..{high}: convert it again"


def _weights(op: Op, tensor: Tensor) -> Iterator[str]:
    if tensor.dtype != "int8" or tensor.quant is None:
        yield f"weights '{tensor.name}' are {tensor.dtype}, they need quantised int8: convert to full int8"
        return
    scale, zero_point = tensor.quant.scale, tensor.quant.zero_point
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"weights '{tensor.name}' have a scale that is not a positive number: convert it again"
    if op.kind == "PRELU":
        if scale.size != 1:
            yield f"slopes '{tensor.name}' are per-channel: quantise them per tensor"
        elif not -128 <= int(zero_point[0]) <= 127:
            yield f"slopes '{tensor.name}' have zero point {zero_point[0]}, outside -128..127: convert it again"
        return
    if zero_point.any():
        yield f"weights '{tensor.name}' have a zero point other than 0: quantise weights symmetrically"
    axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
    if scale.size > 1 and (
        tensor.quant.axis != axis or len(tensor.shape) <= axis or scale.size != tensor.shape[axis]
    ):  # fmt: skip
        yield f"weights '{tensor.name}' have {scale.size} scales along axis {tensor.quant.axis}, not one per channel"


def _shapes(graph: Graph, op: Op) -> Iterator[str]:
    try:
        expected = OPERATORS[op.kind].shape(graph, op)
    except ValueError as error:
        yield str(error)
        return
    actual = [graph.tensors[i].shape for i in op.outputs]
    if actual != expected:
        yield f"its output has shape {[list(s) for s in actual]}, its inputs give {[list(s) for s in expected]}"
        return
    if OPERATORS[op.kind].broadcasts and len(expected[0]) > BROADCAST_RANK:
        shapes = {graph.tensors[i].shape for i in op.inputs}
        if len(shapes) > 1:
            yield f"it broadcasts over {len(expected[0])} dimensions, the limit is {BROADCAST_RANK}: reshape first"
    at = bias_position(op)
    if at is not None and at < len(op.inputs) and op.inputs[at] >= 0:
        bias, channels = graph.tensors[op.inputs[at]], expected[0][-1]
        if bias.elements != channels:
            yield f"bias '{bias.name}' has {bias.elements} values for {channels} output channels"


def _parameters(graph: Graph, op: Op, operator: Operator, values: list[Tensor], outputs: list[Tensor]) -> Iterator[str]:
    activation = op.attrs.get("activation", "NONE")
    if activation not in ACTIVATIONS:
        yield f"fused activation {activation} is not supported: use one of {', '.join(ACTIVATIONS)}"
        return
    if op.kind in ("CONCATENATION", "L2_NORMALIZATION") and activation != "NONE":
        yield f"its fused activation {activation} is one that TensorFlow Lite refuses, too: put it behind the operator"
        return
    if operator.same or op.kind == "CONCATENATION":
        for value in values:
            if any(per_tensor(value) != per_tensor(output) for output in outputs):
                yield f"'{value.name}' and the output differ in scale or zero point: quantise both alike"
    try:
        with np.errstate(all="ignore"):
            if operator.parameters is not None:
                operator.parameters(graph, op)
    except ValueError as error:
        yield f"{error}: calibrate again"
        return
    if op.kind in ("ADD", "SUB"):
        q = add_params(graph, op).q
        if int(q.shift[0]) > 0 or (int(q.shift[0]) == 0 and int(q.multiplier[0]) == 2**31 - 1):
            yield "its output scale is too small for its operands (a multiplier of 1 or more): calibrate again"
    if operator.fixed is not None:
        scale, zero_point = operator.fixed
        actual = per_tensor(outputs[0])
        if actual != (np.float32(scale), zero_point):
            yield f"its output has scale {actual[0]} and zero point {actual[1]}, TFLite fixes {scale} and {zero_point}"
    if op.kind == "SOFTMAX" and values[0].shape[-1] > SOFTMAX_DEPTH:
        yield f"it has {values[0].shape[-1]} classes, the limit of its 32-bit sum is {SOFTMAX_DEPTH}: drop it"
    if op.kind == "FULLY_CONNECTED" and op.attrs.get("weights_format", "DEFAULT") != "DEFAULT":
        yield "its weights are shuffled: export with the default weights format"
