"""Every pass keeps the outputs bit for bit, and does what it is for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draws import inputs_for
from graph_cases import small_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter import interpret

from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.geometry import same_or_valid
from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.passes import (
    PASSES,
    drop_tail,
    fold_constants,
    fold_reshapes,
    fuse_activation,
    fuse_dilation,
    fuse_pad,
    integer_ends,
    integer_tail,
    normalize,
    remove_dead,
    simplify,
)
from intrs_edge.graph.validate import problems, validate

SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def same(before: Graph, after: Graph, seed: int = 0) -> None:
    x = inputs_for(before, 9, seed)
    np.testing.assert_array_equal(reference.run(after, x), reference.run(before, x))


@pytest.mark.parametrize("rewrite", [*PASSES, simplify])
def test_outputs_stay(rewrite) -> None:
    @settings(max_examples=60, **SETTINGS)
    @given(small_graph(redundant=True), st.integers(0, 2**32 - 1))
    def check(graph, seed) -> None:
        validate(graph)
        after = rewrite(graph)
        validate(after)
        same(graph, after, seed)

    check()


@settings(max_examples=30, **SETTINGS)
@given(small_graph(redundant=True))
def test_simplify_leaves_nothing_to_do(graph) -> None:
    once = simplify(graph)
    assert len(simplify(once).ops) == len(once.ops)


def image(side: int = 6, channels: int = 3) -> tuple[GraphBuilder, int, np.random.Generator]:
    b = GraphBuilder()
    return b, b.input((1, side, side, channels), scale=0.05, zero_point=7), np.random.default_rng(3)


def conv(
    b: GraphBuilder, x: int, rng: np.random.Generator, padding: str = "VALID", stride: int = 1, **more: object
) -> int:
    w = rng.integers(-127, 128, (4, 3, 3, b.shape(x)[3]))
    return b.conv_2d(x, w, weight_scale=0.01, scale=0.5, padding=padding, stride=stride, **more)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("stride", [1, 2])
def test_pad_becomes_part_of_its_convolutions(padding: str, stride: int) -> None:
    b, x, rng = image()
    p = b.pad(x, [(0, 0), (1, 2), (0, 1), (0, 0)])
    y = b.add(conv(b, p, rng, padding, stride), conv(b, p, rng, padding, stride), scale=1.0)
    graph = b.build(y)
    after = remove_dead(fuse_pad(graph))
    assert kinds(after) == ["CONV_2D", "CONV_2D", "ADD"]
    assert all(op.attrs["padding"] == "EXPLICIT" for op in after.ops[:2])
    validate(after)
    same(graph, after)


def test_pad_with_another_value_or_axis_stays() -> None:
    b, x, rng = image()
    table = b.constant([(0, 0), (1, 1), (1, 1), (0, 0)], dtype="int32")
    p = b.op("PADV2", [x, table, b.constant([9], scale=0.05, zero_point=7)], (1, 8, 8, 3), b.quant_of(x))
    graph = b.build(conv(b, p, rng))
    assert kinds(simplify(graph)) == ["PADV2", "CONV_2D"]
    b, x, rng = image()
    graph = b.build(conv(b, b.pad(x, [(0, 0), (0, 0), (0, 0), (0, 1)]), rng))
    assert kinds(simplify(graph)) == ["PAD", "CONV_2D"]


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
def test_activation_is_fused(activation: str) -> None:
    b, x, rng = image()
    graph = b.build(b.unary(activation, conv(b, x, rng)))
    after = fuse_activation(graph)
    assert kinds(after) == ["CONV_2D"]
    assert after.ops[0].attrs["activation"] == activation
    same(graph, after)


def test_activation_is_not_fused_when_read_twice_or_rescaling() -> None:
    b, x, rng = image()
    y = conv(b, x, rng)
    graph = b.build(b.add(y, b.unary("RELU", y), scale=1.0))
    assert kinds(fuse_activation(graph)) == ["CONV_2D", "RELU", "ADD"]
    b, x, rng = image()
    graph = b.build(b.unary("RELU", conv(b, x, rng), scale=0.7))
    assert kinds(fuse_activation(graph)) == ["CONV_2D", "RELU"]


def test_constants_are_folded() -> None:
    b, x, rng = image()
    c = b.constant(rng.integers(-128, 128, (3,)), scale=0.1)
    graph = b.build(b.add(x, b.reshape(b.unary("QUANTIZE", c, scale=0.2), (1, 1, 3)), scale=0.3))
    after = fold_constants(graph)
    assert kinds(after) == ["ADD"]
    same(graph, after)


def test_reshapes_before_a_fully_connected_layer_go() -> None:
    b, x, rng = image()
    y = b.flatten(b.reshape(x, (1, 9, 12)))
    graph = b.build(b.fully_connected(y, rng.integers(-127, 128, (5, 108)), weight_scale=0.01, scale=0.5))
    after = remove_dead(fold_reshapes(graph))
    assert kinds(after) == ["FULLY_CONNECTED"]
    validate(after)
    same(graph, after)


def test_dead_ops_and_identities_go() -> None:
    b, x, rng = image()
    b.max_pool_2d(x, 2)
    y = b.unary("RELU", b.unary("QUANTIZE", conv(b, x, rng, zero_point=-128)))
    graph = b.build(b.concatenation([y], 3))
    after = remove_dead(graph)
    assert kinds(after) == ["CONV_2D"]
    assert len(after.tensors) == 4
    same(graph, after)


def test_an_identity_between_input_and_output_stays() -> None:
    b, x, _ = image()
    assert kinds(simplify(b.build(b.unary("QUANTIZE", x)))) == ["QUANTIZE"]


def test_tail_is_dropped_and_the_class_stays_where_it_is_unique() -> None:
    b = GraphBuilder()
    x = b.input((1, 10), scale=0.1, zero_point=4)
    logits = b.fully_connected(
        x, np.random.default_rng(0).integers(-127, 128, (10, 10)), weight_scale=0.01, scale=0.05
    )  # fmt: skip
    graph = b.build(b.unary("SOFTMAX", logits, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0}))
    after, dropped = drop_tail(graph)
    assert dropped == ("SOFTMAX",)
    assert kinds(after) == ["FULLY_CONNECTED"]
    v = inputs_for(graph, 2000, 5)
    probabilities, scores = reference.run(graph, v), reference.run(after, v)
    unique = (probabilities == probabilities.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert 0 < unique.sum() < len(v)
    assert (probabilities.argmax(axis=1) == scores.argmax(axis=1))[unique].all()
    # and where it is not, the favoured logit is among the tied
    rows = np.arange(len(v))
    assert (probabilities[rows, scores.argmax(axis=1)] == probabilities.max(axis=1)).all()


@pytest.mark.parametrize("kind", ["SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH"])
def test_a_tail_goes_with_what_rescales_it(kind: str) -> None:
    """Logits on the probabilities' scale saturate: the QUANTIZE behind a softmax is not left behind."""
    b = GraphBuilder()
    x = b.input((1, 10), scale=0.1, zero_point=4)
    logits = b.fully_connected(x, np.eye(10) * 9, weight_scale=0.01, scale=0.05)
    y = b.unary(kind, logits, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0} if kind == "SOFTMAX" else {})
    after, dropped = drop_tail(b.build(b.op("QUANTIZE", [y], (1, 10), quant(1 / 256, 0), dtype="uint8")))
    assert dropped == ("QUANTIZE", kind)
    assert after.tensors[after.outputs[0]] == b.tensors[logits]


