"""The floating-point methods: the same images, samples and tables as ours, and named for what they are everywhere."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.cli.main import main
from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certified_accuracy, read_log
from intrs_edge.evaluate.baselines import FloatSmoothing, quant_classifier
from intrs_edge.evaluate.cohen import cohen_of
from intrs_edge.evaluate.float_network import ENGINES, open_float_network
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.reading import PixelOptions
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Mode, Stream, lower_confidence_bound

pytestmark = pytest.mark.xdist_group("baselines")
SETTINGS = {"sigma": "0.25", "n0": 20, "n": 1000, "alpha": "0.001", "target_radius": "0.1"}


def linear(pixels):
    """1 where the mean pixel is above a half."""
    return (pixels.reshape(len(pixels), -1).mean(1) > 0.5).astype(np.int64)


def smoothing(classifier=linear, shape=(4, 4, 1), **changes):
    return FloatSmoothing(classifier, 2, cohen_of(SETTINGS | changes, shape))


@pytest.mark.parametrize("count", [700, 950, 1000])
def test_the_radius_is_cohens(count):
    squared = cohen_of(SETTINGS, (4, 4, 1)).radius.lookup(count)
    radius = 0.25 * 255 * NormalDist().inv_cdf(lower_confidence_bound(count, 1000, "0.001"))
    assert squared <= radius**2 < squared + 1.01  # the table's own rounding, never up


def test_counts_are_those_of_the_noise():
    image = np.full((4, 4, 1), 140, np.uint8)
    counted = smoothing().votes(image, Stream(7, 3), 0, 20_000)
    # the mean of 16 pixels moves by sigma / 4
    expected = NormalDist().cdf((140 / 255 - 0.5) / (0.25 / 4))
    assert abs(counted[1] / 20_000 - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 20_000)


def test_samples_add_up_whatever_the_ranges():
    image, stream = np.full((4, 4, 1), 130, np.uint8), Stream(2**63 + 5, 3)
    whole = smoothing().votes(image, stream, 0, 700)
    target = smoothing()
    parts = [target.votes(image, stream, a, b - a) for a, b in ((0, 20), (20, 45), (45, 300), (300, 700))]
    assert np.sum(parts, axis=0).tolist() == whole.tolist()
    others = [smoothing().votes(image, s, 0, 700).tolist() for s in (Stream(5, 3), Stream(2**63 + 5, 4))]
    assert whole.tolist() not in others  # the control: seed (its upper half too) and image decide the noise


def test_modes_decide_by_the_plan():
    easy = np.full((4, 4, 1), 200, np.uint8)
    fixed, target = smoothing().certify(easy, Stream(1, 0)), smoothing().certify(easy, Stream(1, 0), Mode.TARGET)
    assert (fixed.label, fixed.samples) == (1, 1000)
    assert target.label == 1
    assert target.samples < 200
    with pytest.raises(IntrsError, match="without the tables of mode target"):
        smoothing(target_radius=None).certify(easy, Stream(1, 0), Mode.TARGET)


def project(reads, dtype="int8", scale=2 / 255, zero_point=-64):
    raw = {"input": {"scale": float(np.float32(scale)), "zero_point": zero_point, "dtype": dtype}, "reads": reads}
    return SimpleNamespace(raw=raw, image_shape=(1, 2, 3))


READS = {"range": "0..1", "mean": [0.0], "std": [1.0], "channels": "RGB", "layout": "NHWC"}


class Taking:
    """Keeps the codes that it is given."""

    def infer(self, inputs):
        self.codes = inputs
        return np.zeros((len(inputs), 2), np.int8)


@pytest.mark.parametrize(
    ("reads", "dtype", "expected"),
    [
        (READS, "int8", [[-64, 0, 63], [-128, 127, -64]]),
        (READS, "uint8", [[64, 128, 191], [0, 255, 64]]),
        (READS | {"channels": "BGR"}, "int8", [[63, 0, -64], [-64, 127, -128]]),
        (READS | {"mean": [0.0, 1 / 255, 0.0], "std": [1.0, 1.0, 2.0]}, "int8", [[-64, 0, 0], [-128, 127, -64]]),
    ],
)
def test_float_pixels_become_the_projects_codes(reads, dtype, expected):
    pixels = np.array([[[[0, 128, 254.2], [-4000, 4000, 0.4]]]], np.float32)[0] / np.float32(255)
    target = Taking()
    quant_classifier(project(reads, dtype, zero_point=-64 if dtype == "int8" else 64), target)(pixels)
    assert target.codes.dtype == np.dtype(dtype)
    assert target.codes[0].tolist() == expected


def float_file(
    path: Path, *, batch: int | str = "N", nchw: bool = True, fixed: bool = False, range_: str | None = "0..1"
):
    """logits: the sum of red, and that of blue."""
    shape = [batch, 3, 2, 2] if nchw else [batch, 2, 2, 3]
    weights = np.zeros((3, 2, 2) if nchw else (2, 2, 3), np.float32)
    both = np.stack([weights, weights])
    for k, c in enumerate((0, 2)):
        both[(k, c) if nchw else (k, slice(None), slice(None), c)] = 1
    first = helper.make_node("Reshape", ["x", "to"], ["f"]) if fixed else helper.make_node("Flatten", ["x"], ["f"])
    graph = helper.make_graph(
        [first, helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [
            numpy_helper.from_array(both.reshape(2, -1), "w"),
            numpy_helper.from_array(np.array([1, 12], np.int64), "to"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    if range_:
        helper.set_model_props(model, {"intrs.input": f'{{"range": "{range_}"}}'})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("nchw", [True, False])
@pytest.mark.parametrize(("batch", "fixed", "calls"), [("N", False, 256), (1, False, 256), (1, True, 1)])
def test_a_float_network_of_any_batch_and_layout(tmp_path, nchw, batch, fixed, calls):
    network = open_float_network(float_file(tmp_path / "n.onnx", batch=batch, nchw=nchw, fixed=fixed), threads=1)
    assert (network.shape, network.classes, network.batch) == ((2, 2, 3), 2, calls)
    pixels = np.random.default_rng(0).random((5, 2, 2, 3), dtype=np.float32)
    expected = pixels.sum((1, 2))[:, [0, 2]]
    assert np.allclose(network.logits(pixels), expected, atol=1e-5)


def test_what_a_pixel_means_is_asked_for(tmp_path):
    file = float_file(tmp_path / "n.onnx", range_=None)
    with pytest.raises(IntrsError, match="what a pixel means to this network is not known"):
        open_float_network(file, threads=1)
    pixels = np.random.default_rng(0).random((3, 2, 2, 3), dtype=np.float32)
    network = open_float_network(file, PixelOptions(mean=(0.5, 0, 0), std=(1, 1, 0.5), bgr=True), threads=1)
    blue, red = pixels[..., 2] - 0.5, pixels[..., 0] / 0.5  # in the file's order, blue first
    assert np.allclose(network.logits(pixels), np.stack([blue.sum((1, 2)), red.sum((1, 2))], 1), atol=1e-5)


def test_engines_agree_and_a_quantised_file_is_read_as_float():
    file = shipped("models") / "digits-resnet.onnx"
    pixels = np.random.default_rng(0).random((3, 8, 8, 1), dtype=np.float32)
    first, second = (open_float_network(file, engine=e, threads=1).logits(pixels) for e in ("onnxruntime", "torch"))
    assert first.shape == (3, 10)
    assert np.allclose(first, second, atol=1e-3)
    with pytest.raises(IntrsError, match="engine 'x'"):
        open_float_network(file, engine="x")


def test_a_residual_network_with_cut_and_padded_shortcuts():
    """The public CIFAR ResNets' shortcut A: every second pixel, and channels of zeros."""
    file = shipped("models") / "cifar10-resnet20-s0.25.onnx"
    graph = load_model(file)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    logits = [open_float_network(file, engine=e, threads=1).logits(images.astype(np.float32) / 255) for e in ENGINES]
    assert np.allclose(*logits, atol=1e-3)
    out = graph.tensors[graph.outputs[0]].quant
    codes = derive_input_map(graph, 0).apply(images.astype(np.int64))
    ours = (reference.run(graph, codes).reshape(8, 10) - int(out.zero_point[0])) * float(out.scale[0])
    assert np.corrcoef(ours.ravel(), logits[0].ravel())[0, 1] > 0.98


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("baselines") / "project"
    model = shipped("models") / "digits-resnet.onnx"
    settings = ["--n0", "50", "--n", "500", "--target-radius", "0.2"]
    assert main(["generate", str(model), *settings, "-o", str(folder)]) == 0
    assert main(["build", str(folder)]) == 0
    return folder


