"""What a project keeps beside its code: one version, a change log, hooks and checks that name what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from loaded_script import loaded_script

import intrs_edge
from intrs_edge.typed import read_toml

ROOT = Path(__file__).resolve().parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_has_one_source():
    project = read_toml(ROOT / "pyproject.toml", "project")
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "intrs_edge/__init__.py"
    assert re.findall(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE) == [intrs_edge.__version__]
    released = re.findall(r"^## (\d+\.\d+\.\d+)\b", text("CHANGELOG.md"), re.MULTILINE)
    assert released[0] == intrs_edge.__version__
    assert text("CHANGELOG.md").index("## Unreleased") < text("CHANGELOG.md").index(f"## {released[0]}")


def test_the_citation_is_well_formed():
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load(text("CITATION.cff"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["license"] == read_toml(ROOT / "pyproject.toml", "project")["project"]["license"]
    for each in (cited, *cited["references"]):
        assert {"title", "authors", "type"} <= each.keys()


def test_the_hooks_run_what_the_makefile_installs():
    yaml = pytest.importorskip("yaml")
    entries = [h["entry"] for repo in yaml.safe_load(text(".pre-commit-config.yaml"))["repos"] for h in repo["hooks"]]
    extras = " ".join(read_toml(ROOT / "pyproject.toml", "project")["project"]["optional-dependencies"]["dev"])
    assert len(entries) == 5
    for entry in entries:
        tool = re.match(r"\.venv/bin/([\w-]+)", entry)
        assert tool
        assert tool[1] in extras


def test_continuous_integration_tests_every_python_that_is_promised():
    promised = read_toml(ROOT / "pyproject.toml", "project")["project"]["requires-python"]
    assert promised == ">=3.10"
    script, makefile = text(".ci/run"), text("Makefile")
    assert re.search(r"^make test\b", script, re.MULTILINE)
    named = re.search(r'TESTS="([^"]*)" make pythons', script)
    assert named
    assert [path for path in named[1].split() if not (ROOT / path).exists()] == []
    assert {"python3.10", "python3.12", "python3.13"} <= set(re.findall(r"python3\.\d+", makefile))


@pytest.fixture
def import_all() -> ModuleType:
    return loaded_script("import_all")


def test_a_module_that_does_not_import_is_named(import_all, tmp_path, monkeypatch):
    assert {"intrs_edge", "intrs_edge.cli.main", "intrs_edge.graph.ir"} <= set(import_all.module_names())
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wants_torch.py").write_text("raise ModuleNotFoundError('no', name='torch.nn')\n")
    (tmp_path / "wants_other.py").write_text("raise ModuleNotFoundError('no', name='numpty')\n")
    (tmp_path / "wants_newer.py").write_text("from typing import no_such_name\n")
    failed, absent = import_all.failures(["wants_torch", "wants_other", "wants_newer", "json"])
    assert absent == 1
    assert [line.partition(":")[0] for line in failed] == ["wants_other", "wants_newer"]


def test_a_python_that_is_absent_is_named_and_not_an_error():
    done = subprocess.run(
        [ROOT / "scripts" / "pythons", "python3.99"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, "pythons: python3.99 is not here: not tested\n")
