"""clang accepts the ARM kernels and the runtime for every core, with all warnings as errors.

That the code is right is tested in test_any_compiler.py. The assembly that takes all registers that GCC can give is
GCC's alone; clang gets the same in C (firmware/kernels/common/intrs_asm.h).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from intrs_edge.children import patient
from intrs_edge.codegen.tables import render_tables
from intrs_edge.smoothing import Smoothing

FIRMWARE = Path(__file__).parents[2] / "firmware"
CONFIG = Path(__file__).parents[1] / "golden" / "tiny" / "host"  # any model's sizes will do
SMOOTHING = Smoothing(shape=(4, 4, 1), sigma="0.25", n=1000, target_radius="0.25")
NEWLIB = [
    p
    for p in ("/usr/include/newlib", "/usr/arm-none-eabi/include", "/usr/lib/arm-none-eabi/include")
    if Path(p).is_dir()
]
CORES = {
    "cortex-m0": ("kernels/portable", "kernels/arm_m0", "smoothing"),
    "cortex-m3": ("kernels/arm_m0",),
    "cortex-m4": ("kernels/arm_dsp", "smoothing", "smoothing/arm_dsp"),
    "cortex-m55": ("kernels/arm_dsp", "kernels/arm_mve", "smoothing/arm_dsp"),
}


def check(core: str, source: Path, tables: Path) -> subprocess.CompletedProcess[str]:
    folders = [FIRMWARE / "include", FIRMWARE / "kernels/common", FIRMWARE / "smoothing", source.parent, CONFIG, tables]
    command = [
        "clang", "--target=arm-none-eabi", f"-mcpu={core}", "-mthumb",
        f"-mfloat-abi={'hard' if core == 'cortex-m55' else 'soft'}", "-std=c11", "-O2", "-ffreestanding",
        "-c", "-o", "/dev/null", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-isystem", NEWLIB[0],
        *(f"-I{f}" for f in folders), str(source),
    ]  # fmt: skip
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=patient(60))


def reason() -> str | None:
    if shutil.which("clang") is None:
        return "no clang"
    if not NEWLIB:
        return "no newlib headers"
    shown = subprocess.run(
        ["clang", "--print-targets"], check=True, capture_output=True, text=True, timeout=patient(60)
    )
    targets = shown.stdout
    return None if any(line.split()[:1] == ["arm"] for line in targets.splitlines()) else "this clang has no ARM target"


@pytest.mark.parametrize("core", CORES)
def test_every_file_compiles(core: str, tmp_path: Path) -> None:
    why = reason()
    if why is not None:
        pytest.skip(why)
    config = render_tables(SMOOTHING)["include/intrs_tables_config.h"]
    (tmp_path / "intrs_tables_config.h").write_text(config)
    broken = tmp_path / "broken.c"
    broken.write_text("#include <stdint.h>\nint8_t f(int32_t x);\nint8_t f(int32_t x) { return x; }\n")
    assert "-Wimplicit-int-conversion" in check(core, broken, tmp_path).stderr  # the check can fail
    sources = [path for folder in CORES[core] for path in sorted((FIRMWARE / folder).glob("*.c"))]
    assert sources
    for source in sources:
        result = check(core, source, tmp_path)
        assert result.returncode == 0, result.stderr[:2000]
