"""Generated C on emulated Cortex-M0, M3, M4, M33, M55 and RV32IMC = numpy reference, bit for bit: random operators,
small networks, and the layers that the instruction sets' own kernels are for. One ELF file a board holds them all (two
on the micro:bit, whose flash is small).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from compiled import model_of
from draws import inputs_for
from emulated import Bytes, Case, outcomes
from graph_cases import CASES, op_graph, small_graph
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from network_cases import NETWORKS

from intrs_edge.boards import load_board
from intrs_edge.codegen.isa import Level, board_levels
from intrs_edge.codegen.kernels import registered
from intrs_edge.codegen.model import Model
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes import simplify
from tests.kernels.harness import needs_emulator, needs_riscv
from tests.kernels.layers import conv, inside, layer_cases, rng

# the most bytes of arena that a model may have here: the micro:bit has 16 KiB of RAM
BOARDS = {
    "microbit": 8 * 1024,
    "mps2-an385": 1 << 20,
    "mps2-an386": 1 << 20,
    "mps2-an505": 1 << 20,
    "mps3-an547": 1 << 17,
    "qemu-riscv32": 1 << 20,
}
IMAGES = 4  # the two extremes of the type, a narrow band, random values


def drawn(strategy: st.SearchStrategy[Graph], count: int, number: int) -> list[Graph]:
    """The same random graphs in every run; hypothesis's first example is its simplest one, and left out."""
    found: list[Graph] = []

    @seed(number)
    @settings(
        max_examples=count + 1, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def take(graph: Graph) -> None:
        found.append(graph)

    take()
    return found[-count:]


def layers() -> dict[str, Graph]:
    """What the special kernels are for."""
    made = {name: make() for name, make in layer_cases().items()}
    return made | {
        "conv2d_add.3x3": conv(9, 7, 16, 16, 3, rng=rng(), skip=0.9, activation="RELU"),
        "conv2d_add.tiles": conv(15, 7, 4, 4, 3, rng=rng(), skip=0.06),
        "conv2d_add.odd": conv(5, 6, 7, 7, 3, rng=rng(), skip=0.9),
        "conv2d_add.1x1": conv(4, 5, 12, 12, 1, rng=rng(), skip=0.05, zero_point=5),
        "conv2d_add.batch": inside(conv(9, 7, 16, 16, 3, rng=rng(), skip=0.9, activation="RELU"), 3),
        "conv2d_add.batch_of_pixels": inside(conv(4, 5, 12, 12, 1, rng=rng(), skip=0.05, zero_point=5), 2),
    }


def sample(each: int, networks: int, number: int) -> Iterator[tuple[str, Graph]]:
    """(name, graph): ``each`` of every operator, so many networks, and one of each layer."""
    for kind in CASES:
        for i, graph in enumerate(drawn(op_graph(kind), each, number)):
            yield f"{kind} {i}", graph
    for i, graph in enumerate(drawn(small_graph(), networks, number)):
        yield f"network {i}", graph
    for name, make in NETWORKS.items():
        yield name, simplify(make(number))
    yield from layers().items()


def rows(values: np.ndarray, count: int) -> Bytes:
    return np.ascontiguousarray(values).reshape(count, -1).view(np.uint8)


def models(graph: Graph, level: Level, variants: bool) -> Iterator[Model]:
    """The graph's different models: for speed, for size and, with ``variants``, with each special kernel alone."""
    seen = set()
    special = [k for k in registered().values() if k.requires and k.requires <= level.features]
    portable = {k.name for k in registered().values() if not k.requires}
    asked: list[tuple[str, set[str] | None]] = [("speed", None), ("size", None)]
    if variants:
        asked += [("speed", portable | {k.name}) for k in special]
    for optimize, only in asked:
        model = model_of(graph, level, optimize=optimize, only=only)
        if model.text not in seen:
            seen.add(model.text)
            yield model


def changed(delta: int) -> Graph:
    """A convolution, one of whose weights is ``delta`` larger."""
    b = GraphBuilder()
    weights = np.random.default_rng(5).integers(-127, 127, (4, 3, 3, 4))
    weights[0, 1, 1, 0] += delta
    return b.build(b.conv_2d(b.input((1, 6, 6, 4), scale=0.1), weights, weight_scale=0.01, scale=0.05))


def compare(folder: Path, board: str, each: int, networks: int, number: int) -> set[str]:
    """Runs a sample on a board, asserts that all is equal and that a wrong weight is not; the kernels that stood."""
    level = board_levels(load_board(board))[0]
    cases: list[Case] = []
    left_out = 0
    for i, (name, graph) in enumerate(sample(each, networks, number)):
        x = inputs_for(graph, IMAGES, number + i)
        expected = rows(reference.run(graph, x), IMAGES)
        for model in models(graph, level, "." in name):
            if model.arena_bytes > BOARDS[board]:
                left_out += 1
                continue
            kernels = ", ".join(c.kernel.name for c in model.levels[0].choices)
            cases.append(Case(f"{name} ({kernels})", model, rows(x, IMAGES), expected))
    assert left_out <= len(cases) // 10, f"{left_out} models have no room beside {len(cases)}"
    x = inputs_for(changed(0), IMAGES, 0)
    wrong = Case(
        "a wrong weight", model_of(changed(1), level), rows(x, IMAGES), rows(reference.run(changed(0), x), IMAGES)
    )
    *found, of_wrong = outcomes(folder, board, [*cases, wrong])
    differing = [f"{c.name}: {f}" for c, f in zip(cases, found, strict=True) if f != "equal"]
    assert not differing, differing[:20]
    assert of_wrong.startswith("differs"), of_wrong
    return {c.kernel.name for case in cases for c in case.model.levels[0].choices}


each_board = pytest.mark.parametrize(
    "board", [pytest.param(b, marks=needs_riscv if b == "qemu-riscv32" else needs_emulator) for b in BOARDS]
)


@each_board
def test_random_graphs_on_emulated_boards(tmp_path: Path, board: str) -> None:
    stood = compare(tmp_path, board, 1, 4, 7)
    level = board_levels(load_board(board))[0]
    possible = {k.name for k in registered().values() if k.requires <= level.features}
    assert possible <= stood, f"give layers() one for {sorted(possible - stood)}"


@needs_emulator
@pytest.mark.long
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("board", [b for b in BOARDS if b != "microbit"])
def test_many_random_graphs_on_emulated_boards(tmp_path: Path, board: str, number: int) -> None:
    compare(tmp_path, board, 3, 12, number)
