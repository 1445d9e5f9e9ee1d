"""QDQ ONNX -> IR with exactly the scales of the file, whoever wrote it (opset 13 to 23).

Values are followed name by name (`values`): an op's real result waits as ``Pending`` for the QuantizeLinear that
gives its scale, Relu and Clip before that are fused, batch norm behind a convolution is folded. uint8 activations
become int8 by moving the zero point by 128; NCHW becomes NHWC by bookkeeping alone wherever possible. What cannot be
converted is listed, all nodes at once.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from intrs_edge.budget import Values
from intrs_edge.convert import qdq_layout, qdq_ops
from intrs_edge.convert.emit import Emitter, per_tensor
from intrs_edge.convert.onnx_file import array, attributes, check_sound
from intrs_edge.convert.qdq_constants import FOLDED, fold
from intrs_edge.convert.qdq_context import Context
from intrs_edge.convert.qdq_input import take_normalisation, with_normalisation
from intrs_edge.convert.values import Activation, Constant, Lattice, Pending, Unknown, Unsupported, Value, same_quant
from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph, Quant
from intrs_edge.graph.validate import validate

METADATA = ("intrs.input", "intrs.sigma", "intrs.classes")
DROPPED_TAIL = ("Softmax", "LogSoftmax", "ArgMax")
_LISTED = 20


def from_qdq_onnx(model: onnx.ModelProto, name: str = "model") -> Graph:
    """The int8 graph of a QDQ model: int8 NHWC in, int8 logits out; a softmax or argmax at the end is dropped.

    name: what error messages call it. Raises IntrsError listing every node that cannot be converted, or naming the
    damage.
    """
    check_sound(model, name)
    model, normalisation = take_normalisation(model)
    return with_normalisation(_Converter(model, name).run(), normalisation)


class _Converter:
    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self.model, self.graph, self.name = model, model.graph, name
        self.budget = Values(model.ByteSize())
        self.emit = Emitter()
        self.values: dict[str, Value] = {}
        self.problems: list[str] = []
        # names of the float input before its QuantizeLinear, and the permutation of axes that led there
        self.float_input: dict[str, tuple[int, ...]] = {}
        self.input_shape: tuple[int, ...] = ()
        self.input: Activation | None = None

    def run(self) -> Graph:
        try:
            for tensor in self.graph.initializer:
                self.values[tensor.name] = Constant(array(tensor))
            self._begin()
            for i, node in enumerate(self.graph.node):
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
        return self._sound(self.emit.graph((self.input.index,), (out.index,), self.graph.name or "model", metadata))

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
        self.float_input[inputs[0].name] = tuple(range(len(shape)))

    def _end(self) -> Activation:
        value = self._get(self.graph.output[0].name)
        if isinstance(value, Pending):
            value = self._settle(value)
        if isinstance(value, Unknown):
            raise Unsupported("the output depends on a node that cannot be converted")
        if not isinstance(value, Activation) or value.index == getattr(self.input, "index", -1):
            raise Unsupported("the output does not depend on the input through any op")
        if value.flat:
            value = qdq_layout.plain(self.emit, value)
        return qdq_layout.arrange(
            self.emit, value, tuple(range(len(value.shape))) if len(value.shape) != 4 else value.order
        )

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
        if node.domain not in ("", "ai.onnx"):
            raise Unsupported(f"ops of the domain {node.domain!r} are not supported; export standard ONNX ops")
        known = kind in ("QuantizeLinear", "DequantizeLinear", "Identity", "Dropout", "Shape") or kind in FOLDED
        if not known and kind not in qdq_ops.OPS and kind not in DROPPED_TAIL:
            raise Unsupported("not supported; replace it, or run it outside the model")
        attrs = attributes(node)
        if kind == "QuantizeLinear":
            return [self._quantise(node, name, attrs)]
        if kind == "DequantizeLinear":
            return [self._dequantise(node, name, attrs)]
        if any(name in self.float_input for name in node.input):
            return self._before_quantisation(node, attrs)
        inputs = [self._get(i) if i else None for i in node.input]
        if any(isinstance(v, Unknown) for v in inputs):
            return []
        if kind in ("Identity", "Dropout"):
            return [inputs[0]] if inputs[0] is not None else []
        if kind == "Shape" and isinstance(inputs[0], (Activation, Pending)):
            return [Constant(np.array(inputs[0].shape, np.int64))]
        if kind in FOLDED and all(v is None or isinstance(v, Constant) for v in inputs):
            return [fold(kind, [v if isinstance(v, Constant) else None for v in inputs], attrs, self.budget)]
        if kind in DROPPED_TAIL and self._is_tail(node):
            return [inputs[0]] if inputs[0] is not None else []
        handler = qdq_ops.OPS.get(kind)
        if handler is None:
            raise Unsupported("not supported on values that depend on the input; replace it")
        return handler(Context(self.emit, name, attrs, len(node.output), self._settle), inputs)

    def _before_quantisation(self, node: onnx.NodeProto, attrs: dict[str, Any]) -> list[Value]:
        """Nodes on the float input: Identity and Transpose are followed, Shape is known, the rest computes in float."""
        before = self.float_input.get(node.input[0], ())
        if node.op_type == "Shape":
            return [Constant(np.array([self.input_shape[i] for i in before], np.int64))]
        perm = list(range(len(before)))
        if node.op_type == "Transpose":
            perm = list(attrs.get("perm", perm[::-1]))
        if node.op_type not in ("Identity", "Transpose") or sorted(perm) != list(range(len(before))):
            raise Unsupported("reads the float input before it is quantised; export a fully quantised (QDQ) model")
        self.float_input[node.output[0]] = tuple(before[p] for p in perm)
        return []

    def _is_tail(self, node: onnx.NodeProto) -> bool:
        """Whether nothing but Q, DQ, reshapes and casts lies between a node and the output."""
        names = set(node.output)
        for other in self.graph.node:
            if names & set(other.input):
                if other.op_type not in ("QuantizeLinear", "DequantizeLinear", "Identity", "Cast", *DROPPED_TAIL):
                    return False
                names |= set(other.output)
        return self.graph.output[0].name in names

    def _settle(self, value: Pending) -> Activation:
        """A pending value that no QuantizeLinear follows."""
        if value.fallback is None:
            raise Unsupported(
                f"the result of {value.kind} {value.name!r} is not quantised; put a QuantizeLinear behind it"
            )
        return value.finish(value.fallback, value.activation, value.affine)

    def _quant(
        self, node: onnx.NodeProto, attrs: dict[str, Any]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], str]:
        """Scale, zero point and integer type of a Q or DQ node."""
        if attrs.get("block_size", 0):
            raise Unsupported("blocked quantisation is not supported; quantise per tensor or per channel")
        parts = [self._get(i) if i else None for i in node.input[1:3]]
        if not parts or any(p is not None and not isinstance(p, Constant) for p in parts):
            raise Unsupported("its scale or zero point is not a constant; use static quantisation")
        assert isinstance(parts[0], Constant)
        scale = parts[0].value
        if scale.dtype != np.float32 or scale.ndim > 1 or scale.size == 0:
            raise Unsupported("its scale is not a float32 number (or one per channel)")
        if not np.all((scale >= 2.0**-64) & (scale <= 2.0**64)):  # nan fails too
            raise Unsupported("its scale lies outside 2^-64..2^64; the file is damaged")
        zero, dtype = np.zeros(scale.size, np.int64), "uint8"
        if len(parts) > 1 and isinstance(parts[1], Constant):
            if parts[1].value.size != scale.size:
                raise Unsupported("its zero point and scale have different sizes")
            if parts[1].value.dtype.kind not in "iu":
                raise Unsupported("its zero point is not an integer")
            zero, dtype = parts[1].value.astype(np.int64).reshape(-1), parts[1].value.dtype.name
        elif node.op_type == "DequantizeLinear":
            source = self.values.get(node.input[0])
            dtype = source.value.dtype.name if isinstance(source, Constant) else ""
        return scale.reshape(-1), zero, dtype

    def _activation_quant(self, node: onnx.NodeProto, attrs: dict[str, Any]) -> Quant:
        scale, zero, dtype = self._quant(node, attrs)
        if scale.size != 1:
            raise Unsupported("activations are quantised per channel; quantise them per tensor")
        if dtype not in ("int8", "uint8", ""):
            raise Unsupported(f"activations of type {dtype} are not supported; use int8 or uint8")
        return per_tensor(scale[0], int(zero[0]) - (128 if dtype == "uint8" else 0))

    def _quantise(self, node: onnx.NodeProto, name: str, attrs: dict[str, Any]) -> Value:
        if node.input[0] in self.float_input:
            return self._model_input(node.input[0], self._activation_quant(node, attrs))
        value = self._get(node.input[0])
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Constant):
            scale, zero, dtype = self._quant(node, attrs)
            self.budget.take(value.value.size, f"QuantizeLinear {name!r} of a constant")
            return Constant(_round(value.value, scale, zero, dtype, int(attrs.get("axis", 1))))
        quant = self._activation_quant(node, attrs)
        if isinstance(value, Pending):
            if value.clip is not None and not _clip_is_free(value.clip, quant):
                raise Unsupported(
                    f"the range {value.clip} of Clip before it is narrower than its own; fuse the Clip into the range"
                )
            return value.finish(quant, value.activation, value.affine)
        if same_quant(self.emit.quant(value.index), quant):
            return value
        index = self.emit.op("QUANTIZE", (value.index,), self.emit.shape(value.index), quant, name)
        return replace(value, index=index)

    def _dequantise(self, node: onnx.NodeProto, name: str, attrs: dict[str, Any]) -> Value:
        if node.input[0] in self.float_input:
            return self._model_input(node.input[0], self._activation_quant(node, attrs))
        value = self._get(node.input[0])
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Constant):
            scale, zero, _ = self._quant(node, attrs)
            self.budget.take(value.value.size, f"DequantizeLinear {name!r} of a constant")
            return _lattice(value.value, scale, zero, int(attrs.get("axis", 1)))
        if not isinstance(value, Activation):
            raise Unsupported("reads a value that is not quantised")
        if not same_quant(self.emit.quant(value.index), self._activation_quant(node, attrs)):
            raise Unsupported("its scale or zero point differs from its QuantizeLinear's; the file is damaged")
        return value

    def _model_input(self, name: str, quant: Quant) -> Activation:
        """The input under one of its names before quantisation."""
        whole = self._input(quant)
        perm = self.float_input[name]
        shape = tuple(whole.shape[p] for p in perm)
        return replace(whole, shape=shape, order=tuple(perm.index(axis) for axis in whole.order))

    def _input(self, quant: Quant) -> Activation:
        """The graph's input: NCHW is stored as NHWC, unless the model itself begins by transposing NHWC."""
        if self.input is not None:
            if not same_quant(self.emit.quant(self.input.index), quant):
                raise Unsupported("the input is quantised twice with different scales; quantise it once")
            return self.input
        rank = len(self.input_shape)
        order = tuple(range(rank))
        if rank == 4 and not self._transposed_first():
            order = (0, 2, 3, 1)
        shape = [self.input_shape[i] for i in order]
        index = self.emit.tensor("input", shape, "int8", quant)
        self.input = Activation(index, self.input_shape, order)
        return self.input

    def _transposed_first(self) -> bool:
        names = {next(iter(self.float_input))}
        for node in self.graph.node:
            if names & set(node.input):
                if node.op_type == "Transpose":
                    return list(attributes(node).get("perm", [])) == [0, 3, 1, 2]
                if node.op_type not in ("QuantizeLinear", "DequantizeLinear", "Identity"):
                    return False
                names |= set(node.output)
        return False


