"""Studies: every shipped one is read; small ones run, resume, are compared with shipped logs, and can fail."""

from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from pathlib import Path

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import read_log
from intrs_edge.evaluate.log import COLUMNS
from intrs_edge.study import attack, curves, efficiency, work
from intrs_edge.study.kinds import run_study
from intrs_edge.study.settings import KINDS, load_study, study_names
from intrs_edge.study.work import Work
from intrs_edge.targets.host import open_host

pytestmark = pytest.mark.xdist_group("study")

CURVES = """
kind = "certified-accuracy"
title = "Digits"
about = "A small one."
images = "digits:test[::30]"
seed = 5
n0 = 20
n = 200
mode = "target-radius"
radii = [0.0, 0.1]

[[case]]
name = "int8"
model = "zoo:digits-tiny"

[[case]]
name = "float"
model = "zoo:digits-tiny"
method = "floatrs-fp"
"""


@pytest.fixture
def toml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "small.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def projects(tmp_path_factory) -> Path:
    """Built projects are taken over from one test to the next."""
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(autouse=True)
def _one_build(projects, monkeypatch):
    make = work.Work.project

    def project(self, *given, **named):
        (self.out / "projects").is_symlink() or (self.out / "projects").symlink_to(projects)
        return make(self, *given, **named)

    monkeypatch.setattr(work.Work, "project", project)


def opened(path: Path, out: Path, **options) -> Work:
    name, settings = load_study(str(path))
    return Work(name, settings, out, threads=1, show=False, **options)


def test_shipped_studies():
    assert {"attack", "certified-accuracy", "certified-percentage", "mismatch", "efficiency", "size"} <= set(
        study_names()
    )
    kinds = {}
    for name in study_names():
        kinds[name] = load_study(name)[1]
        assert all(case.path.is_file() and case.float_path.is_file() for case in kinds[name].case)
    assert {study.kind for study in kinds.values()} == set(KINDS)
    assert kinds["mismatch"].sigmas == tuple(map(Decimal, ("0.12", "0.25", "0.5", "1.0")))
    assert kinds["mismatch"].radii == tuple(map(Decimal, ("0.0", "0.2")))
    assert kinds["efficiency"].n == 100_000


