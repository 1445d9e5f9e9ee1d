from __future__ import annotations

import json

import numpy as np

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.summary import adds, op_table, summarize


def network():
    b = GraphBuilder("net")
    rng = np.random.default_rng(0)
    x = b.input((1, 8, 8, 4), scale=0.1)
    x = b.conv_2d(x, rng.integers(-9, 9, (6, 3, 3, 2)), weight_scale=0.1, scale=1.0, stride=2, activation="RELU")
    x = b.depthwise_conv_2d(x, rng.integers(-9, 9, (1, 3, 3, 12)), weight_scale=0.1, scale=1.0)
    x = b.add(x, x, scale=2.0)
    x = b.flatten(b.average_pool_2d(x, 4))
    return b.build(
        b.fully_connected(x, rng.integers(-9, 9, (10, 12)), rng.integers(-9, 9, 10), weight_scale=0.1, scale=9.0)
    )


def test_counts() -> None:
    graph = network()
    s = summarize(graph)
    by_kind = {op.kind: op for op in s.ops}
    of_kind = {op.kind: op for op in graph.ops}
    assert by_kind["CONV_2D"].macs == 4 * 4 * 6 * 3 * 3 * 2
    assert by_kind["DEPTHWISE_CONV_2D"].macs == 4 * 4 * 12 * 9
    assert by_kind["FULLY_CONNECTED"].macs == 120
    assert adds(graph, of_kind["ADD"]) == 4 * 4 * 12
    assert adds(graph, of_kind["AVERAGE_POOL_2D"]) == 16 * 12
    assert s.macs == sum(op.macs for op in s.ops) == 1728 + 1728 + 120
    # weights and int32 biases; the shape of the reshape is no weight
    assert s.weights_bytes == (108 + 24) + 108 + (120 + 40)
    assert by_kind["RESHAPE"].weights_bytes == 0
    assert by_kind["CONV_2D"].detail == "3x3, stride 2x2, groups 2, RELU"
    assert by_kind["DEPTHWISE_CONV_2D"].detail == "3x3, multiplier 2"


def test_shared_weights_count_once() -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 2), scale=0.1)
    y = b.conv_2d(x, np.ones((2, 1, 1, 2)), weight_scale=0.1, scale=0.1)
    op = b.ops[-1]
    z = b.op("CONV_2D", [y, *op.inputs[1:]], b.shape(y), b.quant_of(y), op.attrs)
    s = summarize(b.build(z))
    assert s.weights_bytes == 4 + 8
    assert sum(op.weights_bytes for op in s.ops) == 24


def test_json_and_text() -> None:
    s = summarize(network())
    data = json.loads(json.dumps(s.to_json()))
    assert {"macs", "weights_bytes", "ops"} <= set(data)
    assert data["ops"][0]["output"] == [1, 4, 4, 6]
    lines = op_table(s.to_json()).splitlines()
    assert len(lines) == len(s.ops) + 2
    assert "3,576" in lines[-1]
