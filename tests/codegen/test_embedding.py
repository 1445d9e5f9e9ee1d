"""What the library promises to the firmware around it."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from library import compile_all, variables
from networks import tiny

from intrs_edge.codegen import GenerateOptions, generate

OPTIONS = {"n0": 10, "n": 100, "sigma": Decimal("0.1")}


@pytest.mark.parametrize(
    ("board", "target", "prefix", "flags"),
    [
        ("mps2-an386", "board", "arm-none-eabi-", ("-mcpu=cortex-m4+nofp", "-mthumb", "-O2", "-fdata-sections")),
        ("host", "host", "", ("-O2", "-fPIC", "-fdata-sections")),
    ],
)
def test_the_library_has_no_variables(
    tmp_path: Path, board: str, target: str, prefix: str, flags: tuple[str, ...]
) -> None:
    if shutil.which(f"{prefix}gcc") is None:
        pytest.skip(f"{prefix}gcc is not installed")
    generate(tiny(), GenerateOptions(**OPTIONS, board=board, machine="x86_64"), tmp_path / "p")
    objects = compile_all(tmp_path / "p", target, f"{prefix}gcc", tmp_path / "o", *flags)
    assert len(objects) > 10
    found = variables(objects, f"{prefix}size")
    assert [f for f in found if not f.startswith("intrs_noise_fill_x86.o .bss.cells")] == []
    assert target == "host" or found == []
    (tmp_path / "p" / target / "intrs_model.c").write_text("int a; int f(void) { static int b = 3; return b++; }")
    objects = compile_all(tmp_path / "p", target, f"{prefix}gcc", tmp_path / "o", *flags)
    assert len(variables(objects, f"{prefix}size")) == len(found) + 2  # and it would be seen
