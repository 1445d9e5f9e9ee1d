"""Ops of QDQ files over chosen axes and of two values, and single values by table, against ONNX Runtime and
BUILTIN_REF."""

from __future__ import annotations

import numpy as np
import pytest

from intrs_edge.convert import from_qdq_onnx
from intrs_edge.errors import IntrsError

from .net import Qdq, close, steps

IMAGE = (1, 3, 8, 8)


def ended(net: Qdq) -> Qdq:
    """The result itself is what is compared."""
    net.node("Flatten")
    return net


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[1], [2], [-1], [1, 3], [2, 3], [1, 2], [0, 1]])
@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("opset", [12, 18])
def test_reductions(kind: str, axes: list[int], keep: int, opset: int):
    if 0 in axes and not keep:
        pytest.skip("the batch is gone")
    net = Qdq(IMAGE, opset).begin(6, zero=-20, relu=False)
    if opset == 18 or (kind == "ReduceSum" and opset > 12):
        net.node(kind, net.const(axes, np.int64), keepdims=keep)
    else:
        net.node(kind, axes=axes, keepdims=keep)
    net.quant(0.3 if kind == "ReduceSum" else 0.021, -15)
    kinds = close(ended(net))
    assert {"ReduceMean": "MEAN", "ReduceSum": "MEAN", "ReduceMax": "REDUCE_MAX", "ReduceMin": "REDUCE_MIN"}[
        kind
    ] in kinds or (kind == "ReduceMean" and sorted(a % 4 for a in axes) == [2, 3])


@pytest.mark.parametrize(("kind", "scale", "zero", "attrs", "opset"), [
    ("Abs", 0.03, -128, {}, 17), ("Exp", 0.05, -128, {}, 17), ("Gelu", 0.03, -100, {}, 20),
    ("Gelu", 0.03, -100, {"approximate": "tanh"}, 20),
])  # fmt: skip
def test_single_values(kind: str, scale: float, zero: int, attrs: dict, opset: int):
    net = Qdq(IMAGE, opset).begin(6, scale=0.02, zero=-10, relu=False)
    net.node(kind, **attrs)
    net.quant(scale, zero)
    assert kind.upper() in close(net.end(6))


def test_rsqrt():
    net = Qdq(IMAGE).begin(6, scale=0.02)
    net.node("Clip", net.const(0.5, np.float32), net.const(6.0, np.float32))
    net.quant(0.02, -128)
    net.node("Sqrt")
    net.node("Reciprocal")
    net.quant(0.01, -128)
    assert "RSQRT" in close(net.end(6))


@pytest.mark.parametrize("kinds", [["Sqrt"], ["Reciprocal"]])
def test_halves_of_rsqrt_are_refused(kinds: list[str]):
    net = Qdq(IMAGE).begin(6)
    for kind in kinds:
        net.node(kind)
    net.quant(0.02, -128)
    with pytest.raises(IntrsError, match="1 / sqrt"):
        from_qdq_onnx(net.end(6).model())


@pytest.mark.parametrize("transposed", [0, 1])
def test_products_of_two_values(transposed: int):
    """An attention's shape: rows of pixels, their products, a softmax, and the rows again."""
    net = Qdq(IMAGE).begin(6, scale=0.02)
    rows = net.node("Reshape", net.const([1, 6, 64], np.int64))
    columns = net.node("Transpose", perm=[0, 2, 1])
    net.node("MatMul", columns if not transposed else rows, source=rows if not transposed else columns)
    net.quant(0.1, -128)
    net.node("ReduceMax", axes=[2], keepdims=0)
    net.quant(0.1, -128)
    assert "BATCH_MATMUL" in close(ended(net))


def test_a_product_with_a_constant_of_three_axes():
    net = Qdq(IMAGE).begin(6, scale=0.02)
    net.node("Reshape", net.const([1, 6, 64], np.int64))
    net.node("MatMul", net.codes(net.rng.integers(-127, 128, (1, 64, 7)), 0.01))
    net.quant(0.2, 0)
    assert "BATCH_MATMUL" in close(ended(net))


@pytest.mark.parametrize(
    ("kind", "attrs"),
    [("SpaceToDepth", {"blocksize": 2}), ("SpaceToDepth", {"blocksize": 4}), ("DepthToSpace", {"blocksize": 2}),
     ("DepthToSpace", {"blocksize": 2, "mode": "CRD"})],
)  # fmt: skip
def test_blocks(kind: str, attrs: dict):
    """In front of something that sees the order."""
    net = Qdq(IMAGE).begin(8)
    net.node(kind, **attrs)
    assert kind.startswith("Space") == ("SPACE_TO_DEPTH" in close(ended(net)))