def test_a_classifier_without_a_tail_stays() -> None:
    b, x, rng = image()
    graph = b.build(conv(b, x, rng))
    assert drop_tail(graph) == (graph, ())


TAILS = {
    "ARG_MAX": (("ARG_MAX",), "ARG_MAX"),
    "softmax stays": (("SOFTMAX",), ""),
    "softmax stays below": (("SOFTMAX", "ARG_MAX"), "ARG_MAX"),
    "LOG_SOFTMAX": (("LOG_SOFTMAX",), "LOG_SOFTMAX"),
    "and what rescales it": (("LOG_SOFTMAX", "QUANTIZE"), "LOG_SOFTMAX, QUANTIZE"),
    "in float": (("DEQUANTIZE", "SOFTMAX"), "DEQUANTIZE, SOFTMAX"),
    "in float and back": (("DEQUANTIZE", "LOGISTIC", "QUANTIZE"), "DEQUANTIZE, LOGISTIC, QUANTIZE"),
    "a float reshape": (("DEQUANTIZE", "RESHAPE", "SOFTMAX"), "DEQUANTIZE, RESHAPE, SOFTMAX"),
    "indices": (("ARG_MAX", "CAST"), "ARG_MAX, CAST"),
    "something else stays": (("NEG", "ARG_MAX"), "ARG_MAX"),
    "a QUANTIZE alone stays": (("QUANTIZE",), ""),
}


