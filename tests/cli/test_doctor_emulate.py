"""doctor and emulate on the command line; what they do is tested in tests/targets."""

import json

import pytest

from intrs_edge.cli.main import main


def test_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["doctor", "mps2-an386"]) == 1
    assert "apt-get install" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    assert {"name", "wanted_for", "found", "install"} == set(json.loads(capsys.readouterr().out)[0])
    assert main(["doctor", "nosuch"]) == 2


@pytest.mark.parametrize("extra", [[], ["--tcp", "0"]])
def test_emulate_wants_a_project(extra, capsys, tmp_path):
    assert main(["emulate", str(tmp_path), *extra]) == 2
    assert "not a generated project" in capsys.readouterr().err
