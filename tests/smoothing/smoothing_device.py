"""ctypes over the C runtime of firmware/smoothing, built on the host with generated tables and a toy linear
classifier.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from intrs_edge.children import patient
from intrs_edge.codegen.tables import render_tables
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Certificate, Prediction, Smoothing, Stop, Stream

CLASSES = 3
STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion"]


def input_map(noisy: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The toy's input map: (v + 3 - 510) >> 3 and saturation, as in toy_model.c."""
    return np.clip((noisy - 507) >> 3, -128, 127)


def toy_classifier(noisy: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """The numpy twin of firmware/tests/toy_model.c: three linear logits of the quantised input, requantised to int8."""
    q = input_map(noisy).reshape(len(noisy), -1)
    j = np.arange(q.shape[1])
    weights = np.stack([(j * (2 * c + 3) + 5 * c) % 7 - 3 for c in range(CLASSES)], axis=1)
    return np.argmax(np.clip((q @ weights) >> 4, -128, 127), axis=1)


class CStream(ctypes.Structure):
    _fields_ = (("seed", ctypes.c_uint64), ("image", ctypes.c_uint32))


class _Prediction(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_int32),
        ("top", ctypes.c_uint32),
        ("votes", ctypes.c_uint32 * 2),
        ("samples", ctypes.c_uint32),
    )


class CCertificate(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_int32),
        ("selected", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
        ("samples", ctypes.c_uint32),
        ("radius_squared", ctypes.c_uint32),
        ("stop", ctypes.c_uint32),
    )


class CCertification(ctypes.Structure):
    """struct intrs_certification."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("model", "tables", "image_crc", "seed_low", "seed_high", "image")),
        *((name, ctypes.c_uint32) for name in ("mode", "done", "status")),
        ("result", CCertificate),
        ("votes", ctypes.c_uint32 * CLASSES),
        ("crc", ctypes.c_uint32),
    )


PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


def config_header(smoothing: Smoothing, batch: int, model: int = 1) -> str:
    """What the generator puts into intrs_config.h, for the toy model."""
    d = smoothing.dimension
    return f"""#ifndef INTRS_CONFIG_H
#define INTRS_CONFIG_H
#define INTRS_CONFIG_FORMAT INTRS_RUNTIME_FORMAT
#define INTRS_CLASSES {CLASSES}
#define INTRS_IMAGE_BYTES {d}
#define INTRS_CHANNELS {smoothing.shape[2]}
#define INTRS_INPUT_BYTES {d}
#define INTRS_BATCH {batch}
#define INTRS_OUTPUT_OFFSET {d * batch}
#define INTRS_INPUT_OFFSET 0
#define INTRS_ARENA_BYTES {d * batch + CLASSES * batch}
#define INTRS_N0 {smoothing.n0}u
#define INTRS_N {smoothing.n}u
#define INTRS_MODEL_HASH {model}u
#define INTRS_TABLE_HASH 0x{smoothing.table_hash[:8]}u
#endif
"""


class Device:
    """ctypes over the C runtime; every status is checked."""

    def __init__(self, library: Path, smoothing: Smoothing) -> None:
        self.lib = ctypes.CDLL(str(library))
        self.smoothing = smoothing
        self.workspace = ctypes.create_string_buffer(self.lib.toy_workspace_bytes() + 16)
        address = ctypes.addressof(self.workspace)
        self.ws = ctypes.c_void_p(address + -address % 16)

    def votes(
        self,
        image: npt.NDArray[np.uint8],
        stream: Stream,
        first: int,
        count: int,
        progress: Callable[[int, int], int] | None = None,
    ) -> tuple[int, npt.NDArray[np.int64]]:
        counted = (ctypes.c_uint32 * CLASSES)()
        s = CStream(stream.seed, stream.image)
        call = PROGRESS(lambda _, done, total: progress(done, total)) if progress else PROGRESS()
        pixels = np.ascontiguousarray(image)
        status = self.lib.intrs_votes(
            self.ws, pixels.ctypes.data_as(ctypes.c_void_p), ctypes.byref(s), first, count, counted, call, None
        )
        return status, np.array(counted, dtype=np.int64)

    def predict(self, image: npt.NDArray[np.uint8], stream: Stream) -> Prediction:
        out, s = _Prediction(), CStream(stream.seed, stream.image)
        pixels = np.ascontiguousarray(image)
        status = self.lib.intrs_predict(
            self.ws, pixels.ctypes.data_as(ctypes.c_void_p), ctypes.byref(s), PROGRESS(), None, ctypes.byref(out)
        )
        assert status == 0
        return Prediction(out.label, out.top, (out.votes[0], out.votes[1]), out.samples)

    def certify(
        self,
        image: npt.NDArray[np.uint8],
        stream: Stream,
        mode: int = 0,
        progress: Callable[[int, int], int] | None = None,
    ) -> tuple[int, Certificate]:
        out, s = CCertificate(), CStream(stream.seed, stream.image)
        call = PROGRESS(lambda _, done, total: progress(done, total)) if progress else PROGRESS()
        pixels = np.ascontiguousarray(image)
        status = self.lib.intrs_certify(
            self.ws, pixels.ctypes.data_as(ctypes.c_void_p), ctypes.byref(s), mode, call, None, ctypes.byref(out)
        )
        counted = (ctypes.c_uint32 * CLASSES).from_address(self.ws.value + self.lib.toy_votes_offset())
        stop = Stop(out.stop)
        c = Certificate(out.label, out.selected, out.count, out.samples, out.radius_squared, stop, tuple(counted))
        return status, c


Build = Callable[..., Device]


def compile_runtime(
    folder: Path, smoothing: Smoothing, batch: int, compiler: str, flags: list[str], output: str, *sources: str
) -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for path, text in render_tables(smoothing).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    (folder / "include" / "intrs_config.h").write_text(config_header(smoothing, batch))
    firmware = shipped("firmware")
    runtime = sorted(str(p) for p in (firmware / "smoothing").glob("*.c"))
    command = [compiler, *STRICT, *flags, "-I", str(folder / "include"), "-I", str(firmware / "include")]
    command += [*runtime, str(folder / "common" / "intrs_tables.c"), str(firmware / "tests" / "toy_model.c")]
    command += [str(firmware / "model" / "intrs_crc32.c")]
    command += [str(firmware / "tests" / s) for s in sources]
    done = subprocess.run(
        [*command, "-o", str(folder / output)], capture_output=True, text=True, check=False, timeout=patient(120)
    )
    assert done.returncode == 0, done.stderr
    return folder / output
