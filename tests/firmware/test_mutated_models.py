"""Damaged model files that are still taken: what the compiler makes of them runs in C, under ASan and UBSan, as the
numpy reference says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from graph_cases import CASES
from test_hostile import mutate, seeds

from intrs_edge.errors import IntrsError
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import normalize
from intrs_edge.graph.summary import summarize
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import validate

from .test_portable_kernels import build, collect, run

LARGEST = 1 << 16  # values of a tensor, and a hundred times that many multiply-accumulates: what runs in a moment
TOGETHER = 60  # models of one program


def taken(data: bytes) -> Graph | None:
    """The graph of a file that the compiler takes, small enough to run here."""
    try:
        graph = normalize(read_tflite(data))
        validate(graph)
    except IntrsError:
        return None
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or graph.inputs == graph.outputs or not graph.ops:
        return None
    small = max(t.elements for t in graph.tensors) <= LARGEST and summarize(graph).macs <= 100 * LARGEST
    return graph if small else None


def mutants(count: int, seed: int) -> Iterator[Graph]:
    """The graphs of ``count`` mutated files that are taken and differ from every one before."""
    rng, known = np.random.default_rng(seed), set()
    originals = [*seeds(), *(write_tflite(graph) for graph in collect(CASES, 1))]
    for i in range(count):
        data = mutate(rng, originals[i % len(originals)], originals[int(rng.integers(len(originals)))])
        graph = taken(data)
        if graph is None:
            continue
        digest = hashlib.sha256(write_tflite(graph)).digest()
        if digest not in known:
            known.add(digest)
            yield graph


def campaign(folder: Path, count: int, seed: int) -> int:
    """Runs every mutant that is taken; gives how many that were."""
    ran, waiting = 0, []
    for graph in (*mutants(count, seed), None):
        if graph is not None:
            waiting.append(graph)
        if waiting and (graph is None or len(waiting) == TOGETHER):
            here = folder / str(ran)
            here.mkdir()
            done = run(build(here, "gcc", waiting))
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
            assert f"{len(waiting)} cases" in done.stdout
            ran += len(waiting)
            waiting = []
    return ran


def test_mutated_models_run_as_the_reference_says(tmp_path: Path) -> None:
    assert campaign(tmp_path, 250, 1) >= 20


@pytest.mark.long
def test_ten_thousand_mutated_models(tmp_path: Path) -> None:
    ran = campaign(tmp_path, 10_000, 2)
    print(f"of 10000 mutated files {ran} are taken as models of their own; all ran as the reference says")
    assert ran >= 300
