# SPDX-License-Identifier: Apache-2.0
"""Fashion-MNIST (Xiao et al. 2017) in its published idx.gz files."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets.imageset import Source, from_arrays
from intrs_edge.datasets.published import fashion_file, missing
from intrs_edge.errors import IntrsError

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_UNSIGNED_BYTE = 0x08
_LIMIT = 1 << 28  # bytes, five times the largest file; a damaged header must not ask for all memory


def read_idx(path: Path, dims: int) -> npt.NDArray[np.uint8]:
    """Reads an idx file of bytes with ``dims`` dimensions, gzip-compressed or plain; raises IntrsError if damaged.

    Of a compressed file no more is unpacked than its header promises.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as file:
            head = file.read(4 + 4 * dims)
            if len(head) < 4 + 4 * dims or head[:4] != bytes((0, 0, _UNSIGNED_BYTE, dims)):
                raise IntrsError(f"{path}: not an idx file of bytes with {dims} dimension(s); download it again")
            shape = tuple(int(n) for n in np.frombuffer(head, ">u4", dims, 4))
            size = math.prod(shape)
            if size > _LIMIT:
                raise IntrsError(f"{path}: its header promises {size} bytes, the limit is {_LIMIT}; download it again")
            data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntrsError(f"{path}: cannot be read as a gzip file ({error}); download it again") from None
    if len(data) != size:
        found = f"{len(data)} bytes" if len(data) < size else "more bytes"
        raise IntrsError(f"{path}: {found} of data where its header promises {size}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def fashion_mnist(split: str, data_dir: Path) -> Source:
    """The ``train`` (60 000) or ``test`` (10 000) split, uint8 ``[N, 28, 28, 1]``."""
    prefix = "train" if split == "train" else "t10k"
    folders = [data_dir / "fashion-mnist", data_dir / "FashionMNIST" / "raw", data_dir]
    images = read_idx(_find(folders, f"{prefix}-images-idx3-ubyte.gz"), 3)
    labels = read_idx(_find(folders, f"{prefix}-labels-idx1-ubyte.gz"), 1)
    return from_arrays(f"fashion-mnist:{split}", images[..., None], labels.astype(np.int64), CLASSES)


def _find(folders: list[Path], name: str) -> Path:
    for folder in folders:
        for candidate in (folder / name, folder / name.removesuffix(".gz")):
            if candidate.is_file():
                return candidate
    raise missing(f"Fashion-MNIST: {name}", folders[:1], fashion_file(name))
