"""The zoo: every shipped file is listed with its hash, loads, and is what the pages say; nothing else passes for it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from loaded_script import loaded_script

from intrs_edge import zoo
from intrs_edge.boards import board_ids
from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certified_accuracy, read_log
from intrs_edge.evaluate.log import parse_log
from intrs_edge.evaluate.merge import gaps
from intrs_edge.graph import reference
from intrs_edge.graph.digest import graph_digest
from intrs_edge.graph.reading import resolve
from intrs_edge.graph.summary import summarize
from intrs_edge.paths import shipped
from intrs_edge.train.recipe import load_recipe

ROOT = Path(__file__).resolve().parent.parent
NAMES = [e.name for e in zoo.entries()]


def test_every_file_is_listed_and_every_listed_file_is_there():
    files = {p.name for p in shipped("models").iterdir()} - {"README.md", "zoo.toml"}
    assert files == {f"{name}{suffix}" for name in NAMES for suffix in (".onnx", ".tflite")}
    assert sum(p.stat().st_size for p in shipped("models").iterdir()) <= 25_000_000
    readme = (shipped("models") / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_hashes_and_figures_are_those_of_the_files(name):
    entry = zoo.entry(name)
    assert entry.onnx == hashlib.sha256(entry.path.read_bytes()).hexdigest()
    assert entry.tflite == hashlib.sha256(entry.tflite_path.read_bytes()).hexdigest()
    graph, other = load_model(entry.path), load_model(entry.tflite_path)
    assert graph_digest(resolve(other).graph) == graph_digest(resolve(graph).graph)  # one network in two forms
    assert float(graph.metadata["intrs.sigma"]) == entry.sigma
    totals = summarize(graph)
    assert (totals.macs, totals.weights_bytes) == (entry.macs, entry.weights)
    recipe = load_recipe(entry.recipe)
    assert (recipe.config.network, recipe.config.sigma) == (entry.network, entry.sigma)
    assert recipe.data.partition(":")[0] == entry.data
    assert 0.5 < entry.noisy <= 1
    for board in entry.boards:
        assert board.board in board_ids()
        assert (board.flash > 0) == bool(board.fits)
        assert (board.seconds > 0) == (board.sample > 0)
    assert reference.run(graph, _zeros(graph)).size > 1


def _zeros(graph):
    import numpy as np

    return np.zeros((1, *graph.tensors[graph.inputs[0]].shape[1:]), np.int8)


def test_another_file_is_not_taken_for_one_of_the_zoo(tmp_path, monkeypatch):
    copy = tmp_path / "models"
    shutil.copytree(shipped("models"), copy)
    monkeypatch.setattr(zoo, "shipped", lambda folder: copy)
    assert zoo.model_file("zoo:digits-tiny") == copy / "digits-tiny.onnx"
    for suffix in (".tflite", ".onnx"):
        content = bytearray((copy / f"digits-tiny{suffix}").read_bytes())
        content[-1] ^= 1
        (copy / f"digits-tiny{suffix}").write_bytes(content)
        with pytest.raises(IntrsError, match=f"digits-tiny.{suffix[1:]} is not the file that the zoo lists"):
            zoo.model_file("zoo:digits-tiny")
        content[-1] ^= 1
        (copy / f"digits-tiny{suffix}").write_bytes(content)
    (copy / "digits-tiny.tflite").unlink()
    with pytest.raises(IntrsError, match="is not the file"):
        zoo.entry("digits-tiny")


def test_models_lists_and_fetches(run_cli, tmp_path):
    code, out, _ = run_cli("models")
    assert (code, [name for name in NAMES if name not in out]) == (0, [])
    code, out, _ = run_cli("models", "--json")
    assert [e["name"] for e in json.loads(out)] == NAMES
    code, out, _ = run_cli("models", "zoo:digits-tiny", "-o", tmp_path / "m")
    assert code == 0
    assert {p.name for p in (tmp_path / "m").iterdir()} == {
        "digits-tiny.onnx",
        "digits-tiny.tflite",
        "digits-tiny.toml",
    }
    assert (tmp_path / "m" / "digits-tiny.onnx").read_bytes() == zoo.entry("digits-tiny").path.read_bytes()
    code, _, err = run_cli("models", "no-such")
    assert (code, "zoo:no-such: no such model; known: digits-tiny" in err) == (2, True)
    assert run_cli("models", "-o", tmp_path)[0] == 2


def test_commands_take_a_name(run_cli, tmp_path):
    code, out, _ = run_cli("generate", "zoo:digits-tiny", "-o", tmp_path / "p")
    assert code == 0
    code, out, _ = run_cli("inspect", "zoo:digits-resnet", "--json")
    assert (code, json.loads(out)["macs"]) == (0, 133_696)
    assert run_cli("convert", "zoo:digits-tiny", "-o", tmp_path / "m.tflite")[0] == 0
    assert (tmp_path / "m.tflite").read_bytes() == zoo.entry("digits-tiny").tflite_path.read_bytes()
    code, _, err = run_cli("generate", "zoo:absent", "-o", tmp_path / "q")
    assert (code, "no such model" in err) == (2, True)


def logs() -> list[Path]:
    return sorted((ROOT / "results").glob("*/*.tsv.gz"))


@pytest.mark.parametrize("log", logs(), ids=lambda p: p.stem)
def test_a_shipped_log_is_sound_whole_and_of_a_shipped_model(run_cli, log, tmp_path):
    rows = read_log(log)
    if log.parent.name == "union-bound":
        loaded_script("results").union_bound(rows)
        assert gaps(rows).count == 0
    else:
        code, _, err = run_cli("report", log, "--json")
        assert (code, err) == (0, "")  # every radius proved by its votes, no image missing
    row = rows[0]
    hashes = set()
    for name in NAMES:
        hashes.add(hashlib.sha256(zoo.entry(name).path.read_bytes()).hexdigest()[:16])  # of floatrs-fp
        if f"s{float(row.extra['sigma']):.2f}" in name:
            code, _, _ = run_cli("generate", f"zoo:{name}", "-o", tmp_path / name)
            hashes.add(json.loads((tmp_path / name / "project.json").read_text())["model_hash"][:16])
    assert row.extra["model"] in hashes


def test_the_union_bound_refuses_what_it_does_not_prove():
    results, log = loaded_script("results"), next(p for p in logs() if p.parent.name == "union-bound")
    rows = read_log(log)
    results.union_bound(rows)
    k = next(k for k, row in enumerate(rows) if int(row.extra["L"]))
    samples = int(rows[k].extra["samples"])
    for change in ({"count": str(samples * 2 // 3)}, {"samples": str(samples + 1)}, {"L": "9999"}):
        changed = [*rows[:k], replace(rows[k], extra={**rows[k].extra, **change}), *rows[k + 1 :]]
        with pytest.raises(IntrsError, match=f"image {rows[k].idx}: "):
            results.union_bound(changed)


def test_the_results_page_is_the_scripts(monkeypatch):
    results = loaded_script("results")
    text = results.PAGE.read_text(encoding="utf-8")
    assert results.page() == text
    # the control: other logs, another page
    share = results.certified_accuracy
    monkeypatch.setattr(results, "certified_accuracy", lambda rows, radius: share(rows, radius) / 2)
    assert results.page() != text


def test_the_results_page_has_the_figures_of_the_logs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for log in logs():
        if log.parent.name == "two-sided":  # one log holds every radius
            radii = [float(radius) for radius in loaded_script("results").FINE_RADII]
        else:
            radii = [float(log.name.partition("-r")[2].rpartition("-r")[2].removesuffix(".tsv.gz"))]
        for radius in radii:
            assert f"| {100 * certified_accuracy(read_log(log), radius):.1f} (" in text


def test_the_zoo_has_the_certified_accuracies_of_the_logs():
    measured = loaded_script("zoo")
    for name in NAMES:
        assert zoo.entry(name).certified == measured.certified(name)


def test_logs_of_earlier_columns_are_rewritten(tmp_path):
    import gzip

    relog = loaded_script("relog")
    log = logs()[0]
    content = gzip.decompress(log.read_bytes())
    now = relog.rewritten(content, log)
    assert relog.rewritten(now, log) == now
    rows = [[(row.idx, row.radius, dict(row.extra)) for row in parse_log(some, log)] for some in (content, now)]
    assert rows[0] == rows[1]
    lines = [line.split("\t") for line in content.decode().splitlines()]
    method = lines[0].index("method")
    old = "".join("\t".join(cells[:method] + cells[method + 1 :]) + "\n" for cells in lines).encode()
    assert relog.rewritten(old, log) == now
    with pytest.raises(IntrsError, match="has no seed"):
        relog.rewritten(content.replace(b"\tseed\t", b"\tsedd\t", 1), log)
