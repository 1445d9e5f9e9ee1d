"""The digest is of the graph: the same for every file of it, another for every number that decides an output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_cases import CASES, op_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intrs_edge.graph import tflite_writer
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.digest import graph_digest
from intrs_edge.graph.ir import Graph, Tensor
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite


def small() -> Graph:
    rng = np.random.default_rng(1)
    b = GraphBuilder("small")
    x = b.input((1, 4, 4, 1), scale=1 / 255, zero_point=-128)
    x = b.conv_2d(x, rng.integers(-127, 128, (2, 3, 3, 1)).astype(np.int8), None, weight_scale=0.01, scale=0.05)
    w = rng.integers(-127, 128, (3, 32)).astype(np.int8)
    graph = b.build(b.fully_connected(x, w, None, weight_scale=0.01, scale=0.1))
    metadata = {"intrs.input": '{"mean": [0.5], "std": [0.25]}', "intrs.classes": '["a", "b", "c"]'}
    return replace(graph, metadata=metadata)


def reordered(graph: Graph, order: list[int]) -> Graph:
    """Tensor order[k] moves to place k, a tensor that nothing reads comes behind, and every name is another."""
    place = {old: new for new, old in enumerate(order)} | {-1: -1}

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(place[i] for i in indices)

    tensors = [replace(graph.tensors[old], name=f"renamed {old}") for old in order]
    return replace(
        graph,
        tensors=(*tensors, Tensor("unused", (3,), "int8", None, np.ones(3, np.int8))),
        ops=tuple(replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs), name="x") for op in graph.ops),
        inputs=moved(graph.inputs),
        outputs=moved(graph.outputs),
        name="other",
    )


@pytest.mark.parametrize("kind", CASES)
def test_one_graph_in_many_files(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(op_graph(kind), st.data())
    def check(graph: Graph, data: st.DataObject) -> None:
        digest = graph_digest(graph)
        plain = write_tflite(graph)
        other = reordered(graph, data.draw(st.permutations(range(len(graph.tensors)))))
        monkeypatch.setattr(tflite_writer, "BUFFER_ALIGNMENT", 256)  # another layout of the same file
        wide, moved = write_tflite(graph), write_tflite(other)
        monkeypatch.undo()
        assert moved != plain
        assert wide != plain or all(t.data is None for t in graph.tensors)
        assert {graph_digest(read_tflite(f)) for f in (plain, wide, moved)} == {digest}

    check()


def test_a_negative_zero_is_the_default() -> None:
    b = GraphBuilder()
    x = b.input((1, 4), scale=0.1)
    graph = b.build(b.unary("LEAKY_RELU", x, attrs={"alpha": -0.0}))
    assert graph_digest(read_tflite(write_tflite(graph))) == graph_digest(graph)


def changes(graph: Graph) -> dict[str, Graph]:
    """The graph with one number changed, in every kind of place."""
    found = {}

    def tensor(index: int, changed: Tensor) -> Graph:
        return replace(graph, tensors=(*graph.tensors[:index], changed, *graph.tensors[index + 1 :]))

    for i, t in enumerate(graph.tensors):
        if t.data is not None:
            data = t.data.copy()
            data.reshape(-1)[-1] ^= 1
            found[f"data {i}"] = tensor(i, replace(t, data=data))
        if t.quant is not None:
            scale = np.nextafter(t.quant.scale, np.float32(2))
            found[f"scale {i}"] = tensor(i, replace(t, quant=replace(t.quant, scale=scale)))
            found[f"zero point {i}"] = tensor(i, replace(t, quant=replace(t.quant, zero_point=t.quant.zero_point + 1)))
        found[f"type {i}"] = tensor(i, replace(t, dtype="uint8" if t.dtype != "uint8" else "int8"))
    for i, op in enumerate(graph.ops):
        for name, value in op.attrs.items():
            other = {"NONE": "RELU", "SAME": "VALID", "VALID": "SAME"}.get(value) if isinstance(value, str) else None
            other = value + 1 if isinstance(value, int) and not isinstance(value, bool) else other
            if other is not None:
                ops = (*graph.ops[:i], replace(op, attrs={**op.attrs, name: other}), *graph.ops[i + 1 :])
                found[f"op {i} {name}"] = replace(graph, ops=ops)
    found["meaning"] = replace(graph, metadata={**graph.metadata, "intrs.input": '{"mean": [0.5], "std": [0.5]}'})
    return found


def test_every_number_counts() -> None:
    graph = small()
    found = changes(graph)
    assert len(found) > 20
    digests = {name: graph_digest(g) for name, g in found.items()}
    assert graph_digest(graph) not in digests.values()
    assert len(set(digests.values())) == len(digests)


def test_names_of_classes_are_not_the_function() -> None:
    graph = small()
    renamed = replace(graph, metadata={**graph.metadata, "intrs.classes": '["d", "e", "f"]'})
    assert graph_digest(renamed) == graph_digest(graph)


def test_a_default_left_out_is_the_default() -> None:
    graph = small()
    ops = tuple(replace(op, attrs={k: v for k, v in op.attrs.items() if v not in (0, "NONE")}) for op in graph.ops)
    assert ops != graph.ops
    assert graph_digest(replace(graph, ops=ops)) == graph_digest(graph)