@pytest.mark.parametrize(("axis", "rows"), [(1, [5, 0, 0]), (2, [-1, 3]), (3, 4), (-3, -2), (1, 0)])
def test_gather(axis: int, rows: object):
    net = Qdq(IMAGE).begin(6)
    net.node("Gather", net.const(rows, np.int64), axis=axis)
    assert "GATHER" in close(ended(net))


@pytest.mark.parametrize(("begin", "end", "step"), [(7, -9, -1), (6, 0, -2), (-1, 2, -3)])
def test_slices_backwards(begin: int, end: int, step: int):
    net = Qdq(IMAGE).begin(6)
    net.node("Slice", *(net.const([v], np.int64) for v in (begin, end, 3, step)))
    close(ended(net))


def test_l2_normalization():
    net = Qdq(IMAGE).begin(6)
    net.node("GlobalAveragePool")
    net.quant(0.01, -128)
    net.node("Flatten")
    net.node("LpNormalization", axis=1, p=2)
    net.quant(1 / 128, 0)
    assert "L2_NORMALIZATION" in close(ended(net), most=2)


@pytest.mark.parametrize(
    ("kind", "constants", "attrs", "says"),
    [
        ("Gather", [[6]], {"axis": 1}, "outside an axis of 6"), ("Gather", [[[1]]], {"axis": 1}, "a row of them"),
        ("DepthToSpace", [], {"blocksize": 4}, "do not divide"), ("LpNormalization", [], {"axis": 2}, "over channels"),
        ("LpNormalization", [], {"axis": 1, "p": 1}, "only p = 2"), ("ReduceMax", [], {}, "nothing to classify|one"),
    ],
)  # fmt: skip
def test_what_is_refused(kind: str, constants: list, attrs: dict, says: str):
    net = Qdq(IMAGE).begin(6)
    if kind == "ReduceMax":
        attrs = {"keepdims": 0}
    net.node(kind, *(net.const(c, np.int64) for c in constants), **attrs)
    net.quant(0.02)
    with pytest.raises(IntrsError, match=says):
        from_qdq_onnx(net.model())


def test_slopes_in_float_are_rounded_and_that_is_said():
    net = Qdq(IMAGE).begin(6, zero=-20, relu=False)
    slopes = np.array([0.1, 0.25, -0.2, 0.3, 0.9, 1.1], np.float32).reshape(6, 1, 1)
    net.node("PRelu", net.const(slopes))
    net.quant(0.02, -20)
    notes: list[str] = []
    graph, distance = steps(ended(net), notes=notes)
    assert "PRELU" in {op.kind for op in graph.ops}
    assert distance.max() <= 1
    assert [n for n in notes if "slopes of PRelu" in n and "0.008661" in n]  # 1.1 / 127


@pytest.mark.parametrize("how", ["Pow", "Mul"])
def test_the_square_of_a_difference_is_one_operator(how: str):
    net = Qdq(IMAGE).begin(6)
    net.node("Sub", net.codes(net.rng.integers(-128, 128, (1, 6, 1, 1)), 0.013))
    net.node("Pow", net.const(2, np.float32)) if how == "Pow" else net.node("Mul", net.at)
    net.quant(0.1, -128)
    assert "SQUARED_DIFFERENCE" in close(ended(net))


def test_other_powers_are_refused():
    net = Qdq(IMAGE).begin(6)
    net.node("Pow", net.const(3, np.float32))
    net.quant(0.02)
    with pytest.raises(IntrsError, match="exponents 2 and"):
        from_qdq_onnx(net.model())


@pytest.mark.parametrize(
    ("weights", "attrs", "says"),
    [
        ((6, 2, 3, 3), {"group": 4}, "in 4 groups do not fit 6"), ((5, 2, 3, 3), {}, "do not fit 6"),
        ((6, 2, 3), {}, "do not fit 6"), ((6, 2, 3, 3), {"strides": [2]}, "do not fit its input"),
        ((6, 2, 3, 3), {"group": 2, "pads": [3, 0, 0, 0]}, "reach beyond its window"),
        ((6, 2, 3, 3), {"group": 0}, "out of range"), ((6, 2, 3, 3), {"auto_pad": "SAME_UPPER"}, "auto_pad"),
        ((6, 2, 1, 1), {"pads": [4, 4, 4, 4]}, "leave nothing"),
    ],
)  # fmt: skip
def test_transposed_convolutions_that_are_refused(weights: tuple[int, ...], attrs: dict, says: str):
    net = Qdq(IMAGE).begin(6)
    net.node("ConvTranspose", net.weight(*weights), **attrs)
    net.quant(0.02)
    with pytest.raises(IntrsError, match=says):
        from_qdq_onnx(net.model())
