"""Every opset that is read: one network whose nodes are written as that opset has them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from intrs_edge.convert import from_qdq_onnx
from intrs_edge.convert.onnx_file import OPSETS, read_onnx
from intrs_edge.errors import IntrsError

from .net import Qdq, close


def changing(opset: int) -> Qdq:
    """Operators whose attributes became inputs, or whose defaults changed, on the way from opset 10 to 24."""
    net = Qdq((1, 3, 8, 8), opset)

    def node(kind: str, since: int, key: str, value: list[int] | list[float], **attrs: object) -> None:
        """Its numbers as an attribute before opset ``since``, as an input from then on."""
        if opset < since:
            net.node(kind, **{key: value}, **attrs)
        else:
            net.node(kind, net.const(value, np.int64 if isinstance(value[0], int) else np.float32), **attrs)

    net.quant(0.0078)
    net.conv(3, 8)
    if opset < 11:
        net.node("Clip", min=0.0, max=6.0)
    else:
        net.node("Clip", net.const(0, np.float32), net.const(6, np.float32))
    net.quant(0.02, -128)
    node("Pad", 11, "pads", [0, 0, 1, 1, 0, 0, 1, 1])
    sizes = net.const([1, 1, 2, 2], np.float32)
    if opset < 11:
        net.node("Resize", sizes, mode="nearest")
    else:
        region = net.const([], np.float32) if opset < 13 else ""
        how = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        net.node("Resize", region, sizes, mode="nearest", **how)
    net.node("Slice", *(net.const([v], np.int64) for v in (1, 19, 2, 2)))
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    node("Split", 13, "split", [3, 5], outputs=2, axis=1)
    node("Unsqueeze", 13, "axes", [2])
    node("Squeeze", 13, "axes", [2])
    node("ReduceMean", 18, "axes", [3], keepdims=0)
    net.quant(0.015, -128)
    node("ReduceSum", 13, "axes", [2], keepdims=0)
    net.quant(0.1, -128)
    net.node("Dropout")
    net.node("Gemm", net.weight(5, 3, scale=0.01), net.const(np.zeros(5), np.float32), transB=1)
    net.quant(0.3)
    net.node("Softmax")
    return net


@pytest.mark.parametrize("opset", range(OPSETS[0], 23))  # those that ONNX Runtime knows; later ones: test_meaning.py
def test_an_opset_is_read_as_it_writes(opset: int):
    net = changing(opset)
    logits = net.nodes[-1].input[0]
    kinds = close(net, logits, most=2)
    assert {"CONV_2D", "PAD", "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE", "MAX_POOL_2D", "MEAN"} <= set(kinds)


@pytest.mark.parametrize("opset", [OPSETS[0] - 1, OPSETS[1] + 1])
def test_the_opsets_beside_them_are_refused(opset: int, tmp_path):
    model = changing(17).model()
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(IntrsError, match=r"outside 10\.\.24"):
        from_qdq_onnx(read_onnx(tmp_path / "m.onnx"))
