"""A small real project, generated and built: for tests that need the whole chain."""

import subprocess
from decimal import Decimal
from pathlib import Path

import numpy as np

from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph

SHAPE = (8, 8, 1)


def small_graph():
    """A convolution and a fully connected layer on 8x8 images, with weights from a fixed seed."""
    rng = np.random.default_rng(5)
    b = GraphBuilder("small")
    x = b.input((1, *SHAPE), scale=4 / 255, zero_point=0)
    w = rng.integers(-127, 128, (8, 3, 3, 1)).astype(np.int8)
    x = b.conv_2d(x, w, None, weight_scale=0.01, scale=0.03, zero_point=-128, activation="RELU", stride=2)
    w = rng.integers(-127, 128, (10, 128)).astype(np.int8)
    return b.build(b.fully_connected(x, w, None, weight_scale=0.01, scale=0.1), {"intrs.input": '{"range": "0..1"}'})


def build_small(directory: Path, board: str = "host", **settings) -> Path:
    """Generates and builds it, as the command line does."""
    return build(small_graph(), directory, board, **({"sigma": Decimal("0.25"), "n0": 16, "n": 100} | settings))


def build(graph: Graph, directory: Path, board: str, **settings) -> Path:
    """The project of a model, generated and built."""
    generate(graph, GenerateOptions(board=board, **settings), directory)
    for command in (["cmake", "-S", directory, "-B", directory / "build", "-G", "Ninja", "-DINTRS_WERROR=ON"],
                    ["cmake", "--build", directory / "build"]):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return directory
