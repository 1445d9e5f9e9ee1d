"""What a pixel means, on the command line: asked for, said, checked; never guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intrs_edge.convert import load_model
from intrs_edge.graph import reference
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target

TINY = shipped("models") / "digits-tiny.onnx"
RNG = np.random.default_rng(3)


def small(scale: float, zero_point: int, shape: tuple[int, ...] = (1, 6, 6, 3), dtype: str = "int8") -> Graph:
    b, rng = GraphBuilder("small"), np.random.default_rng(1)
    x = b.input(shape, scale=scale, zero_point=zero_point, dtype=dtype)
    if dtype == "uint8":
        x = b.unary("QUANTIZE", x, scale=scale, zero_point=zero_point - 128)
    n = int(np.prod(shape))
    y = b.fully_connected(b.reshape(x, (1, n)), rng.integers(-99, 99, (4, n)), weight_scale=0.01, scale=n * scale / 20)
    if dtype == "uint8":
        y = b.op("QUANTIZE", [y], (1, 4), quant(n * scale / 20, 128), dtype="uint8")
    return b.build(y)


def written(graph: Graph, folder: Path, name: str = "m.tflite", **metadata: str) -> Path:
    (folder / name).write_bytes(write_tflite(replace(graph, metadata=metadata)))
    return folder / name


### known, or asked for ###


def test_generate_says_how_the_image_is_read(run_cli, tmp_path):
    code, out, _ = run_cli("generate", written(small(1, -128), tmp_path), "-o", tmp_path / "p")
    assert code == 0
    assert "reads    the image as 0..255 (pixel): from its input scale 1 and zero point -128" in out
    assert "256 of the 256 input codes" in out
    code, out, _ = run_cli("inspect", written(small(1, -128), tmp_path))
    assert "reads    the image as 0..255" in out
    code, out, _ = run_cli("inspect", TINY, "--json")
    assert json.loads(out)["reads"]["range"] == "0..1"


def test_a_model_that_nobody_knows_takes_codes_and_no_images(run_cli, tmp_path):
    graph = small(0.05, 3)
    model = written(graph, tmp_path)
    code, out, _ = run_cli("inspect", model)
    assert code == 0
    assert "WARNING  what a pixel means to this model is not known (input scale 0.05, zero point 3)" in out
    code, out, _ = run_cli("generate", model, "-o", tmp_path / "p")
    assert code == 0
    assert "WARNING  what a pixel means to this model is not known" in out
    assert run_cli("build", tmp_path / "p")[0] == 0
    codes = RNG.integers(-128, 128, (9, 6, 6, 3)).astype(np.int8)
    np.save(tmp_path / "x.npy", codes)
    assert run_cli("infer", tmp_path / "p", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), reference.run(graph, codes))
    np.save(tmp_path / "i.npy", np.zeros((1, 6, 6, 3), np.uint8))
    for command in (("predict",), ("certify", "--log", tmp_path / "l.tsv")):
        code, _, error = run_cli(command[0], tmp_path / "p", tmp_path / "i.npy", *command[1:])
        assert code == 2
        assert "it is not known what a pixel means to this model" in error
        assert "--input-range 0..255, 0..1 or -1..1" in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "l.tsv").exists()
    # not from Python either; and the library itself refuses, whoever calls it
    image = np.zeros((6, 6, 3), np.uint8)
    with open_target(tmp_path / "p", "host") as target:
        for call in (target.predict, target.certify, lambda i, s: target.votes(i, s, 0, 4)):
            with pytest.raises(Exception, match="not known what a pixel means"):
                call(image, Stream(1, 0))
        object.__setattr__(target.info.ends, "refused", "")
        with pytest.raises(Exception, match="it takes no images"):
            target.votes(image, Stream(1, 0), 0, 4)


def test_the_answer_makes_it_take_images_and_travels_with_the_file(run_cli, tmp_path):
    model = written(small(0.0187, -14), tmp_path)
    said = ("--mean", ".485,.456,.406", "--std", ".229,.224,.225", "--bgr")
    code, out, _ = run_cli("convert", model, "-o", tmp_path / "c.tflite", *said)
    assert code == 0
    assert "reads    the image as 0..1 (pixel / 255), less the mean 0.485, 0.456, 0.406" in out
    assert "B, G, R: from the options" in out
    code, again, _ = run_cli("generate", tmp_path / "c.tflite", "-o", tmp_path / "p")
    assert code == 0
    assert "from the file's metadata intrs.input" in again
    code, _, _ = run_cli("generate", model, "-o", tmp_path / "q", *said)
    p, q = (json.loads((tmp_path / name / "project.json").read_text()) for name in "pq")
    assert p["model_hash"] == q["model_hash"]
    assert p["input_map"] == q["input_map"]
    # another meaning is another model
    run_cli("generate", model, "-o", tmp_path / "r", *said[:-1])
    assert json.loads((tmp_path / "r" / "project.json").read_text())["model_hash"] != p["model_hash"]
    code, _, error = run_cli("generate", tmp_path / "c.tflite", "-o", tmp_path / "s", "--input-range", "0..255")
    assert code == 2
    assert "--input-range: the file's metadata intrs.input says otherwise" in error
    assert not (tmp_path / "s").exists()


### options without effect ###


@pytest.mark.parametrize(
    "options",
    [
        ("--mean", "0.5"),
        ("--std", "0.5"),
        ("--input-range", "0..255"),
        ("--sigma", "0.25"),
        ("--seed", "1"),
        ("--bgr",),
    ],
)
def test_an_option_without_effect_is_refused(run_cli, tmp_path, options):
    code, _, error = run_cli("convert", TINY, "-o", tmp_path / "m.tflite", *options)
    assert code == 2
    assert options[0] in error or "3 channels" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_quantised_models_are_not_calibrated_again(run_cli, tmp_path):
    code, _, error = run_cli(
        "convert", TINY, "-o", tmp_path / "m.tflite", "--calibrate", "digits:train", "--sigma", ".25"
    )
    assert code == 2
    assert "already quantised" in error


def test_a_map_to_few_codes_needs_force(run_cli, tmp_path):
    model = written(small(1, -128), tmp_path)
    code, _, error = run_cli("generate", model, "-o", tmp_path / "p", "--input-range", "0..1")
    assert code == 2
    assert "reach 2 of the input's 256 codes" in error
    assert run_cli("generate", model, "-o", tmp_path / "p", "--input-range", "0..1", "--force")[0] == 0


### the paper's own networks ###


def test_own_networks_say_it_and_older_ones_are_known(run_cli, tmp_path):
    graph = load_model(TINY)
    assert json.loads(graph.metadata["intrs.input"])["range"] == "0..1"
    older = {"intrs.sigma": "0.25", "intrs.classes": graph.metadata["intrs.classes"]}
    model = written(graph, tmp_path, **older)
    code, out, _ = run_cli("generate", model, "-o", tmp_path / "p")
    assert code == 0
    assert "reads    the image as 0..1 (pixel / 255): from the file's metadata intrs.sigma" in out
    run_cli("generate", TINY, "-o", tmp_path / "q")
    p, q = (json.loads((tmp_path / name / "project.json").read_text()) for name in "pq")
    assert (
        p["input_map"]
        == q["input_map"]
        == {"mul": [1], "add": [-127], "shift": 1, "reach": p["input_map"]["reach"], "exact": True}
    )


def test_sigma_is_the_models_and_a_difference_is_said(run_cli, tmp_path):
    model = written(load_model(TINY), tmp_path, **{"intrs.sigma": "0.5", "intrs.input": '{"range": "0..1"}'})
    code, out, _ = run_cli("generate", model, "-o", tmp_path / "p")
    assert code == 0
    assert json.loads((tmp_path / "p" / "project.json").read_text())["settings"]["sigma"] == "0.5"
    assert "note" not in out.split("flash")[0]
    code, out, _ = run_cli("generate", model, "-o", tmp_path / "p", "--sigma", "0.25")
    assert "note     the model was trained for sigma 0.5, this project is for 0.25, as asked" in out
    assert json.loads((tmp_path / "p" / "project.json").read_text())["settings"]["sigma"] == "0.25"
    code, _, error = run_cli("generate", model, "-o", tmp_path / "p", "--sigma", "0")
    assert code == 2
    assert "sigma" in error
    run_cli("generate", written(small(1, -128), tmp_path), "-o", tmp_path / "p")
    assert json.loads((tmp_path / "p" / "project.json").read_text())["settings"]["sigma"] == "0.25"


### agreement and accuracy ###


def test_check_with_labels_shows_a_wrong_reading_that_agreement_does_not(run_cli, tmp_path):
    def figures(*options: str) -> tuple[float, float, float]:
        code, out, error = run_cli("convert", TINY, "-o", tmp_path / "m.tflite", "--check", "digits:test", *options)
        assert code == 0, error
        words = out.split("agreement with", 1)[1].replace("%", "").replace(";", "").split()
        at = words.index("accuracy")
        return float(words[1]), float(words[at + 1].rstrip(",")), float(words[at + 4])

    agree, right, source = figures()
    assert min(agree, right, source) > 90
    agree, wrong, source = figures("--input-range", "-1..1", "--force")
    assert agree > 90
    assert max(wrong, source) < right - 5


def test_values_that_begin_with_a_minus(run_cli, tmp_path):
    model = written(small(0.0187, -14), tmp_path)
    for options in (("--input-range", "-1..1", "--mean", "-.03,.1,.2"), ("--input-range=-1..1", "--mean=-.03,.1,.2")):
        code, out, _ = run_cli("generate", model, "-o", tmp_path / "p", *options)
        assert code == 0
        assert "-1..1 (pixel / 127.5 - 1), less the mean -0.03, 0.1, 0.2" in out


def test_a_tflite_has_its_accuracy_only(run_cli, tmp_path):
    model = written(load_model(TINY), tmp_path, **load_model(TINY).metadata)
    code, out, _ = run_cli("convert", model, "-o", tmp_path / "c.tflite", "--check", "digits:test")
    assert code == 0
    share = float(out.split("accuracy ")[1].split("%")[0])
    assert share > 90
    np.save(tmp_path / "i.npy", np.zeros((2, 8, 8, 1), np.uint8))
    code, _, error = run_cli("convert", model, "-o", tmp_path / "c.tflite", "--check", tmp_path / "i.npy")
    assert code == 2
    assert "give labels" in error
    code, _, error = run_cli(
        "convert", written(small(0.05, 3), tmp_path), "-o", tmp_path / "c.tflite", "--check", "digits"
    )
    assert code == 2
    assert "--input-range" in error


### ends, order of channels, sizes ###


def test_uint8_models_take_and_give_uint8(run_cli, tmp_path):
    graph = small(1 / 255, 0, dtype="uint8")
    project = tmp_path / "p"
    assert run_cli("generate", written(graph, tmp_path), "-o", project)[0] == 0
    assert run_cli("build", project)[0] == 0
    codes = RNG.integers(0, 256, (9, 6, 6, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", codes)
    assert run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")[0] == 0
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, reference.run(graph, codes))
    np.save(tmp_path / "x.npy", codes.view(np.int8))
    code, _, error = run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "z.npy")
    assert code == 2
    assert "x.npy: int8 [9, 6, 6, 3]; this model takes uint8 [K, 6, 6, 3]" in error
    with open_target(project, f"run:{project / 'build' / 'host' / 'intrs'}") as target:  # and over the link
        np.testing.assert_array_equal(target.infer(codes), found)


def test_infer_takes_the_models_own_shape(run_cli, tmp_path):
    graph = small(0.02, 3, (1, 12))
    project = tmp_path / "p"
    run_cli("generate", written(graph, tmp_path), "-o", project)
    assert run_cli("build", project)[0] == 0
    codes = RNG.integers(-128, 128, (5, 12)).astype(np.int8)
    for shape in ((5, 12), (5, 1, 12, 1)):
        np.save(tmp_path / "x.npy", codes.reshape(shape))
        assert run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")[0] == 0
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), reference.run(graph, codes))
    np.save(tmp_path / "x.npy", codes.reshape(5, 3, 4))
    code, _, error = run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert code == 2
    assert "takes int8 [K, 1, 12, 1] or [K, 12]" in error


def test_the_order_of_channels_and_sizes_are_the_hosts_work(run_cli, tmp_path):
    """A BGR project on RGB images counts as an RGB project on turned ones; images of other sizes are cropped."""
    model, votes = written(small(1, -128), tmp_path), {}
    for name, options in (("rgb", ()), ("bgr", ("--bgr", "--resize", "crop"))):
        assert run_cli("generate", model, "-o", tmp_path / name, *options)[0] == 0
        assert run_cli("build", tmp_path / name)[0] == 0
    image = RNG.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    runs = (("rgb", image), ("bgr", image), ("bgr", image[..., ::-1]))
    for i, (name, given) in enumerate(runs):
        with open_target(tmp_path / name, "host") as target:
            votes[i] = target.votes(given, Stream(1, 0), 0, 400).tolist()
    assert votes[0] == votes[2]
    assert votes[0] != votes[1]
    wide = np.zeros((6, 10, 3), np.uint8)
    wide[:, 2:8] = image
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.save(tmp_path / "wide.npy", wide)
    np.save(tmp_path / "image.npy", image)
    rows = []
    for name in ("wide.png", "wide.npy", "image.npy"):
        code, out, _ = run_cli("predict", tmp_path / "bgr", tmp_path / name, "--seed", "1")
        assert code == 0
        rows.append(out.splitlines()[1].split("\t")[:7])
    assert rows[0] == rows[1] == rows[2]
    code, _, error = run_cli("predict", tmp_path / "rgb", tmp_path / "wide.npy", "--seed", "1")
    assert code == 2
    assert "generate it with --resize" in error


def test_nchw_files_take_images_as_they_are(run_cli, tmp_path):
    b = GraphBuilder()
    x = b.input((1, 3, 6, 6), scale=1 / 255, zero_point=-128)
    y = b.op("TRANSPOSE", [x, b.constant([0, 2, 3, 1], dtype="int32")], (1, 6, 6, 3), quant(1 / 255, -128))
    w = np.random.default_rng(1).integers(-99, 99, (4, 108))
    graph = b.build(b.fully_connected(b.reshape(y, (1, 108)), w, weight_scale=0.01, scale=0.05))
    model = written(graph, tmp_path)
    code, _, _ = run_cli("convert", model, "-o", tmp_path / "c.tflite")
    assert code == 0
    assert read_tflite(tmp_path / "c.tflite").tensors[0].shape == (1, 6, 6, 3)
    for file in (model, tmp_path / "c.tflite"):
        assert run_cli("generate", file, "-o", tmp_path / "p")[0] == 0
        assert json.loads((tmp_path / "p" / "project.json").read_text())["image_shape"] == [6, 6, 3]


def test_speed_needs_no_meaning(run_cli, tmp_path):
    model = written(small(0.05, 3), tmp_path)
    code, _, error = run_cli(
        "bench", model, "--peers", "none", "--rounds", "1", "--seconds", "0.01", "--threads", "1", "--batch", "2"
    )
    assert code == 0, error
