"""``import intrs_edge as ie``: from a model to a certificate in ten lines, on paths of either kind."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import intrs_edge as ie
from intrs_edge.children import patient
from intrs_edge.paths import shipped
from intrs_edge.targets.host import HostTarget

MODEL = shipped("models") / "digits-resnet.onnx"
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "project"
    return ie.generate(str(MODEL), str(folder), sigma=0.25, n=200, alpha=0.001).build()


def test_from_a_model_to_a_certificate_in_ten_lines(tmp_path, monkeypatch):
    """The lines of docs/python.md, as they stand there."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    lines = page.split("```python\n", 1)[1].split("```", 1)[0]
    assert len(lines.strip().splitlines()) <= 10
    pytest.importorskip("plotly")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(MODEL.read_bytes())
    found: dict[str, object] = {}
    exec(compile(lines, "docs/python.md", "exec"), found)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    certificate = found["certificate"]
    assert isinstance(certificate, ie.Certificate)
    assert certificate.radius > 0


def test_the_log_is_that_of_the_command_line(project, tmp_path, run_cli):
    log = ie.certify(project.path, "digits:test[0:4]", tmp_path / "a.tsv", seed=3)
    assert run_cli("certify", project.path, "digits:test[0:4]", "--seed", 3, "--log", tmp_path / "b.tsv")[0] == 0
    assert [(r.idx, r.predict, r.radius, r.extra) for r in log] == [
        (r.idx, r.predict, r.radius, r.extra) for r in ie.read_log(str(tmp_path / "b.tsv"))
    ]


def test_images_of_ones_own_and_one_by_one(project, tmp_path):
    images = ie.load_images("digits:test[0:3]")
    log = project.certify(images, tmp_path / "a.tsv", seed=3)
    with project.open() as target:
        alone = target.certify(images.images[1], ie.Stream(3, int(images.ids[1])))
    assert (alone.label, alone.radius) == (log[1].predict, log[1].radius)
    assert f"{alone.radius:.3f}" in alone._repr_html_()
    assert "abstains" in ie.Certificate(-1, 0, 5, 10, 0, alone.stop)._repr_html_()


def test_what_the_command_line_would_say_is_a_warning(project, tmp_path, monkeypatch):
    """A slice of one class, and a board that was caught."""
    images = ie.load_images("digits:test")
    one = np.flatnonzero(images.labels == images.labels[0])
    few = dataclasses.replace(images, images=images.images[one], labels=images.labels[one], ids=images.ids[one])
    with pytest.warns(UserWarning, match="class"):
        project.certify(few, tmp_path / "a.tsv", seed=3)
    monkeypatch.setattr(HostTarget, "liars", {"tcp:1": "it lied"}, raising=False)
    with pytest.warns(UserWarning, match="PROVED WRONG: tcp:1: it lied"):
        project.certify("digits:test[0:9]", tmp_path / "b.tsv", seed=3)


def test_an_unsound_log_says_so(tmp_path):
    project = ie.generate(str(MODEL), tmp_path / "p", sigma=0.25, n=100, certificate="paper").build()
    assert "NOT SOUND" in repr(project.certify("digits:test[0:2]", tmp_path / "a.tsv", seed=3))
    assert "NOT SOUND" in ie.read_log(tmp_path / "a.tsv")._repr_html_()


def test_a_log_as_a_table(project, tmp_path):
    pandas = pytest.importorskip("pandas")
    log = project.certify("digits:test[0:3]", tmp_path / "a.tsv", seed=3)
    table = log.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table["radius"].tolist() == [row.radius for row in log]
    assert np.issubdtype(table["count"].dtype, np.integer)
    assert "certified accuracy at 0.25 (Cohen)" in log._repr_html_()
    assert repr(log).startswith("<Log a: 3 images, ")
    assert ie.read_log(tmp_path / "a.tsv") == log
    empty = ie.Log([], "<x>")
    assert empty._repr_html_() == "&lt;Log &lt;x&gt;: 0 images, 0 certified&gt;"


def test_reports_of_every_form(project, tmp_path):
    pytest.importorskip("matplotlib")
    log = project.certify("digits:test[0:3]", tmp_path / "a.tsv", seed=3)
    other = project.certify("digits:test[0:3]", tmp_path / "b.tsv", seed=4)
    for name in ("x.html", "x.pdf", "x.csv"):
        assert ie.report([log, other], tmp_path / name).stat().st_size > 100
    log.report(str(tmp_path / "y.html"), images="digits:test", project=project)
    page = (tmp_path / "y.html").read_text(encoding="utf-8")
    assert "data:image/png" in page
    assert "Firmware" in page
    with pytest.raises(ie.IntrsError, match="not the one that was certified"):
        log.report(tmp_path / "z.html", images="digits:train")


def test_train_is_a_function_and_a_package():
    import intrs_edge.train as package

    assert package is ie.train
    assert package.TrainConfig.__name__ == "TrainConfig"
    with pytest.raises(ie.IntrsError, match="no-such-set"):
        ie.train("no-such-set", "out")


def test_training_by_the_facade(tmp_path):
    pytest.importorskip("torch")
    result = ie.train("digits:train[0:64]", tmp_path / "run", network="ds-cnn", epochs=1, threads=1, progress=False)
    assert ie.load(result.model).inputs


def test_names_are_offered_and_loaded_only_when_asked_for():
    assert set(ie.__all__) <= set(dir(ie))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ie.nonsense  # noqa: B018
    program = "import sys, intrs_edge; print(sorted({'numpy', 'torch', 'onnx', 'PIL'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=patient(30)
    )
    assert done.stdout == "[]\n"


def test_labels_that_the_network_has_no_class_for_are_refused(project, tmp_path):
    images = ie.load_images("digits:test[0:2]")
    images.labels[0] = 77
    with pytest.raises(ie.IntrsError, match="label 77, but the network has 10 classes"):
        project.certify(images, tmp_path / "a.tsv")
