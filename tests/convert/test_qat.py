import json
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.convert import agreement, compare_logits
from intrs_edge.convert.qdq import from_qdq_onnx
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.train import QatNetwork, export_qdq, freeze
from intrs_edge.train.onnx_writer import to_onnx

from .conftest import check_contract


def from_qat(network: QatNetwork) -> Graph:
    """By way of the file that ``train`` writes."""
    return from_qdq_onnx(to_onnx(freeze(network)))


NETWORKS = {
    "resnet8": ("resnet8", (32, 32, 3), {}),
    "resnet20": ("resnet20", (32, 32, 3), {}),
    "resnet20-pad": ("resnet20", (32, 32, 3), {"shortcut": "pad"}),
    "ds-cnn": ("ds-cnn", (49, 10, 1), {}),
    "resnet50-large-stem": ("resnet50", (128, 128, 3), {"widths": (8, 8), "blocks": (1, 1)}),
    "resnet50-small": ("resnet50", (33, 31, 3), {"widths": (4, 8, 8, 8), "blocks": (1, 2, 1, 1)}),
    "digits": ("resnet8", (8, 8, 1), {"widths": (16, 32), "blocks": (1, 1), "stem_stride": 2}),
}


@pytest.mark.parametrize(("name", "count"), [("resnet8", 20), ("resnet20", 5), ("ds-cnn", 50)])
def test_equals_builtin_ref(make_network, name: str, count: int):
    network, shape, options = NETWORKS[name]
    check_contract(from_qat(make_network(network, shape, **options)), count)


@pytest.mark.parametrize("name", ["resnet20-pad", "resnet50-large-stem", "resnet50-small", "digits"])
def test_other_shapes_equal_builtin_ref(make_network, name: str):
    network, shape, options = NETWORKS[name]
    check_contract(from_qat(make_network(network, shape, **options)), 3)


@pytest.mark.parametrize("name", ["resnet8", "ds-cnn", "digits"])
def test_agrees_with_both_sources(make_network, name: str, tmp_path: Path):
    """Random networks magnify rounding, so this is the worst case; trained ones are checked in test_models."""
    network, shape, options = NETWORKS[name]
    qat = make_network(network, shape, **options)
    graph = from_qat(qat)
    images = np.random.default_rng(5).integers(0, 256, (25, *shape)).astype(np.uint8)
    torch_side = compare_logits(graph, qat.input_quant.quantise(images), qat.predict(images))
    onnx_side = agreement(graph, export_qdq(qat, tmp_path / "m.onnx"), images)
    for found in (torch_side, onnx_side):
        assert found.images == 25
        assert found.top1 >= 0.9
        assert found.max_steps <= 10
    # the control: another network does not agree
    other = make_network(network, shape, seed=2, **options)
    assert compare_logits(graph, qat.input_quant.quantise(images), other.predict(images)).max_steps > 10


def test_learned_scales_survive(make_network):
    network, shape, options = NETWORKS["resnet8"]
    qat = make_network(network, shape, **options)
    graph = read_tflite(write_tflite(from_qat(qat)))
    tensors = {t.name: t for t in graph.tensors}
    for layer in qat.arch.layers:
        scale, zero = qat.qparams(layer.name)
        quant = tensors[layer.name].quant
        assert quant.scale[0] == np.float32(scale.item())
        assert quant.zero_point[0] == int(zero)
    assert not {op.kind for op in graph.ops} & {"QUANTIZE", "DEQUANTIZE", "SOFTMAX"}
    assert json.loads(graph.metadata["intrs.sigma"]) == 0.25