def test_a_study_writes_everything_and_goes_on(run_cli, toml, tmp_path, monkeypatch):
    path, out = toml(CURVES), tmp_path / "out"
    certify, calls = work.certify_images, []

    def stop_at_the_third(*given, **named):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return certify(*given, **named)

    monkeypatch.setattr(work, "certify_images", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_study(opened(path, out))
    assert not (out / "report.md").exists()
    first = {p.name: p.read_bytes() for p in (out / "logs").iterdir()}
    code, text, _ = run_cli("study", path, "-o", out, "--threads", 1, "--no-progress")
    assert code == 0
    assert {p.name for p in out.iterdir()} >= {
        "table.tsv", "figure.png", "figure.svg", "figure.pdf", "settings.json", "figures.json", "report.md", "logs",
    }  # fmt: skip
    assert {name: (out / "logs" / name).read_bytes() for name in first} == first  # what was done is not done again
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert all((out / f"figure.{kind}").read_bytes().startswith(head) for kind, head in magic.items())
    figures = json.loads((out / "figures.json").read_text())
    for case in ("int8", "float"):
        for radius, found in figures[case].items():
            rows = read_log(out / "logs" / f"{case}-r{radius}.tsv")
            squared = int((255 * Decimal(radius)) ** 2)
            right = sum(row.correct and int(row.extra["L"]) >= squared for row in rows)
            assert found["share"] == right / len(rows)
            assert found["low"] < found["share"] <= found["high"]
            assert found["images"] == 12
            if radius != "0.0":
                assert {row.extra["mode"] for row in rows} == {f"target-radius={radius}"}
    report = (out / "report.md").read_text()
    assert all(words in report for words in ("# Digits", "A small one.", "float: NO PROOF", "n 200", "figure.svg"))
    assert "NO PROOF" in text
    code, _, err = run_cli("study", toml(CURVES.replace("n = 200", "n = 300")), "-o", out)
    assert (code, "holds another study or other settings" in err) == (2, True)


def test_a_fraction_is_a_part_of_the_same_images(toml, tmp_path):
    path = toml(CURVES.replace("[::30]", "[::10]"))
    part = opened(path, tmp_path / "part", fraction="1/3")
    assert [int(i) for i in part.images((8, 8, 1)).ids] == list(range(0, 359, 30))


ONE = CURVES[: CURVES.index('\n[[case]]\nname = "float"')].replace("[0.0, 0.1]", "[0.1]")


def test_a_cluster_certifies_where_one_is_named(toml, tmp_path, monkeypatch):
    """The same rows; a stand-in opens the host where the scheduler's workers would be."""
    asked = []

    def cluster(manifest, scheduler, workers):
        asked.append((scheduler, workers))
        return open_host(manifest, 1)

    monkeypatch.setattr(work, "ClusterTarget", cluster)
    there = opened(toml(ONE), tmp_path / "there", scheduler="tcp://head:8786")
    local = opened(toml(ONE), tmp_path / "local", workers=2)
    here = opened(toml(ONE), tmp_path / "here")
    rows = [
        [(row.idx, row.extra["votes"]) for row in w.rows(w.study.case[0], 0, Decimal("0.1"))]
        for w in (there, local, here)
    ]
    assert rows[0] == rows[1] == rows[2]
    assert asked == [("tcp://head:8786", 0), (None, 2)]


def shipped_log(folder: Path, source: Path, change=lambda line: line) -> None:
    lines = source.read_text().splitlines()
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(change(line) + "\n" for line in lines)
    (folder / f"{source.name}.gz").write_bytes(gzip.compress(content.encode()))


def test_shipped_logs_are_taken_and_compared(run_cli, toml, tmp_path, monkeypatch):
    path, results = toml(ONE), tmp_path / "results"
    monkeypatch.setattr(work, "results_folder", lambda: results)
    run_study(opened(path, tmp_path / "a"))
    log = tmp_path / "a" / "logs" / "int8-r0.1.tsv"
    shipped_log(results / "small", log)
    certify = work.certify_images
    monkeypatch.setattr(work, "certify_images", None)  # whoever calls it fails
    taken = opened(path, tmp_path / "b")
    assert run_study(taken).ok
    assert taken.sources == ["int8-r0.1.tsv: the shipped log"]
    assert (tmp_path / "b" / "figures.json").read_text() == (tmp_path / "a" / "figures.json").read_text()
    monkeypatch.setattr(work, "certify_images", certify)
    again = ("study", path, "--again", "--threads", 1, "--no-progress", "--fraction", "50%", "-o")
    assert run_cli(*again, tmp_path / "c")[0] == 0
    assert "6 lines compared" in (tmp_path / "c" / "report.md").read_text()

    votes = COLUMNS.index("votes")

    def forged(line: str) -> str:
        cells = line.split("\t")
        if cells[0] == "0":
            counts = cells[votes].split(",")
            cells[votes] = ",".join([counts[1], counts[0], *counts[2:]])
            body = "\t".join(cells[:-1])
            return f"{body}\t{zlib.crc32(body.encode()):08x}"
        return line

    rows = read_log(log)
    one = next(row for row in rows if row.idx == 0)
    assert len(set(one.extra["votes"].split(",")[:2])) == 1 or int(one.extra["selected"]) > 1
    # classes 0 and 1 are exchanged in a line that stays in agreement with itself
    different = one.extra["votes"].split(",")[0] != one.extra["votes"].split(",")[1]
    shipped_log(results / "small", log, forged)
    code, text, _ = run_cli(*again, tmp_path / "d")
    assert (code, "image 0: votes" in text) == ((1, True) if different else (0, False))


def test_a_radius_out_of_reach_is_none(toml, tmp_path):
    result = run_study(opened(toml(ONE.replace("[0.1]", "[0.1, 2.0]")), tmp_path / "a"))
    assert result.figures["int8"]["2.0"]["share"] == 0.0
    assert result.figures["int8"]["0.1"]["share"] > 0.5
    assert any("proves no radius of 2.0" in note for note in result.notes)
    assert [p.name for p in (tmp_path / "a" / "logs").iterdir()] == ["int8-r0.1.tsv"]


def test_a_folder_of_another_model_is_refused(toml, tmp_path):
    """Its projects and rounds would be those of the model that was there."""
    model = tmp_path / "m.onnx"
    model.write_bytes((work.shipped("models") / "digits-tiny.onnx").read_bytes())
    path = toml(ONE.replace("zoo:digits-tiny", str(model)))
    opened(path, tmp_path / "out")
    opened(path, tmp_path / "out")
    model.write_bytes((work.shipped("models") / "digits-resnet.onnx").read_bytes())
    with pytest.raises(IntrsError, match="holds another study or other settings"):
        opened(path, tmp_path / "out")


def test_a_log_of_another_model_is_not_taken(toml, tmp_path, monkeypatch):
    results = tmp_path / "results"
    monkeypatch.setattr(work, "results_folder", lambda: results)
    run_study(opened(toml(ONE), tmp_path / "a"))
    shipped_log(results / "small", tmp_path / "a" / "logs" / "int8-r0.1.tsv")
    other = opened(toml(ONE.replace("seed = 5", "seed = 6")), tmp_path / "b")
    run_study(other)
    assert other.sources == ["int8-r0.1.tsv: certified here"]


def test_percentage_counts_wrong_answers_too(toml, tmp_path):
    path = toml(ONE.replace("certified-accuracy", "certified-percentage").replace("target-radius", "fixed"))
    out = opened(path, tmp_path / "a")
    found = run_study(out).figures["int8"]["0.1"]["share"]
    rows = read_log(tmp_path / "a" / "logs" / "int8-fixed.tsv")
    assert found == sum(int(row.extra["L"]) >= 650 for row in rows) / len(rows)
    assert curves.accuracy(rows, Decimal("0.1")) <= found


def test_mismatch_certifies_at_every_sigma(toml, tmp_path):
    path = toml(ONE.replace("certified-accuracy", "mismatch").replace("target-radius", "fixed")
                .replace("seed = 5", "seed = 5\nsigmas = [0.25, 0.5]").replace("[::30]", "[::90]"))  # fmt: skip
    result = run_study(opened(path, tmp_path / "a"))
    assert list(result.figures) == ["int8 at 0.25", "int8 at 0.5"]
    logs = [read_log(p) for p in sorted((tmp_path / "a" / "logs").iterdir())]
    assert [rows[0].extra["sigma"] for rows in logs] == ["0.25", "0.5"]


ATTACK = """
kind = "attack"
title = "Attack"
about = "A small one."
images = "digits:test[::60]"
seed = 3
n0 = 20
n = 200
eps = [0, 60]
steps = 5
copies = 8

[[case]]
name = "int8"
model = "zoo:digits-tiny"
build = "ds-cnn"
options = { width = 24, blocks = 2, stem_stride = 2 }
"""


def test_attacks_stay_outside_certificates_and_are_no_sham(toml, tmp_path, monkeypatch):
    result = run_study(opened(toml(ATTACK), tmp_path / "a"))
    found = result.figures["int8"]
    for shares in found["accuracy"].values():
        assert shares[0] == 1.0
        assert shares[1] < 0.7  # six images
    assert result.ok
    assert found["smoothed"]["certified"] >= 5
    assert found["smoothed"]["broken"] == 0
    assert found["smoothed"]["beyond"] > 0  # the control: the attack works where nothing was certified
    # certificates that claim four times as much do not hold, and the study says so
    rows = work.Work.rows

    def inflated(self, case, left, radius=None):
        return [
            type(row)(**{**vars(row), "extra": {**row.extra, "L": str(16 * int(row.extra["L"]))}})
            for row in rows(self, case, left, radius)
        ]

    monkeypatch.setattr(work.Work, "rows", inflated)
    wrong = run_study(opened(toml(ATTACK), tmp_path / "b"))
    assert not wrong.ok
    assert any("DID NOT HOLD" in note for note in wrong.notes)


def test_attacks_move_no_further_than_they_may():
    import numpy as np
    import torch

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 4, 4, 1), np.uint8)
    weights = torch.from_numpy(rng.normal(size=(16, 2))).float()

    def logits(x):
        return x.flatten(1) @ weights

    made = attack.linf(logits, images, np.array([0, 1, 0]), 7, 10)
    moved = made.astype(int) - images.astype(int)
    assert 0 < np.abs(moved).max() <= 7
    assert (attack.linf(logits, images, np.array([0, 1, 0]), 0, 10) == images).all()
    for limit in (1, 50, 4000):
        moved = attack.l2_smoothed(logits, images[0], 0, limit, 20.0, 10, 4, 1).astype(int) - images[0].astype(int)
        assert (moved**2).sum() <= limit
    assert (moved**2).sum() > 1000


