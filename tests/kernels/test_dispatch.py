"""One host program for every x86-64 CPU: AVX2 where there is, the portable kernels elsewhere, the same votes."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.build import build_project


def graph() -> Graph:
    """A stem, a residual block and a head on 8x8 images."""
    rng = np.random.default_rng(5)
    b = GraphBuilder("block")
    x = b.input((1, 8, 8, 3), scale=1 / 32, zero_point=-20)
    x = b.conv_2d(
        x,
        rng.integers(-127, 128, (16, 3, 3, 3)),
        None,
        weight_scale=0.004,
        scale=0.02,
        activation="RELU",
        zero_point=-128,
    )
    y = b.conv_2d(x, rng.integers(-127, 128, (16, 3, 3, 16)), None, weight_scale=0.003, scale=0.02)
    x = b.flatten(b.average_pool_2d(b.add(x, y, scale=0.02, zero_point=-90), 4))
    y = b.fully_connected(x, rng.integers(-127, 128, (4, 64)), None, weight_scale=0.01, scale=0.02)
    return b.build(y, {"intrs.input": '{"range": "0..1"}'})


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an x86-64 host program")
@pytest.mark.skipif(not all(map(shutil.which, ("cmake", "qemu-x86_64"))), reason="needs cmake and qemu-x86_64")
def test_the_same_program_votes_alike_without_avx2(tmp_path: Path) -> None:
    generate(graph(), GenerateOptions(), tmp_path / "p")
    build_project(tmp_path / "p", 2)
    image = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    inputs = np.random.default_rng(3).integers(-128, 128, (9, 8, 8, 3)).astype(np.int8)
    votes, logits = [], []
    intrs = tmp_path / "p" / "build" / "host" / "intrs"
    for spec in ("host", f"run:qemu-x86_64 -cpu Nehalem {intrs}", f"run:{intrs}"):
        with open_target(tmp_path / "p", spec) as target:
            votes.append(target.votes(image, Stream(9, 4), 5, 70))
            logits.append(target.infer(inputs))
    assert votes[0].sum() == 70
    assert np.count_nonzero(votes[0]) > 1
    for other_votes, other_logits in zip(votes[1:], logits[1:], strict=True):
        assert np.array_equal(votes[0], other_votes)
        assert np.array_equal(logits[0], other_logits)