METHODS = {
    "intrs": [],
    "floatrs-quant": [],
    "floatrs-fp": ["--network", shipped("models") / "digits-resnet.onnx"],
}


def test_three_methods_one_log_format(run_cli, built, tmp_path):
    logs = {}
    for method, extra in METHODS.items():
        log = tmp_path / f"{method}.tsv"
        code, out, _ = run_cli(
            "certify", built, "digits:test[::12]", "--method", method, *extra, "--log", log, "--seed", 5
        )
        assert (code, "NO PROOF" in out) == (0, method != "intrs")
        logs[method] = read_log(log)
    same = {
        name: {rows[0].extra[name] for rows in logs.values()}
        for name in ("n0", "n", "alpha", "sigma", "images", "seed")
    }
    assert all(len(values) == 1 for values in same.values())
    assert [rows[0].extra["method"] for rows in logs.values()] == list(METHODS)
    assert {
        (rows[0].extra["noise"], rows[0].extra["certificate"]) for name, rows in logs.items() if name != "intrs"
    } == {("gaussian", "unproved")}
    accuracies = [certified_accuracy(rows, 0.2) for rows in logs.values()]
    assert min(accuracies) > 0.7
    assert max(accuracies) - min(accuracies) < 0.15  # 30 images
    code, out, _ = run_cli("report", *(tmp_path / f"{m}.tsv" for m in METHODS), "-o", tmp_path / "r.html")
    assert (code, out.count("NO PROOF"), "NO PROOF" in (tmp_path / "r.html").read_text()) == (0, 2, True)
    code, _, err = run_cli("verify", tmp_path / "floatrs-fp.tsv", built)
    assert (code, "nothing to replay" in err) == (2, True)


