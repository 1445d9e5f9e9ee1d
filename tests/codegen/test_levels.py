"""The whole Cortex-M4 firmware, library and server, at every level and by other compilers: built, and run emulated
with the reference's certificate. (Kernel by kernel: tests/kernels/test_any_compiler.py.)
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from known import certificate_of
from library import run

from intrs_edge.boards import load_board
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Stream
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.process import start_emulator

BOARD = dataclasses.replace(load_board("mps2-an386"), stack_bytes=8192)  # -O0 takes more than -O3
LINKER = "arm-none-eabi-gcc <CMAKE_C_LINK_FLAGS> <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>"
LTO = [f"-DCMAKE_{tool.upper()}=/usr/bin/arm-none-eabi-gcc-{tool}" for tool in ("ar", "ranlib")]


def clang(program: str) -> list[str]:
    """clang compiles, gcc links: no linker and no helpers of clang's are needed."""
    return ["-DCMAKE_TOOLCHAIN_FILE=clang.cmake", f"-DCMAKE_C_COMPILER={program}"]


TOOLCHAIN = f"""
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "--target=arm-none-eabi -ffreestanding -Wno-ignored-optimization-argument")
set(CMAKE_C_LINK_EXECUTABLE "{LINKER}")
set(CMAKE_OBJCOPY arm-none-eabi-objcopy)
set(CMAKE_AR /usr/bin/arm-none-eabi-ar)
set(CMAKE_RANLIB /usr/bin/arm-none-eabi-ranlib)
"""
# levels and flags of the library and of the server, and what CMake is told besides
BUILDS: dict[str, tuple[str, list[str]]] = {
    "O0-frame": ("-O0;-fno-omit-frame-pointer", []),
    "lto": ("-O2;-flto", LTO),
    "clang-14": ("-O2", clang("clang")),
    "O0": ("-O0", []),
    "Og": ("-Og;-g", []),
    "frame": ("-O2;-fno-omit-frame-pointer", []),
    "frame-speed": ("-O3;-fno-omit-frame-pointer", []),
    "lto-O0": ("-O0;-flto", LTO),
    "clang-14-O0": ("-O0;-fno-omit-frame-pointer", clang("clang")),
    "clang-19": ("-O2", clang("clang-19")),
    "clang-19-O3": ("-O3", clang("clang-19")),
    "clang-19-O0": ("-O0;-fno-omit-frame-pointer", clang("clang-19")),
}
DEFAULT = ("O0-frame", "lto", "clang-14")  # the others are like these, or want what Debian's `clang` is not


@pytest.fixture(scope="module", params=["digits-tiny", pytest.param("digits-resnet", marks=pytest.mark.long)])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("levels") / request.param
    options = GenerateOptions(BOARD, n0=5, n=40, machine="generic")
    generate(load_model(shipped("models") / f"{request.param}.onnx"), options, folder)
    # the host checks what a board answers
    run("cmake", "-S", folder, "-B", folder / "build", "-DINTRS_BOARD=OFF", cwd=folder)
    run("cmake", "--build", folder / "build", "-j2", cwd=folder)
    return folder


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)
@pytest.mark.parametrize("build", [pytest.param(b, marks=() if b in DEFAULT else pytest.mark.long) for b in BUILDS])
def test_the_whole_firmware(project: Path, build: str, tmp_path: Path) -> None:
    level, told = BUILDS[build]
    for program in ("cmake", "clang-19" if "19" in build else "clang" if "clang" in build else "cmake"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    (tmp_path / "clang.cmake").write_text(TOOLCHAIN)
    options = [f"-DCMAKE_TOOLCHAIN_FILE={project / 'board/toolchain.cmake'}", f"-DINTRS_OPTIMIZE={level}", *told]
    run("cmake", "-S", project / "board", "-B", ".", *options, cwd=tmp_path)
    run("cmake", "--build", tmp_path, "-j2", cwd=tmp_path)
    manifest = read_manifest(project)
    shape = manifest.image_shape
    image = (np.arange(np.prod(shape)) * 37 % 256).astype(np.uint8).reshape(shape)
    with BoardTarget(start_emulator(BOARD, tmp_path), manifest) as target:
        assert target.certify(image, Stream(7, 3)) == certificate_of(project, image, Stream(7, 3))
