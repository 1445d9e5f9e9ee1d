"""The chooser: budgets, fused chains, bans, reasons."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from networks import resnet, tiny

from intrs_edge.boards import load_board
from intrs_edge.codegen.choose import chains, choose
from intrs_edge.codegen.isa import PORTABLE, Level, board_levels, host_levels, levels
from intrs_edge.codegen.kernels import Cost, Emit, Kernel, Site, register
from intrs_edge.codegen.kernels.common import base
from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.passes import simplify

TEST = Level("test", frozenset({"test"}))


def fake(label: str, speed: float, weight: float, pattern: tuple[str, ...] = ("CONV_2D",), why_not: str | None = None):
    class Fake(Kernel):
        name = label
        patterns = (pattern,)
        requires = frozenset({"test"})

        def reject(self, site: Site) -> str | None:
            return why_not

        def cost(self, site: Site) -> Cost:
            weights = site.input(1).bytes
            return Cost(speed * weights, int(weight * weights))

        def emit(self, site: Site) -> Emit:
            raise NotImplementedError

    return Fake


@pytest.fixture
def rivals() -> Iterator[None]:
    """Three convolutions of a made-up instruction set: fast and fat, middling, lean and slow; one never fits."""
    before = dict(base._REGISTRY)
    for cls in (
        fake("fat", 1, 8),
        fake("mid", 3, 2),
        fake("lean", 9, 1),
        fake("never", 0, 0, why_not="weights too large"),
    ):
        register(cls)
    yield
    base._REGISTRY.clear()
    base._REGISTRY.update(before)


def chosen(optimize: str, budget: int | None = None, without: tuple[str, ...] = ()) -> tuple[list[str], int, float]:
    graph = simplify(resnet(1))
    only = {"fat", "mid", "lean", "never", "add.portable", "average_pool2d.portable", "fully_connected.portable"}
    choices = choose(graph, TEST, optimize, budget, only=(only | {"reshape.portable"}) - set(without))
    names = [c.kernel.name for c in choices if c.site.op.kind == "CONV_2D"]
    return names, sum(c.cost.weight_bytes for c in choices), sum(c.cost.instructions for c in choices)


@pytest.mark.usefixtures("rivals")
def test_size_speed_and_what_lies_between() -> None:
    _, least, slow = chosen("size", without=("mid", "fat"))
    names, size, _ = chosen("size")
    assert least <= size <= 1.125 * least
    assert "fat" not in names
    fast, most, quick = chosen("speed")
    assert set(fast) == {"fat"}
    _, balanced, between = chosen("balanced")
    assert balanced <= 2 * least
    assert quick < between < slow
    budget = (least + most) // 2
    mixed, used, speed = chosen("speed", budget)
    assert used <= budget
    assert used > 0.7 * budget, "the budget is not used"
    assert quick < speed < slow
    assert {"fat"} < set(mixed)


@pytest.mark.usefixtures("rivals")
def test_reasons_are_recorded() -> None:
    graph = simplify(resnet(1))
    choices = choose(graph, TEST, "speed")
    first = choices[0]
    assert ("never", "rejected: weights too large") in first.others
    assert any(name == "lean" and "instructions" in text for name, text in first.others)


def test_features_gate_kernels() -> None:
    names = {c.kernel.name for c in choose(simplify(resnet(1)), PORTABLE, "speed")}
    assert all(name.endswith((".portable", ".alias")) for name in names)


def test_a_chain_needs_a_single_reader() -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 2), scale=0.1)
    y = b.conv_2d(x, [[[[1, 2]]], [[[3, 4]]]], weight_scale=0.1, scale=0.1)
    z = b.add(y, x, scale=0.2)
    alone = b.build(b.max_pool_2d(z, 4))
    assert list(chains(alone, 0, ("CONV_2D", "ADD"))) == [(0, 1)]
    shared = b.build(b.add(z, y, scale=0.3))
    assert list(chains(shared, 0, ("CONV_2D", "ADD"))) == []
    b = GraphBuilder()
    x = b.input((1, 4, 4, 2), scale=0.1)
    y = b.conv_2d(x, [[[[1, 2]]], [[[3, 4]]]], weight_scale=0.1, scale=0.1)
    twice = b.build(b.add(y, y, scale=0.2))
    assert list(chains(twice, 0, ("CONV_2D", "ADD"))) == []


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(IntrsError, match=r"no kernel for .*CONV_2D \(op 0\).*MAX_POOL_2D"):
        choose(simplify(tiny()), PORTABLE, "speed", only=["add.portable"])
    with pytest.raises(IntrsError, match="speed, balanced, size"):
        choose(simplify(tiny()), PORTABLE, "fast")


def test_levels_of_cpus() -> None:
    assert host_levels("AMD64")[-1] == host_levels("riscv64")[-1] == PORTABLE
    assert host_levels("x86_64")[0].features > host_levels("x86_64")[1].features
    assert levels("cortex-m55")[0].features >= {"dsp", "mve"}
    assert "dsp" not in board_levels(load_board("mps2-an385"))[0].features
    assert "dsp" in board_levels(load_board("mps2-an386"))[0].features
    with pytest.raises(IntrsError, match="cortex-m99"):
        levels("cortex-m99")


def test_a_kernel_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        register(type(base.registered()["conv2d.portable"]))