def test_efficiency_measures_in_turn_and_keeps_its_rounds(toml, tmp_path, monkeypatch):
    path = toml(
        'kind = "efficiency"\ntitle = "E"\nabout = "a"\nimages = "digits:test[::60]"\nn0 = 20\n'
        "n = 200\ntarget_radius = 0.1\nrounds = 3\nsamples = 64\nthreads = 1\n"
        '[[case]]\nname = "int8"\nmodel = "zoo:digits-tiny"\n'
    )
    order, timed = [], efficiency._timed
    monkeypatch.setattr(efficiency, "_timed", lambda action: order.append(action) or timed(action))
    result = run_study(opened(path, tmp_path / "a"))
    assert len(order) == 12
    owners = [getattr(getattr(action.func, "__self__", None), "classifier", action.func) for action in order]
    assert owners[:4] != owners[0:1] * 4
    seconds = result.figures["int8"]["seconds"]
    assert set(seconds) == {efficiency.OURS, efficiency.OURS_TARGET, efficiency.TORCH, efficiency.ORT}
    assert min(seconds.values()) > 0
    rounds = result.figures["int8"]["rounds"]
    assert {len(found) for found in rounds.values()} == {3}
    assert (
        run_study(opened(path, tmp_path / "a")).figures == result.figures
    )  # from what was kept: nothing measured anew
    assert len(order) == 12


