"""Data flows one way: a folder of the package imports only from those before it (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "intrs_edge"
# what each may import besides itself and what every folder may use
LOWER = {
    "datasets": set(),
    "boards": set(),
    "smoothing": set(),
    "graph": {"smoothing"},
    "train": {"datasets", "graph", "smoothing"},
    "convert": {"datasets", "train", "graph", "smoothing"},
    "codegen": {"graph", "smoothing", "boards"},
    "gpu": {"graph", "smoothing"},
    "targets": {"datasets", "graph", "gpu", "codegen", "smoothing", "boards"},
    "evaluate": {"datasets", "train", "convert", "graph", "codegen", "targets", "smoothing", "boards"},
    "study": {"datasets", "train", "convert", "graph", "codegen", "targets", "evaluate", "smoothing", "boards"},
}
FOR_ALL = {"__init__", "__version__", *(p.stem for p in PACKAGE.glob("*.py"))}


def imported(path: Path) -> set[str]:
    """The folders that a module imports from, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "intrs_edge":
            names += [f"intrs_edge.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("intrs_edge.")}
    return found


@pytest.mark.parametrize("folder", LOWER)
def test_a_folder_sees_only_those_before_it(folder):
    wrong = {
        str(path.relative_to(PACKAGE)): folders
        for path in (PACKAGE / folder).rglob("*.py")
        if (folders := imported(path) - LOWER[folder] - {folder} - FOR_ALL)
    }
    assert wrong == {}


def test_every_folder_is_known():
    folders = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    assert folders == {*LOWER, "cli"}


def test_the_check_sees_an_import(tmp_path):
    (tmp_path / "m.py").write_text(
        "def f():\n    from intrs_edge.cli.main import main\n    import intrs_edge.study.work\n"
    )
    assert imported(tmp_path / "m.py") == {"cli", "study"}