def _round(
    x: npt.NDArray[Any], scale: npt.NDArray[np.float32], zero: npt.NDArray[np.int64], dtype: str, axis: int
) -> npt.NDArray[Any]:
    """ONNX's QuantizeLinear of a constant: halves to even, saturated."""
    if dtype not in ("int8", "uint8", "int32"):
        raise Unsupported(f"type {dtype} is not supported; use int8")
    s, z = _along(scale, x.ndim, axis), _along(zero, x.ndim, axis)
    limits = np.iinfo(dtype)
    try:
        return np.asarray(np.clip(np.rint(x.astype(np.float32) / s) + z, limits.min, limits.max).astype(dtype))
    except ValueError as error:
        raise Unsupported("its scales do not fit the tensor's shape") from error


def _lattice(q: npt.NDArray[Any], scale: npt.NDArray[np.float32], zero: npt.NDArray[np.int64], axis: int) -> Constant:
    if q.dtype.name not in ("int8", "uint8", "int32"):
        raise Unsupported(f"constants of type {q.dtype.name} are not supported; use int8 weights and int32 biases")
    if scale.size > 1:
        axis = axis + q.ndim if axis < 0 else axis
        if not 0 <= axis < q.ndim or q.shape[axis] != scale.size:
            raise Unsupported(f"{scale.size} scales do not fit axis {axis} of a tensor of shape {q.shape}")
    else:
        axis = 0
    if q.dtype == np.uint8:
        q, zero = (q.astype(np.int16) - 128).astype(np.int8), zero - 128
    value = (q.astype(np.float64) - _along(zero, q.ndim, axis)) * _along(scale.astype(np.float64), q.ndim, axis)
    return Constant(value.astype(np.float32), Lattice(q, scale, zero, axis))


def _along(x: npt.NDArray[Any], ndim: int, axis: int) -> npt.NDArray[Any]:
    """[1] or [C] shaped to broadcast along an axis."""
    if x.size == 1:
        return x.reshape(())
    axis = axis + ndim if axis < 0 else axis
    if not 0 <= axis < ndim:
        raise Unsupported(f"axis {axis} does not exist")
    return x.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _clip_is_free(clip: tuple[float, float], quant: Quant) -> bool:
    """Whether saturation to int8 already implies a clip."""
    scale, zero = float(quant.scale[0]), int(quant.zero_point[0])
    low, high = clip
    return (low == -math.inf or round(low / scale) + zero <= -128) and (
        high == math.inf or round(high / scale) + zero >= 127
    )
