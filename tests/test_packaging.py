"""A wheel installed elsewhere is complete: from a clean folder it generates, builds and certifies."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from intrs_edge.children import patient

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("templates", "firmware", "boards", "models", "recipes", "studies", "examples/c")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=patient(120))
    (path,) = out.glob("*.whl")
    return path


def tracked(folder: str) -> set[str]:
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", folder], capture_output=True, text=True, check=True)
    return set(listing.stdout.split())


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: what belongs in the wheel is unknown")
def test_the_wheel_holds_every_shipped_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in FOLDERS:
        expected = {f"intrs_edge/_data/{name}" for name in tracked(folder)}
        assert expected
        assert expected - names == set()
    assert "intrs_edge/datasets/digits.npz" in names
    assert "intrs_edge/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "docs/"))]


def test_a_wheel_elsewhere_does_the_whole_job(wheel, tmp_path):
    site, clean = tmp_path / "site", tmp_path / "clean"
    clean.mkdir()
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True, timeout=patient(120))
    env = {**os.environ, "PYTHONPATH": str(site)}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=clean,
            env=env,
            capture_output=True,
            text=True,
            timeout=patient(300),
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = python("-c", "import intrs_edge, intrs_edge.paths as p; print(intrs_edge.__file__, p.shipped('models'))")
    assert all(path.startswith(str(site)) for path in where.split())
    model = Path(where.split()[1]) / "digits-resnet.onnx"
    cli = ("-m", "intrs_edge.cli.main")
    python(*cli, "generate", str(model), "--n0", "10", "--n", "100", "-o", "project")
    python(*cli, "build", "project")
    python(*cli, "certify", "project", "digits:test[0:3]", "--log", "log.tsv")
    assert len((clean / "log.tsv").read_text().splitlines()) == 4
