"""Reader and writer: round trips, the schema table against the library's own classes, metadata."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tflite
from draws import inputs_for
from graph_cases import CASES, op_graph
from hypothesis import HealthCheck, given, settings
from interpreter import interpret

from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph, Tensor
from intrs_edge.graph.operators import OPTIONS
from intrs_edge.graph.passes import fuse_pad
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_schema import KIND_CODES
from intrs_edge.graph.tflite_writer import write_tflite

GETTERS = {
    "stride_h": "StrideH", "stride_w": "StrideW", "dilation_h": "DilationHFactor", "dilation_w": "DilationWFactor",
    "filter_h": "FilterHeight", "filter_w": "FilterWidth", "activation": "FusedActivationFunction",
}  # fmt: skip


def equal(a: Graph, b: Graph) -> None:
    assert (a.ops, a.inputs, a.outputs, a.name, a.metadata) == (b.ops, b.inputs, b.outputs, b.name, b.metadata)
    for s, t in zip(a.tensors, b.tensors, strict=True):
        assert (s.name, s.shape, s.dtype) == (t.name, t.shape, t.dtype)
        assert (s.data is None) == (t.data is None)
        if s.data is not None:
            np.testing.assert_array_equal(s.data, t.data)
        assert (s.quant is None) == (t.quant is None)
        if s.quant is not None and t.quant is not None:
            np.testing.assert_array_equal(s.quant.scale, t.quant.scale)
            np.testing.assert_array_equal(s.quant.zero_point, t.quant.zero_point)
            assert s.quant.axis == t.quant.axis


@pytest.mark.parametrize("kind", CASES)
def test_round_trip(kind: str) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(op_graph(kind))
    def check(graph: Graph) -> None:
        content = write_tflite(graph)
        again = read_tflite(content)
        equal(graph, again)
        assert write_tflite(again) == content

    check()


@pytest.mark.parametrize("kind", [k for k, o in OPTIONS.items() if o.fields])
def test_option_slots_are_the_librarys(kind: str) -> None:
    """Every field, written with a value that is not its default, is read back by the library's generated class."""
    options = OPTIONS[kind]
    attrs: dict[str, object] = {}
    for n, field in enumerate(options.fields):
        attrs[field.name] = {
            "enum": field.names[1] if field.names else "",
            "bool": not field.default,
            "int32": 3 + n,
            "int8": 3 + n,
            "float32": 0.5,
            "ints": (2, 3 + n),
        }[field.type]
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    content = write_tflite(b.build(b.op(kind, [x], (1, 4), b.quant_of(x), attrs)))
    operator = tflite.Model.GetRootAs(content).Subgraphs(0).Operators(0)
    assert operator.BuiltinOptionsType() == options.type
    kinds = {k: v for k, v in vars(tflite.BuiltinOptions).items() if not k.startswith("_")}  # 3.13: __firstlineno__
    (name,) = [k for k, v in kinds.items() if v == options.type]
    table = getattr(tflite, name)()
    union = operator.BuiltinOptions()
    table.Init(union.Bytes, union.Pos)
    for field in options.fields:
        getter = GETTERS.get(field.name, "".join(word.capitalize() for word in field.name.split("_")))
        if field.type == "ints":
            assert tuple(getattr(table, getter + "AsNumpy")()) == attrs[field.name]
            continue
        found = getattr(table, getter)()
        wanted = attrs[field.name]
        assert found == (field.names.index(str(wanted)) if field.type == "enum" else wanted), field.name


def test_metadata_is_carried() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    metadata = {"intrs.sigma": "0.25", "intrs.classes": '["a", "\u00e4"]', "empty": ""}
    graph = b.build(b.unary("RELU", x), metadata)
    assert read_tflite(write_tflite(graph)).metadata == metadata


def test_a_path_and_bytes_give_the_same(tmp_path) -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    content = write_tflite(b.build(b.unary("RELU", x)))
    (tmp_path / "m.tflite").write_bytes(content)
    equal(read_tflite(tmp_path / "m.tflite"), read_tflite(content))


def test_what_the_format_cannot_say_is_refused() -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 1), scale=0.1)
    p = b.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    graph = b.build(b.conv_2d(p, np.ones((1, 3, 3, 1)), weight_scale=0.1, scale=0.1, padding="VALID"))
    with pytest.raises(IntrsError, match="before the passes"):
        write_tflite(fuse_pad(graph))
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    with pytest.raises(IntrsError, match="no such builtin operator"):
        write_tflite(b.build(b.unary("NOT_AN_OP", x)))


