"""The report command: what it writes, and what it refuses before it works."""

from __future__ import annotations

import json

import pytest

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"


@pytest.fixture
def log(tmp_path):
    (tmp_path / "mine.tsv").write_text(HEADER + "0\t1\t1\t0.5\t1\t0:00:01\n1\t1\t-1\t0.0\t0\t0:00:01\n")
    return tmp_path / "mine.tsv"


def test_every_form(run_cli, log, tmp_path):
    pytest.importorskip("plotly")
    pytest.importorskip("matplotlib")
    files = {"-o": "a.html", "--plot": "a.pdf", "--latex": "a.tex", "--csv": "a.csv"}
    code, out, err = run_cli("report", log, *(str(x) for o, f in files.items() for x in (o, tmp_path / f)), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["mine"]["certified_accuracy"][1] == 0.5
    assert "50.0 % of 2 images" in (tmp_path / "a.html").read_text()
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "tabular" in (tmp_path / "a.tex").read_text()
    assert (tmp_path / "a.csv").read_text().startswith("log,radius")
    assert run_cli("report", log, "-o", tmp_path / "a.md")[0] == 0
    assert "| images | 2 |" in (tmp_path / "a.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "x.pdf"), r".html or .md"),
        (("-o", "x.tsv"), r".html or .md"),
        (("--plot", "x.html"), r".svg or .png or .pdf"),
        (("--latex", "x.txt"), r".tex"),
        (("--csv", "x"), r".csv"),
        (("--images", "digits"), "-o FILE.html"),
        (("--project", "p", "-o", "x.md"), "-o FILE.html"),
    ],
)
def test_names_of_the_wrong_form_are_refused_at_once(run_cli, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_cli("report", "missing.tsv", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "missing.tsv" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_gallery_needs_digests(run_cli, log, tmp_path):
    code, _, err = run_cli("report", log, "-o", tmp_path / "a.html", "--images", "digits:test")
    assert code == 2
    assert "log mine: a gallery needs a log of certify" in err


def test_other_images_are_warned_about(run_cli, log, tmp_path):
    (tmp_path / "other.tsv").write_text(HEADER + "5\t1\t1\t0.5\t1\t0:00:01\n")
    code, _, err = run_cli("report", log, tmp_path / "other.tsv")
    assert code == 0
    assert "warning: the logs hold different images" in err
