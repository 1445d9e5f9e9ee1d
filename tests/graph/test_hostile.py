"""Damaged and hostile .tflite files: an IntrsError of one line or a graph, never anything else, in bounded time and
memory."""

from __future__ import annotations

import resource
import struct
import time

import flatbuffers
import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.passes import normalize
from intrs_edge.graph.summary import summarize
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import problems

EXTREMES = (0, 1, 2, 3, 4, 127, 128, 255, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)


def seeds() -> list[bytes]:
    """Small models that together use every option table with fields."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("one")
    x = b.input((1, 6, 6, 2), scale=0.1, zero_point=1)
    x = b.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    x = b.conv_2d(x, rng.integers(-9, 9, (4, 3, 3, 2)), weight_scale=[0.1, 0.2, 0.3, 0.4], scale=1.0, padding="VALID")
    x = b.depthwise_conv_2d(x, rng.integers(-9, 9, (1, 3, 3, 4)), weight_scale=0.1, scale=1.0, activation="RELU6")
    x = b.add(x, x, scale=2.5)
    x = b.unary("LEAKY_RELU", b.max_pool_2d(x, 2), attrs={"alpha": 0.1})
    x = b.fully_connected(b.flatten(x), rng.integers(-9, 9, (5, 36)), weight_scale=0.1, scale=2.0)
    first = b.build(b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": 1.0}), {"intrs.sigma": "0.25"})
    b = GraphBuilder("two")
    x = b.input((1, 4, 4, 2), scale=0.1)
    left, right = b.split(x, 3, 2)
    y = b.concatenation([right, left, b.binary("MUL", left, right, scale=0.1)], -1)
    size = b.constant([8, 8], dtype="int32")
    attrs = {"align_corners": True, "half_pixel_centers": False}
    y = b.op("RESIZE_NEAREST_NEIGHBOR", [y, size], (1, 8, 8, 3), b.quant_of(y), attrs)
    ends = [b.constant(v, dtype="int32") for v in ([0, 0, 0, 0], [1, 8, 8, 3], [1, 2, 2, 1])]
    masks = {"begin_mask": 15, "end_mask": 15, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    y = b.op("STRIDED_SLICE", [y, *ends], (1, 4, 4, 3), b.quant_of(y), {**masks, "offset": False})
    mirrored = b.constant([(0, 0), (1, 1), (1, 1), (0, 0)], dtype="int32")
    y = b.op("MIRROR_PAD", [y, mirrored], (1, 6, 6, 3), b.quant_of(y), {"mode": "REFLECT"})
    axes = b.constant([1, 2], dtype="int32")
    second = b.build(b.op("MEAN", [y, axes], (1, 3), b.quant_of(y), {"keep_dims": False}))
    return [write_tflite(first), write_tflite(second), write_tflite(_moves()), write_tflite(_products())]


def _moves() -> Graph:
    b = GraphBuilder("three")
    x = b.input((1, 4, 4, 4), scale=0.1)
    q = b.quant_of(x)
    y = b.op("SPACE_TO_DEPTH", [x], (1, 2, 2, 16), q, {"block_size": 2})
    y = b.op("DEPTH_TO_SPACE", [y], (1, 4, 4, 4), q, {"block_size": 2})
    y = b.op("GATHER", [y, b.constant([3, 0, 3], dtype="int32")], (1, 4, 4, 3), q, {"axis": 3, "batch_dims": 0})
    parts = [b.tensor(Tensor(f"p{i}", (1, 4, 4), "int8", q)) for i in range(3)]
    b.ops.append(Op("UNPACK", (y,), tuple(parts), {"num": 3, "axis": 3}, "p0"))
    y = b.op("PACK", parts, (1, 3, 4, 4), q, {"values_count": 3, "axis": 1})
    sizes = b.constant([1, -1], dtype="int32")
    halves = [b.tensor(Tensor(f"h{n}", (1, n, 4, 4), "int8", q)) for n in (1, 2)]
    b.ops.append(Op("SPLIT_V", (y, sizes, b.constant(1, dtype="int32")), tuple(halves), {"num_splits": 2}, "h1"))
    y = b.op("TILE", [halves[0], b.constant([1, 2, 1, 1], dtype="int32")], (1, 2, 4, 4), q)
    y = b.op("REVERSE_V2", [y, b.constant([2], dtype="int32")], (1, 2, 4, 4), q)
    y = b.op("SQUARED_DIFFERENCE", [y, halves[1]], (1, 2, 4, 4), quant(0.1))
    y = b.op("REDUCE_MAX", [y, b.constant([1, 3], dtype="int32")], (1, 4), b.quant_of(y), {"keep_dims": False})
    return b.build(b.op("BROADCAST_TO", [y, b.constant([1, 2, 4], dtype="int32")], (1, 2, 4), b.quant_of(y)))


def _products() -> Graph:
    b, rng = GraphBuilder("four"), np.random.default_rng(1)
    x = b.input((1, 3, 3, 2), scale=0.1)
    inputs = [b.constant([1, 6, 6, 4], dtype="int32"), b.constant(rng.integers(-9, 9, (4, 2, 2, 2)), scale=0.1), x]
    attrs = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "activation": "RELU"}
    y = b.op("TRANSPOSE_CONV", inputs, (1, 6, 6, 4), quant(0.5), attrs)
    modes = {"align_corners": False, "half_pixel_centers": True}
    y = b.op("RESIZE_BILINEAR", [y, b.constant([4, 4], dtype="int32")], (1, 4, 4, 4), b.quant_of(y), modes)
    sides = {"adj_x": False, "adj_y": True, "asymmetric_quantize_inputs": False}
    y = b.op("BATCH_MATMUL", [y, y], (1, 4, 4, 4), quant(2.0), sides)
    y = b.unary("GELU", y, attrs={"approximate": True})
    y = b.op("SUM", [y, b.constant([1, 2], dtype="int32")], (1, 4), quant(9.0), {"keep_dims": False})
    return b.build(b.unary("L2_NORMALIZATION", y, scale=1 / 128, attrs={"activation": "NONE"}))


def mutate(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """Flipped bytes, extreme integers, moved and doubled pieces, truncation: one to a few at once."""
    out = bytearray(data)
    for _ in range(int(rng.geometric(0.4))):
        at = int(rng.integers(0, max(1, len(out))))
        kind = rng.integers(0, 7)
        if kind == 0 and out:
            out[at] = int(rng.integers(0, 256))
        elif kind == 1:
            at -= at % 4
            out[at : at + 4] = struct.pack("<I", int(rng.choice(EXTREMES)))
        elif kind == 2:
            at -= at % 4
            if at + 4 <= len(out):
                (value,) = struct.unpack_from("<I", out, at)
                out[at : at + 4] = struct.pack("<I", (value + int(rng.integers(-8, 9))) & 0xFFFFFFFF)
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            size = int(rng.integers(1, 64))
            start = int(rng.integers(0, len(other)))
            out[at : at + size] = other[start : start + size]
        elif kind == 5:
            out[at:at] = out[at : at + int(rng.integers(1, 32))]
        elif kind == 6 and out:
            out[at] ^= 1 << int(rng.integers(0, 8))
    return bytes(out)


def survive(data: bytes) -> str:
    """How far a file gets: 'error', 'read' (validation lists problems) or 'valid'; any other exception is a defect."""
    try:
        graph = normalize(read_tflite(data))
    except IntrsError as error:
        line = str(error)
    else:
        line = ""
    if line:
        assert line.isprintable()
        return "error"
    found = problems(graph)
    assert all(p.isprintable() for p in found)
    if found:
        return "read"
    assert summarize(graph).macs >= 0
    return "valid"


def campaign(count: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    originals = seeds()
    outcome = {"error": 0, "read": 0, "valid": 0}
    slowest = 0.0
    for i in range(count):
        data = mutate(rng, originals[i % len(originals)], originals[i // len(originals) % len(originals)])
        start = time.process_time()
        outcome[survive(data)] += 1
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 5.0, f"a mutated file took {slowest:.1f} s of the processor"
    return outcome


def test_seeds_are_valid() -> None:
    assert [survive(s) for s in seeds()] == ["valid"] * 4


def test_mutated_files() -> None:
    outcome = campaign(4000, 1)
    # the campaign reaches every layer
    assert min(outcome.values()) > 100, outcome


@pytest.mark.long
def test_mutated_files_many() -> None:
    outcome = campaign(100_000, 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"100000 mutated files: {outcome}, peak memory {peak:.0f} MiB")
    assert peak < 1024


def test_every_truncation() -> None:
    data = seeds()[0]
    assert all(survive(data[:n]) in ("error", "read") for n in range(0, len(data) - 16, 7))


def test_missing_and_foreign_files(tmp_path) -> None:
    with pytest.raises(IntrsError, match="cannot be read"):
        read_tflite(tmp_path / "none.tflite")
    with pytest.raises(IntrsError, match="cannot be read"):
        read_tflite(tmp_path)
    (tmp_path / "text.tflite").write_text("hello, this is no model at all")
    with pytest.raises(IntrsError, match=r"not a \.tflite file"):
        read_tflite(tmp_path / "text.tflite")
    with pytest.raises(IntrsError, match=r"not a \.tflite file"):
        read_tflite(b"")


def _model(subgraph_tables: int) -> bytes:
    """A file of many offsets to one tensor table whose shape vector is long: small, but costly to a trusting reader."""
    b = flatbuffers.Builder(1024)
    shape = b.CreateNumpyVector(np.ones(100_000, dtype=np.int32))
    b.StartObject(10)
    b.PrependUOffsetTRelativeSlot(0, shape, 0)
    tensor = b.EndObject()
    b.StartVector(4, subgraph_tables, 4)
    for _ in range(subgraph_tables):
        b.PrependUOffsetTRelative(tensor)
    tensors = b.EndVector()
    inputs = b.CreateNumpyVector(np.arange(subgraph_tables, dtype=np.int32))  # what nothing refers to is not read
    b.StartObject(6)
    b.PrependUOffsetTRelativeSlot(0, tensors, 0)
    b.PrependUOffsetTRelativeSlot(1, inputs, 0)
    graph = b.EndObject()
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(graph)
    graphs = b.EndVector()
    b.StartObject(8)
    b.PrependUint32Slot(0, 3, 0)
    b.PrependUOffsetTRelativeSlot(2, graphs, 0)
    b.Finish(b.EndObject(), b"TFL3")
    return bytes(b.Output())


def test_amplification_is_refused() -> None:
    start = time.process_time()
    with pytest.raises(IntrsError):
        read_tflite(_model(15_000))
    with pytest.raises(IntrsError, match="the limit is 20000"):
        read_tflite(_model(30_000))
    assert time.process_time() - start < 5


def test_huge_shapes_are_refused_before_memory_is_asked_for() -> None:
    b = GraphBuilder()
    x = b.input((1, 2**20, 2**20), scale=0.1)
    with pytest.raises(IntrsError, match="the limit is"):
        read_tflite(write_tflite(b.build(b.unary("TANH", x, scale=1 / 128))))


def test_names_are_made_printable() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1, name='evil"\n*/ system("x"); \x1b[31m')
    name = read_tflite(write_tflite(b.build(b.unary("TANH", x, scale=1 / 128)))).tensors[0].name
    assert name.isprintable()
    assert "\n" not in name