@pytest.mark.parametrize("case", TAILS)
def test_what_is_no_logits_goes(case: str) -> None:
    tail, left_out = TAILS[case]
    b = GraphBuilder()
    x = b.input((1, 10), scale=0.1, zero_point=4)
    y = logits = b.fully_connected(x, np.eye(10) * 9, weight_scale=0.01, scale=0.05)
    for kind in tail:
        floats = kind == "DEQUANTIZE" or (b.tensors[y].dtype == "float32" and kind != "QUANTIZE")
        shape = (1,) if kind in ("ARG_MAX", "CAST") else (1, 1, 10) if kind == "RESHAPE" else (1, 10)
        inputs = [y, b.constant(1, dtype="int32")] if kind == "ARG_MAX" else [y]
        dtype = "float32" if floats else "int32" if kind in ("ARG_MAX", "CAST") else "int8"
        y = b.op(kind, inputs, shape, None if dtype != "int8" else quant(1 / 16, 127), dtype=dtype)
    graph = integer_tail(b.build(y))
    assert graph.metadata.get("intrs.dropped", "") == left_out
    kept = len(tail) - len(left_out.split(", ")) if left_out else len(tail)
    assert kinds(graph) == ["FULLY_CONNECTED", *tail[:kept]]
    if not kept:
        assert graph.tensors[graph.outputs[0]] == b.tensors[logits]


def test_a_map_and_a_lone_score_keep_their_tail() -> None:
    for shape, axis in (((1, 4, 4, 3), 3), ((1, 1), 1)):
        b = GraphBuilder()
        x = b.input(shape, scale=0.1)
        y = b.op("ARG_MAX", [x, b.constant(axis, dtype="int32")], shape[:-1], None, dtype="int32")
        assert integer_tail(b.build(y)).metadata == {}


def test_float_ends_go() -> None:
    b = GraphBuilder()
    source = b.tensor(Tensor("f", (1, 4), "float32"))
    b.inputs.append(source)
    y = b.unary("TANH", b.op("QUANTIZE", [source], (1, 4), quant(0.1, 3)), scale=1 / 128)
    graph = b.build(b.op("DEQUANTIZE", [y], (1, 4), None, dtype="float32"))
    after = integer_ends(graph)
    assert kinds(after) == ["TANH"]
    assert {after.tensors[i].dtype for i in (*after.inputs, *after.outputs)} == {"int8"}
    validate(after)


