"""The commands one after another on the embedded digits, as a user types them; and what they say to wrong input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import intrs_edge as ie
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import read_log
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import linf_target

pytestmark = pytest.mark.xdist_group("chain")


@pytest.fixture(scope="module")
def model() -> Path:
    return shipped("models") / "digits-resnet.onnx"


@pytest.fixture(scope="module")
def project(model, tmp_path_factory) -> Path:
    from intrs_edge.cli.main import main

    folder = tmp_path_factory.mktemp("chain") / "project"
    settings = ["--n0", "20", "--n", "200", "--target-radius", "0.1", "--precision", "0.1", "--seed", "5"]
    assert main(["generate", str(model), *settings, "-o", str(folder)]) == 0
    assert main(["build", str(folder)]) == 0
    return folder


def test_convert_then_generate_is_generate(run_cli, model, project, tmp_path):
    assert run_cli("convert", model, "-o", tmp_path / "m.tflite")[0] == 0
    code, out, _ = run_cli("generate", tmp_path / "m.tflite", "--n0", 20, "--n", 200, "--target-radius", "0.1",
                           "--precision", "0.1", "--seed", 5, "-o", tmp_path / "p")  # fmt: skip
    assert code == 0
    assert out.strip()
    ours, theirs = (json.loads((p / "project.json").read_text()) for p in (tmp_path / "p", project))
    told = {"source", "command", "digest"}  # which file it was made of, and the digest over that
    assert {k: v for k, v in ours.items() if k not in told} == {k: v for k, v in theirs.items() if k not in told}


def test_certify_writes_a_log_and_resumes_it(run_cli, project, tmp_path):
    log = tmp_path / "log.tsv"
    code, out, _ = run_cli("certify", project, "digits:test[0:4]", "--log", log)
    assert code == 0
    assert "4 images" in out
    rows = read_log(log)
    assert [row.idx for row in rows] == [0, 1, 2, 3]
    assert {(r.extra["n0"], r.extra["n"], r.extra["seed"], r.extra["mode"]) for r in rows} == {
        ("20", "200", "5", "fixed")
    }
    whole = log.read_text()
    log.write_text("".join(whole.splitlines(keepends=True)[:3]))
    assert run_cli("certify", project, "digits:test[0:4]", "--log", log)[0] == 0
    again = read_log(log)
    assert [(r.idx, r.predict, dict(r.extra)) for r in again] == [(r.idx, r.predict, dict(r.extra)) for r in rows]
    code, _, err = run_cli("certify", project, "digits:test[0:4]", "--log", log, "--seed", 6)
    assert code == 2
    assert "was made with seed 5, this run has 6" in err


def test_one_is_one_and_no_radius_is_spoken_of_that_cannot_be(run_cli, project, tmp_path):
    """Of one image: no plural anywhere; no 0 % at radii that 200 samples cannot certify, whoever they agree on."""
    log, page = tmp_path / "one.tsv", tmp_path / "one.html"
    said = "".join(run_cli("certify", project, "digits:test[3]", "--log", log)[1:])
    assert said.startswith("1 image, ")
    radii = [line.split()[1:] for line in said.splitlines() if line.startswith("radius ")]
    assert radii == [["0.00", "0.25"]]
    said += "".join(run_cli("verify", log, project)[1:]) + "".join(run_cli("report", log, "-o", page)[1:])
    assert "1 of 1 line replayed: equal" in said
    assert "certified accuracy at 0.25 (Cohen)" in said
    assert "certified accuracy at 0.5 " not in said
    asked = run_cli("report", log, "--radii", "0,0.75")[1]
    assert re.search(r"accuracy at 0.75 \(Cohen\) +-\n", asked)
    assert re.findall(r"\b1 (?:images|lines|votes|samples|classes)\b", said + page.read_text()) == []


def test_an_image_certified_at_the_target_is_counted_at_it(run_cli, project, tmp_path):
    log = tmp_path / "t.tsv"
    assert run_cli("certify", project, "digits:test[0:8]", "--log", log, "--target-radius", "0.1")[0] == 0
    certified = sum(row.predict == row.label for row in read_log(log))
    assert certified > 0
    code, out, _ = run_cli("report", log, "--radii", "0.1,0.1001", "--json")
    assert code == 0
    assert json.loads(out)["t"]["certified_accuracy"] == [certified / 8, 0]


def test_the_papers_certificate_is_labelled_everywhere(run_cli, model, tmp_path):
    code, out, _ = run_cli("generate", model, "--n", 60, "--certificate", "paper", "-o", tmp_path / "p")
    assert code == 0
    assert "NOT SOUND" in out
    assert "NOT charged" in out
    assert "NOT charged" in (tmp_path / "p" / "common" / "intrs_tables.c").read_text()
    assert run_cli("build", tmp_path / "p")[0] == 0
    code, out, _ = run_cli("certify", tmp_path / "p", "digits:test[0:2]", "--log", tmp_path / "l.tsv")
    assert code == 0
    assert "WARNING: NOT SOUND" in out


def test_every_run_draws_its_own_seed(run_cli, model, project, tmp_path):
    """Nobody who picks the images may know the noise; a replay asks for the seed that the log holds."""
    other = tmp_path / "p"
    assert run_cli("generate", model, "--n0", 20, "--n", 200, "-o", other)[0] == 0
    assert json.loads((other / "project.json").read_text())["settings"]["seed"] is None
    assert run_cli("build", other)[0] == 0
    found = []
    for name, more in (("a", []), ("b", []), ("c", ["--seed"])):
        log = tmp_path / f"{name}.tsv"
        asked = [*more, found[0][0].extra["seed"]] if more else []
        assert run_cli("certify", other, "digits:test[0:2]", "--log", log, *asked)[0] == 0
        found.append(read_log(log))
    first, second, again = ([(row.predict, dict(row.extra)) for row in rows] for rows in found)
    assert first[0][1]["seed"] != second[0][1]["seed"]
    assert first == again
    seeds = set()
    for _ in range(2):
        code, out, _ = run_cli("predict", other, "digits:test[0:1]")
        assert code == 0
        seeds.add(out.splitlines()[1].split("\t")[7])
    assert len(seeds) == 2


def test_the_sequential_modes(run_cli, project, tmp_path):
    code, _, _ = run_cli("certify", project, "digits:test[0:4]", "--log", tmp_path / "t.tsv", "--target-radius", "0.1")
    assert code == 0
    rows = read_log(tmp_path / "t.tsv")
    assert all(int(row.extra["samples"]) <= 200 for row in rows)
    assert any(row.extra["stop"] != "full" for row in rows)
    assert {row.extra["mode"] for row in rows} == {"target-radius=0.1"}
    for words, why in ((("--audit", "1%"), "the host checks the answers of others"),
                       (("--journal", tmp_path / "j", "--deadline", 1), "leave --journal out")):  # fmt: skip
        code, _, err = run_cli("certify", project, "digits:test[0:4]", "--log", tmp_path / "u.tsv", *words)
        assert (code, len(err.splitlines())) == (2, 1)
        assert why in err
    call = ("certify", project, "digits:test[0:4]", "--log", tmp_path / "u.tsv", "--target-radius", "0.2")
    code, _, err = run_cli(*call, "--target", "tcp:localhost:1")
    assert code == 2
    assert "generated with --target-radius 0.1, not 0.2, and target tcp:localhost:1 has its tables burned in" in err
    assert not (tmp_path / "u.tsv").exists()


def test_a_target_in_linf(run_cli, tmp_path):
    """It asks for L = d K^2, exactly, and every accepted image is certified within K in its log."""
    folder, log = tmp_path / "p", tmp_path / "t.tsv"
    model = shipped("models") / "digits-tiny.onnx"
    assert run_cli("generate", model, "--n", 400, "--target-linf", 3, "--seed", 5, "-o", folder)[0] == 0
    assert run_cli("build", folder)[0] == 0
    assert run_cli("certify", folder, "digits:test[0:8]", "--log", log, "--target-linf", 3, "--no-progress")[0] == 0
    rows = read_log(log)
    proved = [row for row in rows if not row.abstained]
    assert proved
    assert {(row.extra["L"], row.extra["linf"]) for row in proved} == {(str(64 * 9), "3")}
    assert {row.extra["mode"] for row in rows} == {f"target-radius={linf_target(64, 3)}"}
    code, _, err = run_cli("certify", folder, "digits:test[0:8]", "--log", tmp_path / "u.tsv", "--target-linf", 0)
    assert (code, err.count("\n"), "0 steps of 1/255 are outside 1 .. 255" in err) == (2, 1, True)
    board = ["--target-linf", 4, "--target", "tcp:localhost:1"]  # whose tables are burned in
    code, _, err = run_cli("certify", folder, "digits:test[0:8]", "--log", tmp_path / "u.tsv", *board)
    assert (code, f"with --target-radius {linf_target(64, 3)}, not {linf_target(64, 4)}" in err) == (2, True)
    assert [row.squared for row in ie.certify(folder, "digits:test[0:8]", tmp_path / "v.tsv", target_linf=3)] == [
        row.squared for row in rows
    ]
    code, _, err = run_cli("generate", model, "--target-linf", 256, "-o", tmp_path / "q")
    assert (code, "256 steps of 1/255 are outside 1 .. 255" in err) == (2, True)
    with pytest.raises(IntrsError, match="give one of the two"):
        ie.generate(model, tmp_path / "q", target_linf=1, target_radius="0.1")


def test_a_deadline_leaves_what_is_proved_by_then(run_cli, project, tmp_path):
    """Of a microsecond an image: lines that say who ended them, and that report proves again."""
    for mode in ([], ["--target-radius", "0.1"]):
        log = tmp_path / f"{len(mode)}.tsv"
        call = ("certify", project, "digits:test[0:3]", "--log", log, *mode, "--deadline")
        assert run_cli(*call, "0.000001")[0] == 0
        rows = read_log(log)
        assert {row.extra["stop"] for row in rows} == {"caller"}
        assert run_cli("report", log)[0] == 0
        assert run_cli(*call, "0")[0] == 2
    text = log.read_text()
    log.unlink()
    assert run_cli(*call, "1000")[0] == 0
    assert {row.extra["stop"] for row in read_log(log)} <= {"full", "accept", "reject"}
    assert text != log.read_text()


def test_predict(run_cli, project):
    code, out, _ = run_cli("predict", project, "digits:test[0:3]")
    assert code == 0
    header, *lines = [line.split("\t") for line in out.splitlines()]
    assert header[:3] == ["idx", "label", "predict"]
    assert [line[0] for line in lines] == ["0", "1", "2"]
    assert all(int(line[4]) + int(line[5]) <= 200 for line in lines)


def test_infer_equals_the_reference(run_cli, project, tmp_path):
    from intrs_edge.graph.reference import run
    from intrs_edge.graph.tflite_reader import read_tflite

    inputs = np.random.default_rng(0).integers(-128, 128, (5, 8, 8, 1), np.int8)
    np.save(tmp_path / "x.npy", inputs)
    assert run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")[0] == 0
    graph = read_tflite((project / "model.tflite").read_bytes())
    outputs = np.load(tmp_path / "y.npy")
    assert outputs.dtype == np.int8
    assert np.array_equal(outputs, run(graph, inputs))


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 9, 1), (5, 8, 8, 3)])
def test_infer_refuses_another_shape(run_cli, project, tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.int8))
    code, _, err = run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert code == 2
    assert "this model takes int8 [K, 8, 8, 1]" in err
    assert not (tmp_path / "y.npy").exists()


def test_infer_refuses_another_type(run_cli, project, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 8, 8, 1), np.uint8))
    code, _, err = run_cli("infer", project, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert (code, "uint8" in err) == (2, True)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x18\0\0\0TFL3" + bytes(64), b"\xff" * 400])
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_damaged_model_is_one_line_and_leaves_nothing(run_cli, tmp_path, content, suffix):
    model = tmp_path / f"m{suffix}"
    model.write_bytes(content)
    code, _, err = run_cli("generate", model, "-o", tmp_path / "p")
    assert code == 2
    assert err.startswith("intrs-edge: error: ")
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [model.name]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--board", "no-such-board"], "no-such-board"),
        (["--sigma", "0"], "sigma"),
        (["--sigma", "9"], "sigma"),
        (["--alpha", "1"], "alpha"),
        (["--n", "0"], "n"),
    ],
)
def test_impossible_requests_are_one_line_and_leave_nothing(run_cli, model, tmp_path, arguments, word):
    code, _, err = run_cli("generate", model, *arguments, "-o", tmp_path / "p")
    assert code == 2
    assert word in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_board_that_is_too_small_is_refused_with_the_numbers(run_cli, model, tmp_path):
    text = (shipped("boards") / "mps2-an386.toml").read_text()
    small = tmp_path / "small.toml"
    assert text.count("size = 0x400000") == 2
    small.write_text(text.replace("size = 0x400000", "size = 0x4000", 1))  # the flash
    code, _, err = run_cli("generate", model, "--board", small, "-o", tmp_path / "p")
    assert code == 2
    assert "flash" in err
    assert re.search(r"\b16[ ,]?384\b|\b16(\.0)? KiB", err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.toml"]


def test_a_folder_that_is_no_project(run_cli, tmp_path):
    for command in (
        ["build", tmp_path],
        ["certify", tmp_path, "digits", "--log", tmp_path / "l.tsv"],
        ["predict", tmp_path, "digits"],
    ):
        code, _, err = run_cli(*command)
        assert code == 2
        assert "not a generated project" in err
    assert list(tmp_path.iterdir()) == []


def test_a_build_failure_shows_the_compilers_line(run_cli, project, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(project, broken, ignore=shutil.ignore_patterns("build"))
    source = broken / "host" / "intrs_model.c"
    source.write_text(source.read_text() + "\nint intrs_broken = no_such_name;\n")
    code, _, err = run_cli("build", broken)
    assert code == 2
    assert "no_such_name" in err
    assert "build.log" in err


def test_images_of_another_shape(run_cli, project, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 9, 8, 1), np.uint8))
    code, _, err = run_cli("certify", project, tmp_path / "x.npy", "--log", tmp_path / "l.tsv")
    assert code == 2
    assert "9x8x1, the model takes 8x8x1" in err
    assert not (tmp_path / "l.tsv").exists()


def test_audit_and_a_dry_run_of_flash(run_cli, model, project, tmp_path):
    code, out, _ = run_cli("audit", project)
    assert code == 0
    assert "integer-only" in out
    assert run_cli("audit", project, "--json")[1].startswith("[")
    code, _, err = run_cli("flash", project, "--dry-run")
    assert (code, "board host" in err) == (2, True)


@pytest.mark.skipif(
    not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"), reason="no Arm compiler or no QEMU"
)
def test_an_emulated_board_gives_the_hosts_counts(run_cli, model, tmp_path):
    settings = ["--board", "mps2-an386", "--n0", "10", "--n", "50", "--target-radius", "0.05"]
    assert run_cli("generate", model, *settings, "-o", tmp_path / "p")[0] == 0
    assert run_cli("build", tmp_path / "p")[0] == 0
    for mode in ([], ["--target-radius", "0.05"]):
        found = []
        for target in ("host", "emulator"):
            log = tmp_path / f"{target}{len(mode)}.tsv"
            where = ["--log", log, "--target", target, "--seed", 1]
            assert run_cli("certify", tmp_path / "p", "digits:test[0:2]", *where, *mode)[0] == 0
            found.append([(r.idx, r.predict, dict(r.extra)) for r in read_log(log)])
        assert found[0] == found[1]
    code, out, _ = run_cli("flash", tmp_path / "p", "--runner", "gdb", "--dry-run")
    assert code == 0
    assert "intrs.elf" in out
    log = tmp_path / "fleet.tsv"
    fleet = ["--seed", 1, "--target", "emulator,emulator", "--audit", "100%", "--journal", tmp_path / "journal"]
    assert run_cli("certify", tmp_path / "p", "digits:test[0:2]", "--log", log, *fleet)[0] == 0
    assert [dict(r.extra) for r in read_log(log)] == [dict(r.extra) for r in read_log(tmp_path / "host0.tsv")]
