"""The notebook runs from top to bottom, and shows what it says."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "digits.ipynb"


def test_the_notebook(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for name in ("plotly", "pandas"):
        pytest.importorskip(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOK.parents[1]), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # none is committed
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [str(o.data) for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    assert len(shown) == 5
    assert "flash" in shown[0]
    assert "certified accuracy at 0.25 (Cohen)" in shown[1]
    assert re.search(r"class \d, radius 0\.\d{3}", shown[3])
    assert (tmp_path / "digits.html").stat().st_size > 1_000_000
