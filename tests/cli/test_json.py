"""Results for programs: one JSON document on stdout, and nothing else there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from intrs_edge.cli.main import COMMANDS, build_parser
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.paths import shipped

MODEL = shipped("models") / "digits-tiny.onnx"


def test_the_chain_in_json(run_cli, tmp_path):
    def ask(*words: object) -> object:
        code, out, _ = run_cli(*words, "--json")
        assert code == 0
        return json.loads(out)

    assert ask("convert", MODEL, "-o", tmp_path / "m.tflite")["bytes"] == (tmp_path / "m.tflite").stat().st_size
    assert ask("generate", tmp_path / "m.tflite", "--n", 200, "-o", tmp_path / "p")["board"] == "host"
    built = ask("build", tmp_path / "p")
    assert built[str(tmp_path / "p/build/host/libintrs.so")] > 1000
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 1), np.int8))
    found = ask("infer", tmp_path / "p", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert (found["shape"], found["dtype"]) == ([2, 10], "int8")
    found = ask("certify", tmp_path / "p", "digits:test[0:3]", "--log", tmp_path / "l.tsv", "--seed", 1)
    assert (found["images"], found["seed"], found["proved_wrong"]) == (3, 1, {})
    code, out, err = run_cli("predict", tmp_path / "p", "digits:test[0:2]", "--seed", 1, "--json")
    assert code == 0
    assert "2/2 images, " in err  # how far it is, at what rate, the time left: where lines do not show it
    assert "left" in err
    assert "left" not in run_cli("predict", tmp_path / "p", "digits:test[0:2]", "--seed", 1, "--no-progress")[2]
    assert "warning: " not in err
    assert "images are of 1 of 10 classes" in run_cli("predict", tmp_path / "p", "digits:test[0,2]", "--seed", 1)[2]
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["idx"] for line in lines] == [0, 1]
    assert lines[0]["predict_name"] == str(lines[0]["predict"])
    assert ask("verify", tmp_path / "l.tsv", tmp_path / "p")["replayed"] == 3
    assert ask("report", tmp_path / "l.tsv")["l"]["images"] == 3
    assert isinstance(ask("audit", tmp_path / "p"), list)


def test_every_command_prints_json():
    for name in COMMANDS:
        parser = build_parser(name).command
        assert parser is not None
        assert "--json" in parser._option_string_actions, name


def test_what_comes_before_and_after_the_chain_in_json(run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_cli("init", MODEL, "--json")
    assert (code, json.loads(out)) == (0, {"wrote": "intrs.toml"})
    generate(load_model(MODEL), GenerateOptions(board="nucleo-f446re"), tmp_path / "q")
    image = tmp_path / "q/build/board/intrs.elf"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"")
    image.with_suffix(".bin").write_bytes(b"")
    code, out, err = run_cli("flash", tmp_path / "q", "--dry-run", "--no-verify", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["flashed"], found["verified"], found["why"]) == (False, None, "--no-verify")
    assert found["commands"] == run_cli("flash", tmp_path / "q", "--dry-run", "--no-verify")[1].splitlines()[:-1]


def test_training_in_json(run_cli, tmp_path):
    pytest.importorskip("torch")
    code, out, _ = run_cli(
        "train", "digits:train[0:64]", "-o", tmp_path, "--network", "ds-cnn", "--epochs", 1, "--threads", 1,
        "--no-progress", "--json", "--test", "digits:test[0:20]",
    )  # fmt: skip
    assert code == 0
    assert 0 <= json.loads(out)["noisy_accuracy"] <= 1
