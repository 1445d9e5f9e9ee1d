"""One word for an instruction set everywhere: the folders of both sides, the C functions and the kernels' names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from intrs_edge.codegen.kernels import registered

KERNELS = Path(__file__).parents[2] / "firmware" / "kernels"
ISAS = sorted(p.name for p in KERNELS.iterdir() if p.is_dir() and p.name != "common")
PACKAGE = Path(__file__).parents[2] / "intrs_edge" / "codegen" / "kernels"


def complaints(isa: str, source: Path) -> list[str]:
    """What is wrong with the name of a C file and what it defines."""
    wrong = []
    if not re.fullmatch(rf"intrs_[a-z0-9_]+?_{isa}(_[a-z0-9]+)*", source.stem):
        wrong.append(f"{source.name}: not intrs_<op>_{isa}[_<variant>]")
    text = source.read_text()
    if not re.search(rf"^(void {source.stem}\(|#define FUNCTION {source.stem}$)", text, re.MULTILINE):
        wrong.append(f"{source.name}: no function of this name")
    return wrong


def test_the_folders_are_the_same() -> None:
    assert [p.name for p in sorted(PACKAGE.iterdir()) if (p / "__init__.py").is_file() and p.name != "common"] == ISAS


@pytest.mark.parametrize("isa", ISAS)
def test_a_file_holds_the_function_of_its_name(isa: str) -> None:
    sources = sorted((KERNELS / isa).glob("*.c"))
    assert sources
    assert [c for source in sources for c in complaints(isa, source)] == []


def test_no_source_lies_outside() -> None:
    assert [p.name for p in KERNELS.glob("*.*")] == []
    assert [p.name for p in (KERNELS / "common").iterdir() if p.suffix != ".h"] == []


def test_a_kernel_is_named_after_its_folder() -> None:
    """``conv2d.neon_sdot`` in neon: the operator, the instruction set, the variant."""
    for name, kernel in registered().items():
        isa = type(kernel).__module__.removeprefix("intrs_edge.codegen.kernels.").split(".")[0]
        assert re.fullmatch(rf"[a-z0-9_]+\.{isa}(_[a-z0-9]+)*", name), (name, isa)


@pytest.mark.parametrize(
    ("stem", "defines", "message"),
    [
        ("intrs_dsp_add", "intrs_dsp_add", "not intrs_<op>_arm_dsp"),
        ("intrs_add_neon", "intrs_add_neon", "not intrs_<op>_arm_dsp"),
        ("intrs_add_arm_dsp", "intrs_sub_arm_dsp", "no function of this name"),
    ],
)
def test_a_wrong_name_is_seen(tmp_path: Path, stem: str, defines: str, message: str) -> None:
    source = tmp_path / f"{stem}.c"
    source.write_text(f"void {defines}(void) {{}}\n")
    assert message in "".join(complaints("arm_dsp", source))
