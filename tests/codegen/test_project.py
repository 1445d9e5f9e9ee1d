"""A generated project: what is in it, what is refused, what it says."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from draws import inputs_for
from networks import resnet, tiny

from intrs_edge.boards import Memory, load_board
from intrs_edge.children import patient
from intrs_edge.codegen import GenerateOptions, generate, inspect, inspect_text, project, sizes
from intrs_edge.errors import IntrsError
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.digest import graph_digest
from intrs_edge.graph.tflite_reader import read_tflite

OPTIONS = GenerateOptions(n0=10, n=100, sigma=Decimal("0.1"), machine="x86_64")
needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def small_board(flash: int, ram: int):
    board = load_board("mps2-an386")
    memory = tuple(Memory(m.name, m.kind, m.origin, flash if m.kind == "flash" else ram) for m in board.memory)
    return replace(board, memory=memory)


def test_layout_and_manifest(tmp_path: Path) -> None:
    report = generate(tiny(), replace(OPTIONS, board="mps2-an386"), tmp_path / "p")
    files = contents(tmp_path / "p")
    for name in (
        "CMakeLists.txt", "project.json", "README.md", "include/intrs.h", "common/intrs_tables.c",
        "host/intrs_config.h",
        "host/intrs_model.c", "board/intrs_config.h", "board/intrs_model.c", "board/intrs.ld", "memory.svg",
        "runtime/kernels/portable/intrs_requant.h",
    ):  # fmt: skip
        assert name in files
    manifest = json.loads(files["project.json"])
    assert manifest == report.manifest
    assert manifest["model_hash"] == graph_digest(read_tflite(files["model.tflite"]))
    assert manifest["image_shape"] == [4, 4, 1]
    assert manifest["classes"] == ["0", "1", "2"]
    assert f"0x{manifest['model_hash'][:8]}u" in files["board/intrs_config.h"].decode()
    json.dumps(report.as_json())
    assert "arena" in report.as_text()
    assert not list(tmp_path.glob(".p*"))  # no draft left


def test_output_is_deterministic_and_replaced_whole(tmp_path: Path) -> None:
    generate(tiny(), OPTIONS, tmp_path / "a")
    first = contents(tmp_path / "a")
    (tmp_path / "a" / "stale").write_text("left over")
    generate(tiny(), OPTIONS, tmp_path / "a")
    assert contents(tmp_path / "a") == first
    generate(tiny(), OPTIONS, tmp_path / "elsewhere")
    assert contents(tmp_path / "elsewhere") == first


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "file", "link"):
        with pytest.raises(IntrsError, match="give another output folder"):
            generate(tiny(), OPTIONS, tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("flash", "ram", "names"),
    [(4096, 1 << 20, "flash"), (1 << 20, 256, "RAM"), (16384, 1 << 20, "flash")],
)
def test_small_boards_are_refused_before_writing(tmp_path: Path, flash: int, ram: int, names: str) -> None:
    with pytest.raises(IntrsError, match=rf"too small.*{names}") as error:
        generate(resnet(1), replace(OPTIONS, board=small_board(flash, ram)), tmp_path / "p")
    assert str(min(flash, ram)) in str(error.value)
    assert list(tmp_path.iterdir()) == []


@needs_arm
def test_an_overflow_found_by_the_linker_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(IntrsError, match=r"too small: flash needs \d+ bytes and has 10240"):
        generate(tiny(), replace(OPTIONS, board=small_board(10240, 1 << 20)), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@needs_arm
@pytest.mark.parametrize(("flash", "ram"), [(480_000, 4_000_000), (4_000_000, 42_000)])
def test_a_choice_that_proves_too_large_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flash: int, ram: int
) -> None:
    """With nothing set aside for code and data the first choice overflows the board; the second fits."""
    monkeypatch.setattr(project, "_CODE_RESERVE", 0)
    monkeypatch.setattr(project, "_DATA_RESERVE", -8192)
    tried = []
    choose = project.plan_level

    def plan_level(graph, level, optimize, batch=1, weight_budget=None, arena_budget=None, **more):
        made = choose(graph, level, optimize, batch, weight_budget, arena_budget, **more)
        if weight_budget is not None:  # the board's, not the host's
            tried.append((sum(c.cost.weight_bytes for c in made.choices), made.plan.bytes))
        return made

    monkeypatch.setattr(project, "plan_level", plan_level)
    board = small_board(flash, ram)
    options = replace(OPTIONS, board=board, optimize="speed", flash_budget="100%", ram_budget="100%")
    report = generate(resnet(1), options, tmp_path / "p")
    (weights, arena), (weights_again, arena_again) = tried
    # what was in short supply shrank
    assert weights_again < weights if flash < ram else arena_again < arena
    assert report.sizes.measured
    assert report.sizes.arena == arena_again
    assert report.sizes.flash <= flash
    assert report.sizes.arena + report.sizes.ram + board.stack_bytes <= ram
    assert (tmp_path / "p" / "board" / "intrs_model.c").is_file()


def test_without_a_compiler_sizes_are_labelled_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = generate(tiny(), replace(OPTIONS, board="mps2-an386"), tmp_path / "p").sizes
    monkeypatch.setattr(sizes.shutil, "which", lambda name: None)
    report = generate(tiny(), replace(OPTIONS, board="mps2-an386"), tmp_path / "p")
    assert not report.sizes.measured
    assert "estimated, upper bound" in report.as_text()
    if measured.measured:
        assert report.sizes.code >= measured.code


def test_names_of_the_model_reach_no_source(tmp_path: Path) -> None:
    evil = '*/ #error "x" ../../$(touch pwned) `id` \n"; int main'
    b = GraphBuilder(evil)
    x = b.input((1, 4, 4, 1), scale=1 / 255, zero_point=-128, name=evil)
    y = b.conv_2d(x, np.ones((2, 4, 4, 1)), weight_scale=0.1, scale=0.1, padding="VALID", name=evil)
    graph = replace(b.build(b.reshape(y, (1, 2))), metadata={"intrs.classes": json.dumps([evil[:-13], "b"])})
    generate(graph, replace(OPTIONS, board="mps2-an386"), tmp_path / "p")
    for name, data in contents(tmp_path / "p").items():
        if name not in ("model.tflite", "project.json"):
            assert b"pwned" not in data, name
            assert b"pwned" not in name.encode()
    assert json.loads((tmp_path / "p" / "project.json").read_text())["classes"][0] == evil[:-13]


def test_malformed_metadata_and_ends_are_one_line(tmp_path: Path) -> None:
    graph = tiny()
    for metadata, match in (
        ({"intrs.classes": '["a"]'}, "intrs.classes"),
        ({"intrs.classes": '["a", "b", "\\n"]'}, "each printable"),
        ({"intrs.classes": '["a", "b", 3]'}, "intrs.classes"),
        ({"intrs.classes": "[" * 5000}, "intrs.classes is nested deeper than 32 levels"),
        ({"intrs.input": '{"mean": [0.5]}'}, "intrs.input"),
    ):
        with pytest.raises(IntrsError, match=match):
            generate(replace(graph, metadata=metadata), OPTIONS, tmp_path / "p")
    with pytest.raises(IntrsError, match="optimize"):
        replace(OPTIONS, optimize="fast")
    with pytest.raises(IntrsError):
        generate(replace(graph, outputs=(*graph.outputs, graph.inputs[0])), OPTIONS, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with sanitizers off, warnings as errors, built by CMake for the host (and the board where its compiler
    is).
    """
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    project = tmp_path_factory.mktemp("project") / "p"
    generate(tiny(), replace(GenerateOptions(n0=10, n=100, sigma=Decimal("0.1")), board="mps2-an386"), project)
    for command in (
        ["cmake", "-S", str(project), "-B", str(project / "build"), "-DINTRS_WERROR=ON"],
        ["cmake", "--build", str(project / "build")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=patient(300), check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return project


def test_cmake_builds_a_library_that_infers(built: Path) -> None:
    library = ctypes.CDLL(str(built / "build/host/libintrs.so"))
    fields = (ctypes.c_uint32 * 11)()
    assert library.intrs_library_fields(fields, 11) == 11
    memory = np.zeros(fields[10] + 64, np.uint8)
    workspace = ctypes.c_void_p(memory.ctypes.data + (-memory.ctypes.data) % 64)
    graph = read_tflite(built / "model.tflite")
    x = inputs_for(graph, 40, 3)
    out = np.zeros((len(x), 3), np.int8)
    for image, logits in zip(x, out, strict=True):
        flat = np.ascontiguousarray(image)
        arguments = (workspace, ctypes.c_void_p(flat.ctypes.data), ctypes.c_void_p(logits.ctypes.data))
        assert library.intrs_infer(*arguments) == 0
    np.testing.assert_array_equal(out, reference.run(graph, x))
    assert library.intrs_infer(None, None, None) == -1


def test_the_library_exports_the_interface_alone(built: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    text = subprocess.run(
        ["nm", "-D", "--defined-only", str(built / "build/host/libintrs.so")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[-1] for line in text.splitlines()}
    assert {n for n in names if not n.startswith("_")} == {
        "intrs_infer", "intrs_votes", "intrs_predict", "intrs_certify", "intrs_radius_squared", "intrs_library_fields",
        "intrs_next_look", "intrs_judge", "intrs_decides", "intrs_check", "intrs_looks",
        "intrs_certify_begin", "intrs_certify_step", "intrs_certify_end", "intrs_certify_now", "intrs_proved",
    }  # fmt: skip


@needs_arm
def test_the_measured_sizes_are_those_of_the_built_image(built: Path) -> None:
    manifest = json.loads((built / "project.json").read_text())["sizes"]
    assert (built / "build/board/intrs.elf").is_file()
    assert manifest["measured"]
    image = (built / "build/board/intrs.bin").stat().st_size
    assert abs(image - manifest["flash"]) <= 256


def test_stack_bound_of_a_call_graph() -> None:
    node = 'node: {{ title: "{0}" label: "{0}\\nx.c:1:1\\n{1} bytes ({2})\\n0 dynamic objects" }}\n'
    edge = 'edge: {{ sourcename: "{0}" targetname: "{1}" }}\n'
    a, b, c = (node.format(n, s, "static") for n, s in (("a", 8), ("b", 100), ("c", 40)))
    assert sizes.stack_bound([a + b + c + edge.format("a", "b") + edge.format("a", "c")], "a") == 108
    assert sizes.stack_bound([a + c + edge.format("a", "c"), b + edge.format("c", "b")], "a") == 148
    pointer = edge.format("a", "__indirect_call")
    assert sizes.stack_bound([a + b + c + pointer + edge.format("b", "c")], "a") == 148
    clone = node.format("x.c:b", 100, "static") + edge.format("x.c:b", "c")
    assert sizes.stack_bound([a + clone + c + pointer], "a", ["a", "b.part.0", "c"]) == 148
    assert sizes.stack_bound([a + clone + c + pointer], "a", ["a", "c"]) == 48  # not in the image: not called
    with pytest.raises(IntrsError, match="calls itself: b -> c -> b"):
        sizes.stack_bound([a + b + c + edge.format("a", "b") + edge.format("b", "c") + edge.format("c", "b")], "a")
    with pytest.raises(IntrsError, match="no bound"):
        sizes.stack_bound([a + node.format("d", 8, "dynamic") + edge.format("a", "d")], "a")


def test_inspect_counts_macs_and_says_what_fits() -> None:
    found = inspect(resnet(3), [load_board("mps2-an386"), small_board(1 << 16, 1 << 14)])
    # stem; six 3x3 at 16 channels; a half and five each at 32 and 64 channels; two shortcuts; the last layer
    assert found["macs"] == 442_368 + 6 * 2_359_296 + 2 * (1_179_648 + 5 * 2_359_296) + 2 * 131_072 + 640
    assert found["arena_bytes"] <= 36 * 1024
    assert {"macs", "arena_bytes", "flash_bytes", "weights_bytes", "ops"} <= set(found)
    assert [b["fits"] for b in found["boards"]] == [True, False]
    json.dumps(found)
    assert "NO" in inspect_text(found)


def test_uint8_ends_become_int8(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input((1, 4, 4, 1), scale=1 / 255, zero_point=0, dtype="uint8")
    y = b.unary("QUANTIZE", x, scale=1 / 255, zero_point=-128)
    y = b.max_pool_2d(y, 2)
    y = b.op("QUANTIZE", [b.reshape(y, (1, 4))], (1, 4), quant(1 / 255, 0), dtype="uint8")
    report = generate(b.build(y), OPTIONS, tmp_path / "p")
    assert report.manifest["input"] == {
        "scale": np.float32(1 / 255), "zero_point": 0, "dtype": "uint8", "shape": [1, 4, 4, 1]
    }  # fmt: skip
    assert report.manifest["output"] == {"dtype": "uint8"}
    assert report.manifest["reads"]["range"] == "0..1"
    graph = read_tflite(tmp_path / "p" / "model.tflite")
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    unsigned = reference.run(b.build(y), pixels)
    signed = reference.run(graph, (pixels.astype(np.int16) - 128).astype(np.int8))
    np.testing.assert_array_equal(signed.astype(np.int16) + 128, unsigned)


@pytest.mark.parametrize(
    ("end", "dropped", "refused"),
    [("logits", "", ""), ("ARG_MAX", "ARG_MAX", ""), ("one", "", "one value"), ("map", "", "a map")],
)
def test_what_the_certificate_speaks_of_is_said(tmp_path: Path, end: str, dropped: str, refused: str) -> None:
    """A tail that is left out; and no project of what is no classifier."""
    b = GraphBuilder()
    x = b.input((1, 2, 2, 1), scale=1 / 255, zero_point=-128)
    y = b.unary("RELU", x)
    if end != "map":
        y = b.fully_connected(x, np.ones((1 if end == "one" else 3, 4)), weight_scale=0.1, scale=0.1)
    if end == "ARG_MAX":
        y = b.op(end, [y, b.constant(1, dtype="int32")], (1,), None, dtype="int32")
    if refused:
        with pytest.raises(IntrsError, match=refused):
            generate(b.build(y), OPTIONS, tmp_path / "p")
        assert not (tmp_path / "p").exists()
        return
    report = generate(b.build(y), OPTIONS, tmp_path / "p")
    assert report.manifest["dropped"] == dropped
    assert ("output   the logits; left out behind them: ARG_MAX" in report.as_text()) == bool(dropped)


def test_operators_that_the_reference_computes_in_its_own_way_are_named(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.input((1, 2, 2, 3), scale=1 / 255, zero_point=-128)
    graph = b.build(b.op("SUM", [x, b.constant([1, 2], dtype="int32")], (1, 3), b.quant_of(x), {"keep_dims": False}))
    said = "SUM 'sum_0' reads int8 values as unsigned bytes"
    assert f"WARNING  {said}" in generate(graph, OPTIONS, tmp_path / "p").as_text()
    assert f"WARNING: {said}" in inspect_text(inspect(graph, []))
    assert "WARNING" not in inspect_text(inspect(tiny(), []))
