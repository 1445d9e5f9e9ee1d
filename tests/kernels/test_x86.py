"""The AVX2 kernels equal the numpy reference bit for bit, for every tail, stride, padding and extreme input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.choose import choose
from intrs_edge.codegen.isa import PORTABLE, Level, levels
from intrs_edge.codegen.kernels import Site, registered
from intrs_edge.codegen.kernels.common import elementwise
from intrs_edge.codegen.kernels.common.sums import affine_sum, all_sums
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.quantize import AddParams, Requant, quantize_multiplier
from tests.kernels.host import has_feature, model_of, needs_avx2, program, run_model, run_program
from tests.kernels.layers import average_pool, conv, depthwise, fully_connected, inputs_for, layer_cases, residual, ties

VNNI = levels("x86_64")[0]
needs_vnni = pytest.mark.skipif(
    not (has_feature("avx512_vnni") and has_feature("avx512vl")), reason="this CPU has no AVX512-VNNI"
)
AVX2 = Level("avx2", frozenset({"x86", "avx2"}))
BATCH = 5


def check(tmp_path: Path, graph: Graph, kernel: str, seed: int = 0, level: Level = AVX2) -> None:
    """The graph runs with this kernel, and gives the reference's outputs."""
    names = {kernel, *(name for name in registered() if name.endswith(".portable"))}
    model = model_of(graph, level, BATCH, names)
    assert kernel in [c.kernel.name for c in model.levels[0].choices], model.levels[0].choices
    x = inputs_for(graph, np.random.default_rng(seed), BATCH)
    assert np.array_equal(run_model(tmp_path, graph, model, x), reference.run(graph, x).reshape(BATCH, -1))


@needs_avx2
@pytest.mark.parametrize(
    ("h", "w", "in_c", "out_c"),
    [(8, 8, 16, 16), (32, 32, 16, 16), (7, 5, 16, 32), (1, 1, 32, 16), (9, 4, 48, 16), (3, 13, 64, 80)],
)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_winograd4(tmp_path: Path, h: int, w: int, in_c: int, out_c: int, padding: str) -> None:
    if padding == "VALID" and min(h, w) < 3:
        pytest.skip("no output")
    rng = np.random.default_rng(h)
    graph = conv(h, w, in_c, out_c, 3, padding=padding, activation="RELU" if h % 2 else "NONE", rng=rng)
    check(tmp_path, graph, "conv2d.x86_winograd4")


@needs_avx2
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_winograd4_extreme_weights(tmp_path: Path, zero_point: int) -> None:
    check(
        tmp_path,
        conv(8, 8, 64, 16, 3, zero_point=zero_point, extreme=True, rng=np.random.default_rng(1)),
        "conv2d.x86_winograd4",
    )


@needs_avx2
@pytest.mark.parametrize(
    ("h", "w", "in_c", "out_c", "filter_", "options"),
    [
        (32, 32, 3, 16, 3, {}),
        (16, 16, 16, 32, 3, {"stride": 2}),
        (16, 16, 16, 32, 1, {"stride": 2, "padding": "VALID"}),
        (5, 6, 7, 9, 3, {}),
        (6, 7, 1, 1, 2, {"stride": (2, 1)}),
        (9, 8, 5, 17, 3, {"dilation": 2, "padding": "VALID"}),
        (9, 12, 3, 33, (2, 3), {"dilation": (1, 3)}),
        (4, 4, 33, 20, 1, {}),
        (10, 4, 2, 64, (10, 4), {"stride": 2}),
        (1, 1, 40, 10, 1, {}),
        (3, 3, 130, 15, 3, {"padding": "VALID"}),
    ],
)
def test_direct(
    tmp_path: Path, h: int, w: int, in_c: int, out_c: int, filter_: int | tuple[int, int], options: dict[str, object]
) -> None:
    graph = conv(h, w, in_c, out_c, filter_, zero_point=17, rng=np.random.default_rng(in_c), **options)
    check(tmp_path, graph, "conv2d.x86")


@needs_avx2
@pytest.mark.parametrize("activation", ["NONE", "RELU"])
@pytest.mark.parametrize("kernel", ["conv2d.x86", "conv2d.x86_winograd4"])
def test_exact_halves(tmp_path: Path, activation: str, kernel: str) -> None:
    check(tmp_path, ties(activation), kernel)


@needs_vnni
@pytest.mark.parametrize("name", [n for n in layer_cases() if n.split(".")[0] in ("conv2d", "fully_connected")])
def test_vnni(tmp_path: Path, name: str) -> None:
    check(tmp_path, layer_cases()[name](), name.split(".", maxsplit=1)[0] + ".x86_vnni", level=VNNI)


@needs_avx2
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("in_n", "out_n"), [(64, 10), (33, 5), (1, 1), (640, 128)])
def test_fully_connected(tmp_path: Path, rows: int, in_n: int, out_n: int) -> None:
    check(tmp_path, fully_connected(rows, in_n, out_n, np.random.default_rng(in_n)), "fully_connected.x86")


@needs_avx2
@pytest.mark.parametrize(
    ("channels", "filter_", "stride"), [(16, 3, 1), (8, 3, 2), (64, 5, 1), (21, 3, 1), (1, 2, 2), (40, 1, 1)]
)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_depthwise(tmp_path: Path, channels: int, filter_: int, stride: int, padding: str) -> None:
    check(tmp_path, depthwise(channels, filter_, stride, padding, np.random.default_rng(channels)), "depthwise2d.x86")