def test_size_names_what_does_not_fit(toml, tmp_path):
    path = toml(
        'kind = "size"\ntitle = "S"\nabout = "a"\nimages = "digits:test"\nboards = ["microbit"]\n'
        '[[case]]\nname = "tiny"\nmodel = "zoo:digits-tiny"\n'
        '[[case]]\nname = "large"\nmodel = "zoo:cifar10-resnet20-s0.25"\n'
    )
    result = run_study(opened(path, tmp_path / "a"))
    tiny, large = result.figures["tiny"], result.figures["large"]
    assert tiny["int8 TFLite"] < tiny["float ONNX"]
    assert 3 < large["float ONNX"] / large["int8 TFLite"] < 4.2
    assert "flash, microbit" in tiny
    assert "flash, microbit" not in large
    assert "too small" in result.lines[1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "certified-accuracy"', 'kind = "x"', "kind 'x' is none of"),
        ("radii = [0.0, 0.1]", "radii = []", "radii is empty"),
        ("radii = [0.0, 0.1]", "radii = [-1]", "radii are [0,1] pixels"),
        ("seed = 5", "rounds = 5", "unknown 'rounds'"),
        ("seed = 5", 'seed = "5"', "seed is '5', which is no int"),
        ('name = "float"', 'name = "int8"', "two cases have one name"),
        ('method = "floatrs-fp"', 'method = "x"', "method 'x' of 'float'"),
        ('mode = "target-radius"', 'mode = "x"', "mode 'x' is none of"),
        ('model = "zoo:digits-tiny"\nmethod', 'method', "lacks 'model'"),
        ('title = "Digits"\n', "", "lacks 'title'"),
    ],
)  # fmt: skip
def test_wrong_settings_are_one_line(toml, old, new, words):
    assert old in CURVES
    with pytest.raises(IntrsError) as error:
        load_study(str(toml(CURVES.replace(old, new, 1))))
    assert words in str(error.value)


def test_what_is_missing_is_said(run_cli, toml, tmp_path, monkeypatch):
    path = tmp_path / "small.toml"
    for content, arguments, words in (
        (ONE, ["no-such"], "unknown study 'no-such'; known: attack"),
        (ONE.replace("digits-tiny", "no-such"), [path], "zoo:no-such: no such model"),
        (ONE.replace("zoo:digits-tiny", "absent.onnx"), [path], "absent.onnx: no such file"),
        (ONE, [path, "--fraction", "0"], "leaves no image"),
    ):
        toml(content)
        code, _, err = run_cli("study", *arguments, "-o", tmp_path / "out")
        assert (code, words in err, (tmp_path / "out").exists()) == (2, True, False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run_cli("study", toml(ONE), "-o", tmp_path / "none")
    assert (code, "pip install 'intrs-edge[report]'" in err) == (2, True)
    assert not (tmp_path / "none" / "projects").exists()
