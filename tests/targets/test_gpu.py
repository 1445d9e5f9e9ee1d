"""The GPU engine as a target: the host's counts and certificates, and what it refuses. Runs on the CPU by the same
code."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from small_project import build, build_small

torch = pytest.importorskip("torch", reason="the extra gpu is not installed")

from intrs_edge import zoo  # noqa: E402
from intrs_edge.codegen import GenerateOptions, generate  # noqa: E402
from intrs_edge.convert import load_model  # noqa: E402
from intrs_edge.errors import IntrsError  # noqa: E402
from intrs_edge.gpu import engine as engine_module  # noqa: E402
from intrs_edge.gpu.engine import Engine, Request, open_device  # noqa: E402
from intrs_edge.graph import reference  # noqa: E402
from intrs_edge.graph.builder import GraphBuilder  # noqa: E402
from intrs_edge.graph.input_map import derive_input_map, image_shape  # noqa: E402
from intrs_edge.graph.passes import simplify  # noqa: E402
from intrs_edge.smoothing import Mode, Smoothing, Stream, votes  # noqa: E402
from intrs_edge.targets import open_target  # noqa: E402

NAMES = [e.name for e in zoo.entries()]


def images(shape, count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, *shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_small(
        tmp_path_factory.mktemp("gpu") / "p", n=200, target_radius=Decimal("0.1"), precision=Decimal("0.3")
    )


@pytest.mark.parametrize("name", NAMES)
def test_votes_of_the_zoo_are_the_references(name):
    """The host library has these counts too: test_same_counts.py, and the long test below."""
    graph = simplify(load_model(zoo.entry(name).path))
    smoothing = Smoothing(shape=image_shape(graph), sigma="0.25")
    to_input = derive_input_map(graph, smoothing.distribution.last)
    engine = Engine(graph, to_input, smoothing.sampler, open_device("cpu"))

    def classify(noisy):
        return np.argmax(reference.run(graph, to_input.apply(noisy)), axis=-1)

    pictures = images(smoothing.shape, 2) // np.array([1, 4], np.uint8)[:, None, None, None]
    requests = [Request(x, Stream(9, k), 3 * k, 4 + k) for k, x in enumerate(pictures)]
    classes = graph.tensors[graph.outputs[0]].elements
    expected = [votes(classify, r.image, r.stream, smoothing, r.first, r.count, classes) for r in requests]
    engine.batch = 3  # a request in parts, and parts of two requests together
    np.testing.assert_array_equal(engine.votes(requests), expected)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_counts_of_the_zoo_are_the_hosts(name, tmp_path):
    project = build(load_model(zoo.entry(name).path), tmp_path / "p", "host", n=500)
    with open_target(project, "torch-cpu") as gpu, open_target(project, "host") as host:
        for k, x in enumerate(images(host.info.image_shape, 2)):
            assert gpu.certify(x, Stream(1, k)) == host.certify(x, Stream(1, k))


def test_certificates_are_the_hosts(built):
    with open_target(built, "torch-cpu") as gpu, open_target(built, "host") as host:
        work = [(x // (1 + k), Stream(7, k)) for k, x in enumerate(images(host.info.image_shape, 5))]
        for mode in Mode:
            expected = [host.certify(x, s, mode) for x, s in work]
            assert [gpu.certify(x, s, mode) for x, s in work[:2]] == expected[:2]
            many = list(gpu.certify_many(iter(work), mode))
            assert [(s, c) for s, c, _ in many] == [(s, c) for (_, s), c in zip(work, expected, strict=True)]
        assert gpu.predict(*work[0]) == host.predict(*work[0])
        codes = np.random.default_rng(0).integers(-128, 128, (3, *host.info.image_shape)).astype(np.int8)
        np.testing.assert_array_equal(gpu.infer(codes), host.infer(codes))
        assert gpu.info.where == "torch-cpu"


def test_uint8_ends_and_bgr(tmp_path):
    rng = np.random.default_rng(5)
    b = GraphBuilder("unsigned")
    x = b.input((1, 6, 6, 3), scale=1 / 255, zero_point=0, dtype="uint8")
    x = b.unary("QUANTIZE", x, scale=1 / 255, zero_point=-128)
    w = rng.integers(-127, 128, (4, 108)).astype(np.int8)
    y = b.fully_connected(x, w, None, weight_scale=0.01, scale=0.1)
    from intrs_edge.graph.builder import quant

    y = b.op("QUANTIZE", [y], b.shape(y), quant(0.1, 128), dtype="uint8")
    graph = b.build(y, {"intrs.input": '{"range": "0..1", "channels": "BGR"}'})
    project = build(graph, tmp_path / "p", "host", sigma=Decimal("0.25"), n=50)
    with open_target(project, "torch-cpu") as gpu, open_target(project, "host") as host:
        codes = rng.integers(0, 256, (4, 6, 6, 3)).astype(np.uint8)
        np.testing.assert_array_equal(gpu.infer(codes), host.infer(codes))
        assert gpu.infer(codes).dtype == np.uint8
        np.testing.assert_array_equal(
            gpu.votes(codes[0], Stream(1, 1), 0, 40), host.votes(codes[0], Stream(1, 1), 0, 40)
        )


def test_memory_that_is_too_small_halves_the_batch(built, monkeypatch):
    with open_target(built, "torch-cpu") as gpu, open_target(built, "host") as host:
        engine, x, stream = gpu._engine, images(host.info.image_shape, 1)[0], Stream(1, 0)
        count = engine._count

        def small(pieces, *rest):
            if sum(piece[3] for piece in pieces) > most:
                raise torch.cuda.OutOfMemoryError("no memory")
            return count(pieces, *rest)

        monkeypatch.setattr(engine, "_count", small)
        engine.batch, most = 64, 20
        np.testing.assert_array_equal(gpu.votes(x, stream, 0, 50), host.votes(x, stream, 0, 50))
        assert engine.batch == 16
        most = 0
        with pytest.raises(IntrsError, match=r"no memory for one sample: certify with --target host"):
            gpu.votes(x, stream, 0, 2)


def test_an_audit_finds_a_device_that_counts_wrongly(built, monkeypatch):
    with open_target(built, "torch-cpu", audit=1.0) as gpu:
        x = images(gpu.info.image_shape, 1)[0]
        gpu.votes(x, Stream(1, 4), 0, 20)
        right = Engine.votes
        monkeypatch.setattr(Engine, "votes", lambda self, requests: np.roll(right(self, requests), 1, 1))
        with pytest.raises(IntrsError, match=r"answered wrongly on samples 0\.\.19 of image 5"):
            gpu.votes(x, Stream(1, 5), 0, 20)
        assert set(gpu.liars) == {"torch-cpu"}
        assert gpu.take_suspects() == {4, 5}
        assert gpu.take_suspects() == set()


@pytest.mark.parametrize("wrong", ["votes", "infer"])
def test_a_device_that_computes_something_else_is_refused_at_once(built, monkeypatch, wrong):
    right = getattr(Engine, wrong)
    monkeypatch.setattr(Engine, wrong, lambda self, given: np.roll(right(self, given), 1, 1))
    with pytest.raises(IntrsError, match=r"torch-cpu does not compute what the host's library computes"):
        open_target(built, "torch-cpu")


def test_another_model_in_the_folder_is_refused(built, tmp_path):
    import shutil

    from intrs_edge.graph.tflite_writer import write_tflite

    copy = tmp_path / "p"
    shutil.copytree(built, copy)
    (copy / "model.tflite").write_bytes(write_tflite(load_model(zoo.entry("digits-tiny").path)))
    with pytest.raises(IntrsError, match=r"model.tflite is not the model that the project was generated from"):
        open_target(copy, "torch-cpu")


def test_what_is_refused(built, tmp_path, monkeypatch):
    with pytest.raises(IntrsError, match="a journal keeps what boards count"):
        open_target(built, "torch-cpu", journal=tmp_path / "j")
    with pytest.raises(IntrsError, match="not with the host or a GPU"):
        open_target(built, "torch-cpu,tcp:localhost:1")
    with pytest.raises(IntrsError, match="not with the host or a GPU"):
        open_target(built, "cuda:0,cuda:1")
    with pytest.raises(IntrsError, match="audit share 2"):
        open_target(built, "torch-cpu", audit=2.0)
    with pytest.raises(IntrsError, match="is none of: host, cuda"):
        open_target(built, "cuda:x")
    monkeypatch.setattr(engine_module.torch.cuda, "is_available", lambda: False)
    with pytest.raises(IntrsError, match=r"finds no GPU here: .*--target host"):
        open_target(built, "cuda")
    monkeypatch.setattr(engine_module.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engine_module.torch.cuda, "device_count", lambda: 2)
    with pytest.raises(IntrsError, match="there are 2 GPUs, numbered from 0"):
        open_target(built, "cuda:2")
    generate(load_model(zoo.entry("digits-tiny").path), GenerateOptions(), tmp_path / "unbuilt")
    with pytest.raises(IntrsError, match="build the project first"):
        open_target(tmp_path / "unbuilt", "torch-cpu")


def test_without_torch(built):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from intrs_edge.targets import open_target\n"
        "from intrs_edge.errors import IntrsError\n"
        "open_target(sys.argv[1], 'host').close()\n"
        "try:\n    open_target(sys.argv[1], 'cuda')\n"
        "except IntrsError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(built)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'intrs-edge[gpu]', or certify with --target host" in done.stdout


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_a_million_samples_on_a_gpu(tmp_path):
    project = build(load_model(zoo.entry("digits-resnet").path), tmp_path / "p", "host", n=1_000_000)
    with open_target(project, "cuda") as gpu, open_target(project, "host") as host:
        x = images(host.info.image_shape, 1)[0]
        np.testing.assert_array_equal(
            gpu.votes(x, Stream(1, 0), 0, 1_000_000), host.votes(x, Stream(1, 0), 0, 1_000_000)
        )