@needs_avx2
@pytest.mark.parametrize("n", [1, 7, 8, 50])
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_sum(tmp_path: Path, n: int, kind: str) -> None:
    check(tmp_path, residual(n, (0.02, 0.0151, 0.0263), kind), "add.x86_affine")


@needs_avx2
@pytest.mark.parametrize("n", [1, 7, 8, 50])
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_add_without_a_formula(tmp_path: Path, n: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elementwise, "affine_sum", lambda p: None)
    check(tmp_path, residual(n, (0.02, 0.0151, 0.0263), kind, "NONE"), "add.x86")


@needs_avx2
@pytest.mark.parametrize("size", [(8, 8), (5, 6)])
def test_winograd4_with_residual_sum(tmp_path: Path, size: tuple[int, int]) -> None:
    kernel = registered()["conv2d_add.x86_winograd4"]
    for skip in np.arange(0.03, 0.04, 0.001):  # most scales have an exact formula
        graph = conv(*size, 16, 16, 3, rng=np.random.default_rng(4), skip=float(skip))
        if kernel.reject(Site(graph, (0, 1))) is None:
            check(tmp_path, graph, kernel.name)
            return
    pytest.fail("no scale has a formula")


@needs_avx2
@pytest.mark.parametrize(
    ("size", "channels", "filter_", "padding"), [(8, 64, 8, "VALID"), (7, 19, 3, "SAME"), (32, 16, 16, "VALID")]
)
def test_average_pool(tmp_path: Path, size: int, channels: int, filter_: int, padding: str) -> None:
    check(tmp_path, average_pool(size, channels, filter_, padding), "average_pool2d.x86")


### sanitizers ###


@needs_avx2
@pytest.mark.parametrize("op", ["conv2d", "fully_connected", "depthwise2d", "add", "average_pool2d"])
def test_under_the_sanitizers(tmp_path: Path, op: str) -> None:
    """Every variant, compiled with the address and undefined-behaviour sanitizers."""
    options = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    kernels = [k for name, k in registered().items() if name.startswith(f"{op}.x86") and "vnni" not in name]
    ran: dict[str, int] = {}
    for name, make in layer_cases().items():
        graph = make()
        for kernel in kernels:
            if name.split(".")[0] != op or kernel.reject(Site(graph, (len(graph.ops) - 1,))) is not None:
                continue
            if ran.get(kernel.name, 0) == 2:
                continue
            ran[kernel.name] = ran.get(kernel.name, 0) + 1
            model = model_of(
                graph,
                AVX2,
                BATCH,
                {kernel.name, *(n for n in registered() if n.endswith(".portable"))},
            )
            elf = program(tmp_path, graph, model, "cc", options, ())
            x = inputs_for(graph, np.random.default_rng(1), BATCH)
            assert np.array_equal(run_program(elf, model, x, ()), reference.run(graph, x).reshape(BATCH, -1))
    assert set(ran) == {k.name for k in kernels}


### guards ###


def _rejected(graph: Graph, kernel: str) -> str:
    choices = choose(graph, AVX2, "speed")
    return next(why for c in choices for name, why in c.others if name == kernel)


def test_winograd4_is_refused_where_its_range_breaks() -> None:
    rng = np.random.default_rng(0)
    b = GraphBuilder("wide")
    x = b.input((1, 4, 4, 256), scale=0.02)
    weights = np.full((16, 3, 3, 256), 127)
    graph = b.build(b.conv_2d(x, weights, rng.integers(0, 9, 16), weight_scale=0.01, scale=9.0))
    assert "limit is 2^25" in _rejected(graph, "conv2d.x86_winograd4")


def test_a_multiplier_above_one_is_left_to_the_portable_kernel() -> None:
    b = GraphBuilder("up")
    x = b.input((1, 4, 4, 16), scale=0.5)
    graph = b.build(b.conv_2d(x, np.ones((16, 3, 3, 16)), None, weight_scale=0.5, scale=0.01))
    assert "scaled up" in _rejected(graph, "conv2d.x86")
    assert [c.kernel.name for c in choose(graph, AVX2, "speed")] == ["conv2d.portable"]


def test_without_avx2_only_portable_kernels_stand() -> None:
    graph = conv(8, 8, 16, 16, 3, rng=np.random.default_rng(0))
    assert [c.kernel.name for c in choose(graph, PORTABLE, "speed")] == ["conv2d.portable"]


def test_the_sum_formula_is_exact_or_absent() -> None:
    rng = np.random.default_rng(1)
    found = 0
    values = np.arange(-128, 128)
    for _ in range(30):
        s1, s2 = np.exp(rng.uniform(-4, -2, 2))
        twice, out = 2 * max(s1, s2), max(s1, s2) * rng.uniform(0.6, 1.4)
        a, b, q = (quantize_multiplier(v) for v in (s1 / twice, s2 / twice, twice / (2**20 * out)))
        requant = Requant(np.array([q[0]], np.int32), np.array([q[1]], np.int8), int(rng.integers(-128, 20)), -128, 127)
        p = AddParams((-128, int(rng.integers(-40, 40))), (a[0], b[0]), (a[1], b[1]), 20, requant)
        formula = affine_sum(p)
        if formula is not None:
            found += 1
            fx, fy, offset, shift = formula
            total = fx * values[:, None] + fy * values[None, :] + offset
            assert np.abs(total).max() < 2**31
            assert np.array_equal(np.clip(total >> shift, p.q.min, p.q.max), all_sums(p))
    assert found > 10
