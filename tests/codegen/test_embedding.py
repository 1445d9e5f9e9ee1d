"""What the library promises to the firmware around it."""

from __future__ import annotations

import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from networks import tiny

from intrs_edge.children import patient
from intrs_edge.codegen import GenerateOptions, generate

OPTIONS = {"n0": 10, "n": 100, "sigma": Decimal("0.1")}
# sections that may be written at run time; .data.rel.ro holds constants with addresses, of position-independent code
VARIABLES = re.compile(r"^\.(t?data|t?bss|sdata|sbss)(?!\.rel\.ro)")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def compile_all(project: Path, target: str, compiler: str, folder: Path, *flags: str) -> list[Path]:
    """The objects of a target's library."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    include = {p.parent for p in project.rglob("*.h") if p.parent.name != {"host": "board", "board": "host"}[target]}
    for source in (project / target / "sources.txt").read_text().split():
        objects.append(folder / (Path(source).stem + ".o"))
        run(
            compiler,
            *flags,
            *(f"-I{i}" for i in sorted(include)),
            "-c",
            project / source,
            "-o",
            objects[-1],
            cwd=folder,
        )
    return objects


def variables(objects: list[Path], tool: str) -> list[str]:
    """Sections of these objects that hold variables, with their sizes."""
    found = []
    for item in objects:
        for line in run(tool, "-A", item, cwd=item.parent).splitlines():
            words = line.split()
            if len(words) == 3 and VARIABLES.match(words[0]) and int(words[1]) > 0:
                found.append(f"{item.name} {words[0]} {words[1]}")
    return found


@pytest.mark.parametrize(
    ("board", "target", "prefix", "flags"),
    [
        ("mps2-an386", "board", "arm-none-eabi-", ("-mcpu=cortex-m4+nofp", "-mthumb", "-O2", "-fdata-sections")),
        ("host", "host", "", ("-O2", "-fPIC", "-fdata-sections", "-mavx2", "-mavx512vnni", "-mavx512vl", "-mavx512bw")),
    ],
)
def test_the_library_has_no_variables(
    tmp_path: Path, board: str, target: str, prefix: str, flags: tuple[str, ...]
) -> None:
    if shutil.which(f"{prefix}gcc") is None:
        pytest.skip(f"{prefix}gcc is not installed")
    generate(tiny(), GenerateOptions(**OPTIONS, board=board, machine="x86_64"), tmp_path / "p")
    if target == "host" and "x86_64" not in run("gcc", "-dumpmachine", cwd=tmp_path):
        flags = tuple(f for f in flags if not f.startswith("-mavx"))
    objects = compile_all(tmp_path / "p", target, f"{prefix}gcc", tmp_path / "o", *flags)
    assert len(objects) > 10
    found = variables(objects, f"{prefix}size")
    assert [f for f in found if not f.startswith("intrs_noise_fill_avx2.o .bss.cells")] == []
    assert target == "host" or found == []
    (tmp_path / "p" / target / "intrs_model.c").write_text("int a; int f(void) { static int b = 3; return b++; }")
    objects = compile_all(tmp_path / "p", target, f"{prefix}gcc", tmp_path / "o", *flags)
    assert len(variables(objects, f"{prefix}size")) == len(found) + 2  # and it would be seen
