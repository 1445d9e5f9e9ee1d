"""Inputs in NCHW are seen as images, and give what they gave."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import channels_last, normalize, signed_ends
from intrs_edge.graph.validate import validate

RNG = np.random.default_rng(4)
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


def turned(b: GraphBuilder, x: int, perm: list[int]) -> int:
    q = b.tensors[x].quant
    assert q is not None
    shape = [b.shape(x)[i] for i in perm]
    return b.op("TRANSPOSE", [x, b.constant(perm, dtype="int32")], shape, q, dtype=b.tensors[x].dtype)


def tail(b: GraphBuilder, x: int) -> Graph:
    w = RNG.integers(-99, 99, (4, 3, 3, b.shape(x)[3]))
    y = b.conv_2d(x, w, None, weight_scale=0.01, scale=0.1)
    return b.build(b.reshape(y, (1, int(np.prod(b.shape(y))))))


def compared(before: Graph) -> Graph:
    """The graph after the pass, which gives the same for the same image."""
    after = channels_last(before)
    validate(signed_ends(after))
    dtype = before.tensors[before.inputs[0]].dtype
    shape = after.tensors[after.inputs[0]].shape[1:]
    low = 0 if dtype == "uint8" else -128
    x = RNG.integers(low, low + 256, (7, *shape)).astype(dtype)
    moved = np.ascontiguousarray(np.moveaxis(x, 3, 1))
    np.testing.assert_array_equal(reference.run(after, x), reference.run(before, moved))
    return after


def test_the_transpose_that_a_converter_put_first_goes():
    b = GraphBuilder()
    x = b.input((1, 3, 5, 6), scale=0.05, zero_point=3)
    after = compared(tail(b, turned(b, x, TO_NHWC)))
    assert after.tensors[after.inputs[0]].shape == (1, 5, 6, 3)
    assert [op.kind for op in after.ops] == ["CONV_2D", "RESHAPE"]


def test_behind_a_quantize_and_for_several_readers():
    b = GraphBuilder()
    x = b.input((1, 3, 5, 6), scale=1 / 255, zero_point=0, dtype="uint8")
    y = b.unary("QUANTIZE", x, scale=1 / 255, zero_point=-128)
    both = b.add(turned(b, y, TO_NHWC), turned(b, y, TO_NHWC), scale=0.01, zero_point=-128)
    after = compared(tail(b, both))
    assert [op.kind for op in after.ops][:2] == ["QUANTIZE", "ADD"]


def test_one_channel_is_only_reshaped():
    b = GraphBuilder()
    x = b.input((1, 1, 5, 6), scale=0.05, zero_point=3)
    after = compared(tail(b, b.reshape(x, (1, 5, 6, 1))))
    assert after.tensors[after.inputs[0]].shape == (1, 5, 6, 1)


@pytest.mark.parametrize("perm", [[0, 3, 1, 2], [0, 3, 2, 1], [0, 1, 2, 3]])
def test_any_other_transpose_says_nothing(perm):
    b = GraphBuilder()
    x = b.input((1, 3, 5, 6), scale=0.05, zero_point=3)
    graph = tail(b, turned(b, x, perm))
    assert channels_last(graph) is graph


def test_a_reader_that_sees_the_input_itself_forbids_it():
    b = GraphBuilder()
    x = b.input((1, 3, 4, 4), scale=0.05, zero_point=3)
    y = b.reshape(turned(b, x, TO_NHWC), (1, 48))
    graph = b.build(b.add(y, b.reshape(x, (1, 48)), scale=0.1))
    assert channels_last(graph) is graph
    # unless its metadata say what it is; then the axes are moved back
    said = replace(graph, metadata={"intrs.input": '{"range": "0..1", "layout": "NCHW"}'})
    after = compared(said)
    assert after.tensors[after.inputs[0]].shape == (1, 4, 4, 3)
    assert json.loads(after.metadata["intrs.input"])["layout"] == "NHWC"
    assert channels_last(after) is after


def test_it_is_part_of_normalize_and_needs_one_image():
    b = GraphBuilder()
    x = b.input((1, 3, 5, 6), scale=0.05, zero_point=3)
    assert normalize(tail(b, turned(b, x, TO_NHWC))).tensors[0].shape == (1, 5, 6, 3)
    b = GraphBuilder()
    graph = b.build(b.input((1, 12), scale=0.1))
    assert channels_last(graph) is graph
