"""Small model files that ask for much: one line, or the right answer, below 1 GB and ten seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from limited import Limited
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.tflite_writer import write_tflite

STEP = 1 / 128
READ = ("--input-range", "0..1", "--force")
Build = Callable[[GraphBuilder], int]


def written(path: Path, build: Build, metadata: dict[str, str] | None = None) -> Path:
    """A .tflite file below 1 MB of what ``build`` puts into a builder."""
    b = GraphBuilder()
    path.write_bytes(write_tflite(b.build(build(b), metadata)))
    assert path.stat().st_size < 1 << 20
    return path


def ending_in_constants(make: Build) -> Build:
    """An input of four values, to which the sum of what ``make`` gives is added."""

    def build(b: GraphBuilder) -> int:
        x = b.input((1, 4), scale=STEP)
        y = make(b)
        axes = b.constant([1, 2], dtype="int32")
        shape = (1, b.shape(y)[3])
        mean = b.op("MEAN", [y, axes], shape, b.quant_of(y), {"keep_dims": False})
        return b.add(x, mean, scale=0.1)

    return build


def pooled(kind: str, size: int) -> Build:
    """A pool of a constant image with a filter of ``size``, mostly over its border."""

    def make(b: GraphBuilder) -> int:
        x = b.constant(np.ones((1, 8, 8, 1)), scale=STEP)
        attrs = {
            "padding": "SAME",
            "stride_h": 1,
            "stride_w": 1,
            "filter_h": size,
            "filter_w": size,
            "activation": "NONE",
        }
        return b.op(kind, [x], (1, 8, 8, 1), b.quant_of(x), attrs)

    return ending_in_constants(make)


def spread(*shape: int) -> Build:
    """A constant that one addition makes large."""

    def make(b: GraphBuilder) -> int:
        x = b.constant(np.ones((1, shape[1], 1, 1)), scale=STEP)
        return b.add(x, b.constant(np.ones((1, 1, *shape[2:])), scale=STEP), scale=STEP)

    return ending_in_constants(make)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (pooled("AVERAGE_POOL_2D", 2**31 - 1), "must be within 1..65536"),
        (pooled("MAX_POOL_2D", 2**31 - 1), "must be within 1..65536"),
        (pooled("MAX_POOL_2D", 65536), "of constants makes"),
        (pooled("AVERAGE_POOL_2D", 5000), "of constants makes"),
        (spread(1, 5600, 5600, 1), "it sums more than 8388608 values"),
        (spread(1, 2048, 4096, 1), "ADD 'add_0' of constants makes 8519680 values"),
    ],
)
def test_constants_that_grow_when_folded(limited: Limited, tmp_path: Path, build: Build, words: str) -> None:
    limited.cli("inspect", written(tmp_path / "m.tflite", build), "--board", "mps2-an386").refused(words)


@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_a_pool_over_its_border_is_cheap(limited: Limited, tmp_path: Path, kind: str) -> None:
    limited.cli("inspect", written(tmp_path / "m.tflite", pooled(kind, 1000)), "--board", "mps2-an386").done()


@pytest.mark.parametrize(("weights", "dilation"), [((4, 1, 1, 1), 2**31 - 1), ((4, 200, 200, 1), 60_000)])
def test_dilations_beyond_all_sense(limited: Limited, tmp_path: Path, weights: tuple[int, ...], dilation: int) -> None:
    def build(b: GraphBuilder) -> int:
        x = b.input((1, 8, 8, 1), scale=STEP)
        y = b.conv_2d(x, np.ones(weights), weight_scale=0.1, scale=0.1, dilation=dilation, padding="SAME")
        return b.reshape(y, (1, 256))

    limited.cli("inspect", written(tmp_path / "m.tflite", build), "--board", "mps2-an386").refused("its")


### searches ###


def fan(branches: int, length: int) -> Build:
    """Parallel chains that all start and end together: the orders to run them in are beyond counting."""

    def build(b: GraphBuilder) -> int:
        x = b.input((1, 8), scale=STEP)
        ends = []
        for _ in range(branches):
            y = x
            for _ in range(length):
                y = b.unary("TANH", y, scale=STEP)
            ends.append(y)
        return b.concatenation(ends, 1)

    return build


def uneven(branches: int) -> Build:
    """Branches whose values have all sizes: no first fit meets the lower bound."""

    def build(b: GraphBuilder) -> int:
        rng = np.random.default_rng(0)
        x = b.input((1, 64), scale=STEP)
        ends = []
        for _ in range(branches):
            w = rng.integers(-9, 9, (int(rng.integers(1, 64)), 64))
            ends.append(b.unary("TANH", b.fully_connected(x, w, weight_scale=0.01, scale=STEP), scale=STEP))
        return b.concatenation(ends, 1)

    return build


def web(ops: int) -> Build:
    """Sums of any two of the last nine values, each at a scale of its own."""

    def build(b: GraphBuilder) -> int:
        rng = np.random.default_rng(1)
        values = [b.input((1, 8), scale=STEP)]
        for _ in range(ops):
            i, j = rng.integers(-min(9, len(values)), 0, 2)
            values.append(b.add(values[i], values[j], scale=float(rng.uniform(0.01, 0.02))))
        y = values[-1]
        for x in values[-9:-1]:
            y = b.add(y, x, scale=STEP)
        return y

    return build


HARD = {"40x3": fan(40, 3), "2000x1": fan(2000, 1), "2x1000": fan(2, 1000), "uneven": uneven(150), "web": web(300)}


@pytest.mark.parametrize("name", HARD)
def test_plans_of_any_network_end(limited: Limited, tmp_path: Path, name: str) -> None:
    limited.cli("inspect", written(tmp_path / "m.tflite", HARD[name]), "--board", "mps2-an386").done()


@pytest.mark.parametrize("name", ["40x3", *(pytest.param(n, marks=pytest.mark.long) for n in HARD if n != "40x3")])
def test_projects_of_any_network_end(limited: Limited, tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "m.tflite", HARD[name])
    limited.cli("inspect", path).done()
    limited.cli("generate", path, "-o", tmp_path / "p", *READ).done()


@pytest.mark.parametrize("build", [fan(2100, 1), fan(1, 3000)])
def test_more_operators_than_any_network_has(limited: Limited, tmp_path: Path, build: Build) -> None:
    path = written(tmp_path / "m.tflite", build)
    limited.cli("inspect", path).refused("operators, the limit is 2048")


def test_more_connections_than_any_network_has(limited: Limited, tmp_path: Path) -> None:
    def build(b: GraphBuilder) -> int:
        x = b.input((1, 1), scale=STEP)
        ends = [b.concatenation([x] * 30_000, 1) for _ in range(3)]
        return b.concatenation(ends, 1)

    limited.cli("inspect", written(tmp_path / "m.tflite", build)).refused("inputs and outputs, the limit is 65536")


def test_weights_that_many_operators_read(limited: Limited, tmp_path: Path) -> None:
    def build(b: GraphBuilder) -> int:
        x = b.input((1, 700), scale=STEP)
        w = b.constant(np.ones((700, 700)), scale=0.01)
        for i in range(500):
            attrs = {"activation": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False}
            x = b.op("FULLY_CONNECTED", [x, w], (1, 700), b.quant_of(x), attrs, name=f"f{i}")
        return x

    limited.cli("inspect", written(tmp_path / "m.tflite", build)).refused("reading the same constants")


def padded(b: GraphBuilder) -> int:
    """2x2 pixels become 5000x5000."""
    x = b.input((1, 2, 2, 1), scale=1 / 255, zero_point=-128)
    return b.pad(x, [(0, 0), (0, 4998), (0, 4998), (0, 0)])


def test_activations_beyond_memory(limited: Limited, tmp_path: Path) -> None:
    def build(b: GraphBuilder) -> int:
        y = padded(b)
        branches = [b.unary("TANH", y, scale=STEP) for _ in range(12)]
        total = branches[-1]
        for x in (*branches[::-1], *branches):  # all are needed to the end
            total = b.add(total, x, scale=0.05)
        return b.reshape(b.max_pool_2d(total, 2500), (1, 4))

    path = written(tmp_path / "m.tflite", build)
    limited.cli("generate", path, "-o", tmp_path / "p", *READ).refused("the arena takes", "the limit is 268435456")
    assert not (tmp_path / "p").exists()


def test_positions_without_end(limited: Limited, tmp_path: Path) -> None:
    def build(b: GraphBuilder) -> int:
        y = padded(b)
        for _ in range(20):
            order = b.constant([0, 2, 1, 3], dtype="int32")
            y = b.op("TRANSPOSE", [y, order], (1, 5000, 5000, 1), b.quant_of(y))
        return b.reshape(b.max_pool_2d(y, 2500), (1, 4))

    limited.cli("inspect", written(tmp_path / "m.tflite", build)).refused("move 1000000080 of them")


def test_classes_without_end(limited: Limited, tmp_path: Path) -> None:
    def build(b: GraphBuilder) -> int:
        x = b.input((1, 2, 2, 1), scale=1 / 255, zero_point=-128)
        y = b.pad(x, [(0, 0), (0, 4000), (0, 4000), (0, 0)])
        return b.reshape(y, (1, 4002 * 4002))

    path = written(tmp_path / "m.tflite", build)
    limited.cli("generate", path, "-o", tmp_path / "p", *READ).refused("at most 65536 classes")


### texts in the file ###


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("intrs.input", '{"mean": ["1e99999999"], "std": ["1"]}'),
        ("intrs.input", '{"mean": [1e99999999], "std": [1]}'),
        ("intrs.input", '{"mean": ["1/0"], "std": ["1"]}'),
        ("intrs.input", '{"mean": [1e300], "std": [1e-300]}'),
        ("intrs.input", '{"mean": [NaN], "std": [Infinity]}'),
        ("intrs.input", '{"mean": [' + "9" * 5000 + '], "std": [1]}'),
        ("intrs.input", '{"mean": ' + "[" * 3000),
        ("intrs.input", '{"a":' * 3000),
        ("intrs.classes", "[" * 100_000),
        ("intrs.classes", '["' + "\\u001b[31m" * 4 + '"]'),
        ("intrs.classes", json.dumps(["a" * 900_000, "b", "c", "d"])),
        ("intrs.sigma", "1e99999999"),
        ("intrs.sigma", "9" * 100_000),
        ("intrs.sigma", "-1"),
        ("intrs.sigma", "1/0"),
    ],
)
def test_metadata(limited: Limited, tmp_path: Path, name: str, text: str) -> None:
    def build(b: GraphBuilder) -> int:
        return b.unary("TANH", b.input((1, 4), scale=1 / 255, zero_point=-128), scale=STEP)

    path = written(tmp_path / "m.tflite", build, {name: text})
    limited.cli("generate", path, "-o", tmp_path / "p").refused(f"metadata {name}")
    assert not (tmp_path / "p").exists()


### ONNX ###


def onnx_file(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], extra: str = "y") -> Path:
    """A QDQ model of one quantised input with more nodes behind it; written without any check."""
    scale = {"s": np.float32(0.01), "z": np.int8(0)}
    ends = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    tail = [helper.make_node("QuantizeLinear", [extra, "s", "z"], ["out"])]
    graph = helper.make_graph(
        [*ends, *nodes, *tail],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("out", TensorProto.INT8, [1, 4])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in {**scale, **constants}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size < 1 << 20
    return path


def node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


MANY = np.full((700, 700), 1, np.int8)
TALL, WIDE = np.ones((50_000, 1), np.float32), np.ones((1, 50_000), np.float32)
DOUBLING = [node("Mul", "m m", "m0"), *(node("Concat", f"m{i} m{i}", f"m{i + 1}", axis=0) for i in range(30))]


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("ConstantOfShape", "n", f"f{i}") for i in range(4)], {"n": np.array([1 << 13, 1 << 15])}),
        ([node("ConstantOfShape", "n", f"f{i}") for i in range(900)], {"n": np.array([1 << 10, 1 << 10])}),
        ([node("DequantizeLinear", "m s z", f"d{i}") for i in range(2000)], {"m": MANY}),
        ([node("Cast", "m", f"c{i}", to=TensorProto.DOUBLE) for i in range(2000)], {"m": MANY}),
        ([node("Add", "tall wide", "big")], {"tall": TALL, "wide": WIDE}),
        ([node("Gather", "m i", "big", axis=0)], {"m": WIDE, "i": np.zeros(50_000, np.int64)}),
        ([node("Concat", " ".join(["m"] * 2000), "big", axis=0)], {"m": MANY}),
        (DOUBLING, {"m": np.ones((1000, 10), np.float32)}),
    ],
    ids=["fill", "fills", "dequantise", "cast", "outer", "gather", "concat", "doubling"],
)
def test_onnx_constants(limited: Limited, tmp_path: Path, nodes: list[onnx.NodeProto], constants: dict) -> None:
    names = list(dict.fromkeys(n.output[0] for n in nodes))
    used = [
        node("Concat", " ".join(names), "all", axis=0),
        node("Add", "y all", "sum"),
    ]  # what nothing reads is left out
    path = onnx_file(tmp_path / "m.onnx", [*nodes, *used], constants, "sum")
    limited.cli("inspect", path).refused("m.onnx", "the limit for this file")


def test_onnx_nodes_without_end(limited: Limited, tmp_path: Path) -> None:
    many = [node("Identity", "y" if i == 0 else f"i{i - 1}", f"i{i}") for i in range(10_000)]
    path = onnx_file(tmp_path / "m.onnx", many, {}, "i9999")
    limited.cli("inspect", path).refused("m.onnx", "10003 nodes, the limit is 8192")


@pytest.mark.parametrize("kind", ["Softmax", "Identity", "Relu", "Transpose"])
def test_onnx_chains(limited: Limited, tmp_path: Path, kind: str) -> None:
    """As many nodes as are allowed: whatever it is, it ends soon."""
    many = [node(kind, "y" if i == 0 else f"i{i - 1}", f"i{i}") for i in range(8000)]
    outcome = limited.cli("inspect", onnx_file(tmp_path / "m.onnx", many, {}, "i7999"), "--board", "mps2-an386")
    assert outcome.code in (0, 2), outcome
    outcome.cheap()
