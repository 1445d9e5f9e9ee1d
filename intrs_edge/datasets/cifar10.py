# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 (Krizhevsky 2009) in its published binary batches or its Python (pickle) batches."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets.imageset import Source, from_arrays
from intrs_edge.datasets.published import CIFAR10_BINARY, missing
from intrs_edge.errors import IntrsError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS = 3 * 32 * 32
Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))


def cifar10(split: str, data_dir: Path) -> Source:
    """The ``train`` (50 000) or ``test`` (10 000) split, uint8 ``[N, 32, 32, 3]`` RGB."""
    batches = _TRAIN if split == "train" else ("test_batch",)
    folders = [
        data_dir / "cifar-10-batches-bin",
        data_dir / "cifar10" / "cifar-10-batches-bin",
        data_dir / "cifar-10-batches-py",
        data_dir / "cifar10" / "cifar-10-batches-py",
        data_dir,
    ]
    parts = [_read_batch(folders, batch) for batch in batches]
    planes = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([label for _, label in parts])
    return from_arrays(f"cifar10:{split}", np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels, CLASSES)


def _read_batch(folders: list[Path], batch: str) -> Batch:
    for folder in folders:
        if (folder / f"{batch}.bin").is_file():
            return read_binary_batch(folder / f"{batch}.bin")
        if (folder / batch).is_file():
            return read_python_batch(folder / batch)
    raise missing(f"CIFAR-10: {batch}.bin", [folders[0], folders[2]], CIFAR10_BINARY)


def read_binary_batch(path: Path) -> Batch:
    """Pixels ``[N, 3072]`` (channel planes) and labels ``[N]`` of a ``.bin`` batch; raises IntrsError if damaged."""
    data = np.fromfile(path, np.uint8)
    if data.size == 0 or data.size % (_PIXELS + 1):
        raise IntrsError(
            f"{path}: {data.size} bytes is not a whole number of {_PIXELS + 1}-byte records; download it again"
        )
    rows = data.reshape(-1, _PIXELS + 1)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How Python 2's byte strings were written."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}, which no CIFAR-10 batch needs")
    return text.encode("latin1")


class _NumpyOnly(pickle.Unpickler):
    """Loads what a CIFAR batch is made of and nothing else: a pickle may otherwise run any code.

    The arrays were pickled by numpy 1 under Python 2; numpy 2 keeps the same constructors under ``numpy._core``.
    """

    _ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _latin1  # the real one takes the name of any codec, some of which are slow beyond measure
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 batch needs")
        return super().find_class(module, name)


def read_python_batch(path: Path) -> Batch:
    """Pixels ``[N, 3072]`` and labels ``[N]`` of a pickled batch, unpickled with numpy arrays allowed only."""
    try:
        data = path.read_bytes()
        batch = _NumpyOnly(io.BytesIO(data), encoding="bytes").load()
        pixels, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    except Exception as error:  # a hostile pickle can raise anything; each is the same to the user
        raise IntrsError(f"{path}: not a CIFAR-10 Python batch ({error}); download it again") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS or labels.shape != pixels.shape[:1]:
        raise IntrsError(f"{path}: not a CIFAR-10 Python batch (arrays of another shape or type); download it again")
    if pixels.size + labels.size > len(data):
        raise IntrsError(
            f"{path}: promises {len(pixels)} images, more than its {len(data)} bytes hold; download it again"
        )
    return pixels, labels.astype(np.int64)
