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
    "bench": {"convert", "graph", "codegen", "targets", "smoothing"},
    "study": {"datasets", "train", "convert", "graph", "codegen", "targets", "evaluate", "smoothing", "boards"},
}
FOR_ALL = {"__init__", "__version__", *(p.stem for p in PACKAGE.glob("*.py"))}


def imported(path: Path, package: str = "intrs_edge") -> set[str]:
    """What of a package a module imports from, wherever it does: folders, and what else its ``__init__`` offers."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.removeprefix(f"{package}.").split(".")[0] for name in names if name.startswith(f"{package}.")}
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


KERNELS = PACKAGE / "codegen" / "kernels"
ISAS = sorted(p.parent.name for p in KERNELS.glob("*/__init__.py"))


def strangers(path: Path, folder: str) -> set[str]:
    """What a module of kernels imports from other folders than its own and common."""
    return imported(path, "intrs_edge.codegen.kernels") - {folder, "common"}


@pytest.mark.parametrize("folder", ISAS)
def test_kernels_see_their_own_folder_and_common(folder):
    wrong = {
        str(path.relative_to(KERNELS)): seen
        for path in (KERNELS / folder).rglob("*.py")
        if (seen := strangers(path, folder))
    }
    assert wrong == {}


def test_the_check_of_kernels_sees_an_import(tmp_path):
    """By any spelling, of another folder and of the registry; common itself sees no folder."""
    path = tmp_path / "m.py"
    path.write_text(
        "from intrs_edge.codegen.kernels import arm_dsp, registered\n"
        "from intrs_edge.codegen.kernels.neon import pack\n"
        "import intrs_edge.codegen.kernels.x86.conv\n"
        "from intrs_edge.codegen.kernels.common.base import Kernel\n"
    )
    assert strangers(path, "neon") == {"arm_dsp", "registered", "x86"}
    assert strangers(path, "common") == {"arm_dsp", "registered", "neon", "x86"}


def test_every_kernel_lies_in_a_folder():
    assert {p.name for p in KERNELS.glob("*.py")} == {"__init__.py"}
    assert "common" in ISAS
    assert len(ISAS) > 2
