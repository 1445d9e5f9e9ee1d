"""What stands at the head of generated files, and that it is true; runtimes and models of different formats."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from networks import tiny

from intrs_edge import __version__
from intrs_edge.children import patient
from intrs_edge.cli.main import main
from intrs_edge.codegen import GenerateOptions, ModelFile, generate
from intrs_edge.codegen.front import command, plain
from intrs_edge.graph.reading import PixelOptions
from intrs_edge.paths import shipped

OPTIONS = GenerateOptions(n0=10, n=100, sigma=Decimal("0.1"))
DATA = (".json", ".tflite", ".txt", "LICENSE")  # has no place for comments
COPIED = ("runtime/", "examples/", "include/intrs")
CONFIG = "include/intrs_tables_config.h"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_command_makes_the_same_bytes_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b/c"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(shipped("models") / "digits-tiny.onnx", tmp_path / name / "digits.onnx")
    given = ["--board", "mps2-an386", "--n", "500", "--optimize", "size", "--target-radius", "0.5", "--no-progress"]
    assert main(["generate", str(tmp_path / "a" / "digits.onnx"), "-o", str(tmp_path / "out" / "one"), *given]) == 0
    first = contents(tmp_path / "out" / "one")
    told = json.loads(first["project.json"])["command"]
    assert str(tmp_path) not in b"".join(first.values()).decode(errors="replace")
    program, *words = shlex.split(told)
    assert program == "intrs-edge"
    monkeypatch.chdir(tmp_path / "b" / "c")
    assert main([word if word != "DIR" else "two" for word in words]) == 0
    assert contents(tmp_path / "b" / "c" / "two") == first

    digest = hashlib.sha256((tmp_path / "a" / "digits.onnx").read_bytes()).hexdigest()
    assert first["LICENSE"] == shipped("LICENSE").read_bytes()
    for name, content in first.items():
        if name.endswith(DATA):
            continue
        head = content.decode()[:900]
        assert "SPDX-License-Identifier: Apache-2.0" in head, name
        assert f"intrs-edge {__version__}" in head, name
        assert "Do not edit" in head, name
        if not name.startswith(COPIED) or name == CONFIG:
            for text in ("digits.onnx", digest, told):
                assert text in head.replace("&gt;", ">"), (name, text)


def test_every_option_is_in_the_command() -> None:
    pixels = PixelOptions("0..1", (0.5, 0.25), (-1.0,), True, "crop", True)
    options = replace(
        OPTIONS, board=Path("/somewhere/mine.toml"), alpha=Decimal("0.01"), seed=3, noise="rounded", rng="lfsr113",
        certificate="paper", precision=Decimal("0.1"), pixels=pixels, batch=8,
    )  # fmt: skip
    assert command(options, ModelFile("my model.onnx", "")) == (
        "intrs-edge generate 'my model.onnx' --board mine.toml --sigma 0.1 --n0 10 --n 100 --alpha 0.01 "
        "--noise rounded --certificate paper --rng lfsr113 --seed 3 --precision 0.1 --input-range 0..1 --mean=0.5,0.25 "
        "--std=-1.0 --bgr --resize crop --force -o DIR  # from Python, with batch=8"
    )


@pytest.mark.parametrize("name", ["*/ int x; /*.onnx", "a\nb.onnx", "-->.onnx", "a\\", "??/", "]]#", "<b>&.onnx", "\0"])
def test_a_name_cannot_leave_its_comment(name: str, tmp_path: Path) -> None:
    assert not set(plain(name)) & set("*/\n><\\?#&;\0\"'")
    generate(tiny(), OPTIONS, tmp_path / "p", source=ModelFile(name, "0" * 64))
    head = (tmp_path / "p" / "host" / "intrs_model.c").read_text().split("*/")[0]
    assert head.count("\n") == 6
    assert head.count("Do not edit") == 1


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("host/intrs_config.h", "INTRS_CONFIG_FORMAT 4", "INTRS_CONFIG_FORMAT 3"),
        ("host/intrs_config.h", "#define INTRS_CONFIG_FORMAT 4", ""),
        (CONFIG, "INTRS_TABLES_FORMAT 4", "INTRS_TABLES_FORMAT 5"),
        ("include/intrs_types.h", "INTRS_RUNTIME_FORMAT 4", "INTRS_RUNTIME_FORMAT 5"),
    ],
)
def test_a_runtime_and_a_model_of_other_formats_do_not_compile(tmp_path: Path, file: str, old: str, new: str) -> None:
    generate(tiny(), OPTIONS, tmp_path / "p")

    def compiled(source: str) -> str:
        words = [
            "cc",
            "-Iinclude",
            "-Ihost",
            "-Iruntime/kernels/common",
            "-Iruntime/kernels/x86",
            "-fsyntax-only",
            source,
        ]
        return subprocess.run(
            words, cwd=tmp_path / "p", capture_output=True, text=True, timeout=patient(60), check=False
        ).stderr

    sources = ("runtime/smoothing/intrs_certify.c", "common/intrs_tables.c", "host/intrs_model.c")
    assert [compiled(s) for s in sources] == ["", "", ""]
    text = (tmp_path / "p" / file).read_text()
    assert old in text
    (tmp_path / "p" / file).write_text(text.replace(old, new))
    assert any("another format" in compiled(s) or "is of another" in compiled(s) for s in sources)
    if file == "include/intrs_types.h":
        assert all("#error" in compiled(s) for s in sources)
