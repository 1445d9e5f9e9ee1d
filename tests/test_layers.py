"""The package is a house of floors: a folder imports only from floors below its own (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "intrs_edge"
FLOORS = (
    {"datasets", "graph", "smoothing"},
    {"boards", "train"},
    {"codegen", "convert", "gpu"},
    {"targets"},
    {"bench", "evaluate"},
    {"study"},
    {"cli"},
)
FOLDERS = [folder for floor in FLOORS for folder in sorted(floor)]
# modules beside the folders that every folder may use, and that use each other alone
FOR_ALL = {
    "__version__", "budget", "children", "errors", "files", "integers", "lazy", "paths", "terminal", "typed", "zoo",
}  # fmt: skip

UPWARDS = {PACKAGE / "train" / "__init__.py": {"api"}}  # ``intrs_edge.train(...)``: a package that can be called


def below(folder: str) -> set[str]:
    floor = next(i for i, names in enumerate(FLOORS) if folder in names)
    return set().union(*FLOORS[:floor])


def imported(path: Path) -> set[str]:
    """The folders and modules of the package that a module imports from, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "intrs_edge":
            names += [f"intrs_edge.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("intrs_edge.")}
    return found


def drawn(page: str) -> list[set[str]]:
    """The floors that the page draws, the lowest first."""
    lines = page.split("```text\n")[1].split("```", maxsplit=1)[0].splitlines()
    return [set(line.replace(",", " ").split()) for line in reversed(lines) if line.strip()]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_sees_only_floors_below_it(folder):
    wrong = {
        str(path.relative_to(PACKAGE)): folders
        for path in (PACKAGE / folder).rglob("*.py")
        if (folders := imported(path) - below(folder) - {folder} - FOR_ALL - UPWARDS.get(path, set()))
    }
    assert wrong == {}


@pytest.mark.parametrize("name", sorted(FOR_ALL - {"__version__"}))
def test_what_every_folder_may_use_sees_no_folder(name):
    assert imported(PACKAGE / f"{name}.py") <= FOR_ALL


def test_every_folder_is_on_a_floor():
    folders = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    assert folders == set(FOLDERS)
    assert len(FOLDERS) == len(set(FOLDERS))


def test_the_page_draws_these_floors():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert drawn(page) == list(FLOORS)
    assert drawn(page.replace("boards, train", "boards")) != list(FLOORS)  # the control
    assert [folder for folder in FOLDERS if f"| `intrs_edge/{folder}` |" not in page] == []
    assert [name for name in FOR_ALL - {"__version__"} if f"`{name}.py`" not in page] == []


def test_the_check_sees_an_import(tmp_path):
    (tmp_path / "m.py").write_text(
        "def f():\n    from intrs_edge.cli.main import main\n    import intrs_edge.study.work\n"
    )
    assert imported(tmp_path / "m.py") == {"cli", "study"}
    assert below("targets") == {*FLOORS[0], *FLOORS[1], *FLOORS[2]}
    assert not imported(tmp_path / "m.py") & below("targets")