def spaced(block: tuple[int, int], padding: str, side: tuple[int, int]) -> tuple[Graph, Graph]:
    """(as Keras exports it, in one piece) a dilated 3x3 convolution of an image."""
    rng = np.random.default_rng(2)
    w = rng.integers(-127, 128, (4, 3, 3, 2))
    graphs = []
    for pieces in (True, False):
        b = GraphBuilder()
        x = b.input((1, *side, 2), scale=0.05, zero_point=7)
        if not pieces:
            y = b.conv_2d(x, w, weight_scale=0.01, scale=0.5, padding=padding, dilation=block)
            graphs.append(b.build(y))
            continue
        pads, crops, shape = [], [], []
        for n, d in zip(side, block, strict=True):
            _, before, after = same_or_valid(padding, n, 3, 1, d)
            more = -(n + before + after) % d
            pads.append((before, after + more))
            crops.append((0, more))
            shape.append((n + before + after + more) // d)
        batch = block[0] * block[1]
        grid = b.constant(block, dtype="int32")
        s = b.op("SPACE_TO_BATCH_ND", [x, grid, b.constant(pads, dtype="int32")], (batch, *shape, 2), b.quant_of(x))
        y = b.conv_2d(s, w, weight_scale=0.01, scale=0.5, padding="VALID")
        final = (1, *(same_or_valid(padding, n, 3, 1, d)[0] for n, d in zip(side, block, strict=True)), 4)
        y = b.op("BATCH_TO_SPACE_ND", [y, grid, b.constant(crops, dtype="int32")], final, b.quant_of(y))
        graphs.append(b.build(y))
    return graphs[0], graphs[1]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("block", [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("side", [(9, 9), (12, 10)])
def test_dilated_convolutions_come_in_one_piece(padding: str, block: tuple[int, int], side: tuple[int, int]) -> None:
    pieces, whole = spaced(block, padding, side)
    after = fuse_dilation(pieces)
    assert kinds(after) == ["CONV_2D"]
    validate(after)
    x = inputs_for(pieces, 5, 0)
    np.testing.assert_array_equal(reference.run(after, x), reference.run(whole, x))
    np.testing.assert_array_equal(reference.run(after, x), interpret(pieces, x))


def test_other_uses_of_space_to_batch_stay() -> None:
    pieces, _ = spaced((2, 2), "SAME", (8, 8))
    tensors = list(pieces.tensors)
    pads = pieces.ops[0].inputs[2]
    tensors[pads] = replace(tensors[pads], data=np.asarray(tensors[pads].data) + 2)  # and no more cropped at the end
    assert kinds(fuse_dilation(replace(pieces, tensors=tuple(tensors)))) == kinds(pieces)


def test_the_shape_arithmetic_of_a_flatten_is_folded() -> None:
    """What Keras exports: SHAPE, the batch out of it, PACK with -1, RESHAPE."""
    b, x, rng = image()
    shape = b.op("SHAPE", [x], (4,), None, {"out_type": 2}, dtype="int32")
    ends = [b.constant([v], dtype="int32") for v in (0, 1, 1)]
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
    batch = b.op("STRIDED_SLICE", [shape, *ends], (), None, masks, dtype="int32")
    rest = b.constant(np.array(-1), dtype="int32")
    packed = b.op("PACK", [batch, rest], (2,), None, {"values_count": 2, "axis": 0}, dtype="int32")
    flat = b.op("RESHAPE", [x, packed], (1, 108), b.quant_of(x))
    graph = b.build(b.fully_connected(flat, rng.integers(-9, 9, (3, 108)), weight_scale=0.1, scale=0.5))
    assert validate_fails(graph)
    after = normalize(graph)
    assert kinds(after) == ["RESHAPE", "FULLY_CONNECTED"]
    validate(after)
    (target,) = [t for t in after.tensors if t.shape == (2,)]
    assert target.data is not None
    assert target.data.tolist() == [1, -1]
    x_values = inputs_for(after, 4, 0)
    np.testing.assert_array_equal(reference.run(after, x_values), interpret(graph, x_values))


def stale(graph: Graph, names: tuple[str, ...]) -> Graph:
    """With a batch of 1 in the shapes of these values, as a converter writes that does not know it."""
    tensors = [replace(t, shape=(1, *t.shape[1:])) if t.name in names else t for t in graph.tensors]
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.parametrize("constant", [True, False])
def test_shapes_behind_an_unknown_extent_are_inferred(constant: bool) -> None:
    """What Keras's TimeDistributed becomes: frames as a batch whose extent the converter did not know."""
    b = GraphBuilder()
    x = b.input((1, 12, 4, 2), scale=0.05, zero_point=7)
    inputs = [x, b.constant([-1, 4, 4, 2], dtype="int32")] if constant else [x]
    y = b.op("RESHAPE", inputs, (3, 4, 4, 2), b.quant_of(x), {"new_shape": (-1, 4, 4, 2)}, name="frames")
    y = conv(b, y, np.random.default_rng(3), name="conv")
    y = b.max_pool_2d(y, 2, name="pool")
    back = b.constant([1, 12], dtype="int32")
    graph = b.build(b.op("RESHAPE", [y, back], (1, 12), b.quant_of(y), {"new_shape": (1, 12)}))
    read = stale(graph, ("frames", "conv", "pool"))
    assert problems(read)
    after = normalize(read)
    validate(after)
    assert [t.shape for t in after.tensors] == [t.shape for t in graph.tensors]
    v = inputs_for(graph, 5, 0)
    np.testing.assert_array_equal(reference.run(after, v), interpret(graph, v))
    if constant:  # the interpreter infers the same
        np.testing.assert_array_equal(reference.run(after, v), interpret(read, v))


def test_inferred_shapes_are_bounded() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.05)
    graph = b.build(b.op("TILE", [x, b.constant([1, 2**30], dtype="int32")], (1, 8), b.quant_of(x)))
    assert normalize(graph) is graph
    assert "its inputs give" in problems(graph)[0]


def validate_fails(graph: Graph) -> bool:
    return bool(problems(graph))


def test_nothing_to_normalize_changes_nothing() -> None:
    b, x, rng = image()
    graph = b.build(conv(b, x, rng))
    assert normalize(graph) is graph


@pytest.mark.parametrize("outputs", [(), (0,)])
@pytest.mark.parametrize("kind", ["QUANTIZE", "TRANSPOSE", "RESHAPE", "ARG_MAX", "SHAPE", "BATCH_TO_SPACE_ND"])
def test_what_is_not_sound_is_left_for_validation(kind: str, outputs: tuple[int, ...]) -> None:
    """No output, or its own input: no pass before validation falls over it, or never ends."""
    b = GraphBuilder()
    x = b.input((1, 3, 4, 4), scale=0.1)
    y = b.unary("RELU", x)
    graph = b.build(y)
    broken = Op(kind, (x, b.constant([0, 2, 3, 1], dtype="int32")), outputs)
    assert problems(normalize(replace(graph, tensors=tuple(b.tensors), ops=(broken, *graph.ops))))