@pytest.mark.parametrize("method", ["floatrs-quant", "floatrs-fp"])
def test_a_baseline_goes_on_where_it_was_and_is_checked(run_cli, built, tmp_path, method):
    def certify(log, *more):
        return run_cli("certify", built, "digits:test[0:4]", "--method", method, *METHODS[method], "--log", log,
                       "--target-radius", "0.2", "--seed", 3, *more)  # fmt: skip

    whole, part = tmp_path / "whole.tsv", tmp_path / "part.tsv"
    assert certify(whole)[0] == 0
    part.write_text("".join(whole.read_text().splitlines(keepends=True)[:3]))
    assert certify(part)[0] == 0
    again = [(row.idx, dict(row.extra)) for row in read_log(part)]
    assert again == [(row.idx, dict(row.extra)) for row in read_log(whole)]
    code, _, err = run_cli("certify", built, "digits:test[0:4]", "--target-radius", "0.2", "--log", part, "--seed", 3)
    assert (code, f"made with method {method}" in err) == (2, True)
    assert run_cli("report", part)[0] == 0
    forged = part.read_text().replace("\tunproved\t", "\tsound\t").replace("\tgaussian\t", "\tdiscrete\t")
    (tmp_path / "forged.tsv").write_text("".join(_checked(line) for line in forged.splitlines()))
    code, _, err = run_cli("report", tmp_path / "forged.tsv")
    assert (code, "claims noise discrete, sound" in err) == (2, True)


def _checked(line: str) -> str:
    """A line with the check value that it should have: forged with care."""
    import zlib

    body = line.rpartition("\t")[0]
    return f"{line}\n" if body.startswith("idx\t") else f"{body}\t{zlib.crc32(body.encode()):08x}\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "floatrs-fp"], "needs a network"),
        (["--network", "x.onnx"], "--network is of --method floatrs-fp"),
        (["--mean", "0.5"], "--mean is of --method floatrs-fp"),
        (["--method", "floatrs-quant", "--target", "emulator"], "runs on this computer: leave --target out"),
        (["--method", "floatrs-quant", "--seed", "device"], "leave --seed device out"),
        (["--method", "floatrs-fp", "--network", "absent.onnx"], "absent.onnx: cannot be read"),
    ],
)
def test_what_does_not_go_together(run_cli, built, tmp_path, options, words):
    code, _, err = run_cli("certify", built, "digits:test[0:1]", "--log", tmp_path / "l.tsv", *options)
    assert (code, words in err, (tmp_path / "l.tsv").exists()) == (2, True, False)


def test_networks_of_two_tasks(run_cli, built, tmp_path):
    file = float_file(tmp_path / "n.onnx")
    code, _, err = run_cli("certify", built, "digits:test[0:1]", "--log", tmp_path / "l.tsv", "--method", "floatrs-fp",
                           "--network", file)  # fmt: skip
    assert (code, "compare networks of one task" in err) == (2, True)