def test_weights_are_aligned_in_the_file() -> None:
    b = GraphBuilder()
    x = b.input((1, 3), scale=0.1)
    marks = [np.full((2, 3), 77 + i) for i in range(3)]
    for w in marks:
        x = b.fully_connected(b.input((1, 3), scale=0.1), w, weight_scale=0.1, scale=0.1)
    content = write_tflite(b.build(x))
    for i in range(3):
        assert content.index(bytes([77 + i]) * 6) % 16 == 0


def test_tensors_that_nothing_refers_to_are_not_looked_at() -> None:
    b = GraphBuilder()
    b.tensor(Tensor("left over", (0, -1), "string"))
    x = b.input((1, 4), scale=0.1, name="x")
    y = b.unary("RELU", x, name="y")
    graph = read_tflite(write_tflite(b.build(y)))
    assert [t.name for t in graph.tensors] == ["x", "y"]
    assert graph.ops[0].name == "y"
    with pytest.raises(IntrsError, match=r"tensor 'empty' has shape \(0,\)"):
        read_tflite(write_tflite(b.build(b.op("RELU", [b.tensor(Tensor("empty", (0,), "int8"))], (1, 4), None))))


def test_constants_of_other_types_are_named() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    content = bytearray(write_tflite(b.build(b.binary("ADD", x, b.constant([1] * 4, scale=0.1, name="c"), scale=0.1))))
    content[_type_byte(content, "c")] = tflite.TensorType.STRING
    with pytest.raises(IntrsError, match="constant 'c' is of type string: export an int8 model"):
        read_tflite(bytes(content))


@pytest.mark.parametrize("n", [6, 7])
def test_int4_weights_are_unpacked(n: int) -> None:
    """Equal to the interpreter's, which unpacks them itself; a buffer of another size is damage."""
    values = np.random.default_rng(n).integers(-8, 8, (1, 1, 1, n))
    b = GraphBuilder()
    x = b.input((1, 3, 3, n), scale=0.1, zero_point=-9, name="x")
    wide = b.build(b.conv_2d(x, values, weight_scale=0.02, scale=0.05, padding="VALID", name="conv"))
    content = bytearray(write_tflite(wide))
    content[_type_byte(content, "conv/weights")] = tflite.TensorType.INT4
    stored = values.reshape(-1).astype(np.int8).tobytes()
    at = content.index(stored)
    nibbles = np.pad(values.reshape(-1), (0, n % 2)) & 15
    packed = (nibbles[::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()
    content[at - 4 : at + n] = struct.pack("<I", len(packed)) + packed + bytes(n - len(packed))
    graph = read_tflite(bytes(content))
    (weights,) = [t for t in graph.tensors if t.name == "conv/weights"]
    np.testing.assert_array_equal(weights.data, values)
    inputs = inputs_for(wide, 8, 0)
    np.testing.assert_array_equal(reference.run(graph, inputs), interpret(bytes(content), inputs))
    content[at - 4 : at] = struct.pack("<I", len(packed) - 1)
    with pytest.raises(IntrsError, match="of 4 bits need"):
        read_tflite(bytes(content))


def _type_byte(content: bytes | bytearray, name: str) -> int:
    """Where the type of a tensor is stored."""
    subgraph = tflite.Model.GetRootAs(content).Subgraphs(0)
    tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    (table,) = [t._tab for t in tensors if t.Name() == name.encode()]
    return int(table.Pos + table.Offset(6))


@pytest.mark.parametrize(
    ("kind", "says"),
    [("UNIDIRECTIONAL_SEQUENCE_LSTM", "unroll=True"), ("SVDF", "whole window"), ("CALL_ONCE", "not the streaming one"),
     ("WHILE", "without branches and loops")],
)  # fmt: skip
def test_a_model_that_remembers_says_so(kind: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streaming models and fused recurrences, whatever else they hold: further subgraphs, variables."""
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    graph = b.build(b.op("TANH", [x], (1, 4), b.quant_of(x)))
    assert read_tflite(write_tflite(graph)).ops[0].kind == "TANH"
    monkeypatch.setitem(KIND_CODES, "TANH", KIND_CODES[kind])
    with pytest.raises(IntrsError, match=f"it holds {kind}, which is no function of one input alone: .*{says}"):
        read_tflite(write_tflite(graph))
