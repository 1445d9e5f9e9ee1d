# SPDX-License-Identifier: Apache-2.0
"""Images in a ``.npy`` file, labels beside them in ``<name>_labels.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets.imageset import Source, from_arrays
from intrs_edge.errors import IntrsError


def array_file(path: Path) -> Source:
    """Reads uint8 ``[N, H, W, C]``, ``[H, W, C]`` (C of 1 or 3), ``[N, H, W]`` (N grey images) or ``[H, W]``.

    Labels are -1 when there is no label file.
    """
    images = read_npy(path)
    if images.dtype != np.uint8:
        raise IntrsError(f"{path}: holds {images.dtype}; images are uint8 pixels 0..255")
    if images.ndim == 3 and images.shape[2] in (1, 3):
        images = images[None]
    elif images.ndim == 3:
        images = images[..., None]
    elif images.ndim == 2:
        images = images[None, :, :, None]
    if images.ndim != 4:
        raise IntrsError(f"{path}: has {images.ndim} dimensions; images are [N, H, W, C]")
    label_file = path.with_name(f"{path.stem}_labels.npy")
    labels = np.full(len(images), -1, np.int64)
    if label_file.is_file():
        read = read_npy(label_file)
        if read.ndim != 1 or read.dtype.kind not in "iu":
            raise IntrsError(f"{label_file}: labels are one integer an image")
        labels = read.astype(np.int64)
    return from_arrays(str(path), images.astype(np.uint8, copy=False), labels, ())


def read_npy(path: Path) -> npt.NDArray[np.generic]:
    """Any plain array in a ``.npy`` file; raises IntrsError when it is missing, damaged or holds Python objects."""
    try:
        # mapped first: a header that promises more than the file holds fails before memory is asked for
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise IntrsError(f"{path}: no such file") from None
    except Exception as error:  # numpy evaluates the header as a Python literal: a hostile one can raise anything
        raise IntrsError(f"{path}: not a readable .npy file ({error})") from None
    if not isinstance(array, np.ndarray):
        raise IntrsError(f"{path}: an archive of arrays; give a single array (.npy)")
    return np.array(array)
