# SPDX-License-Identifier: Apache-2.0
"""Folders of PNG and JPEG images by class, single image files, and Caltech-101 (Fei-Fei et al. 2004)."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from intrs_edge.datasets.imageset import Shape, Source, hex_digest
from intrs_edge.datasets.published import CALTECH101, missing
from intrs_edge.datasets.resize import fitted
from intrs_edge.errors import IntrsError

SUFFIXES = (".png", ".jpg", ".jpeg")
_BACKGROUND = "BACKGROUND_Google"
_MODES = {1: "L", 3: "RGB"}
MAX_PIXELS = 1 << 26  # of a file: what a decoder takes for so many stays below 1 GB
MAX_SET_BYTES = 1 << 31  # of a folder read without a size to resize to
_PIXELS_OF_ALL_SCANS = 1 << 30  # a progressive JPEG goes through the image once a scan; usual are 10
_TILE = 1 << 22  # pixels converted at a time


def image_folder(
    root: Path,
    split: str,
    shape: Shape | None,
    seed: int,
    name: str | None = None,
    leave_out: Sequence[str] = (),
    crop: bool = False,
) -> Source:
    """Images of ``root/<class>/*.png|jpg``, classes and files in the order of their names.

    split: ``all``, or ``train`` / ``test``: the folder of that name when ``root`` has one, else 80 % / 20 % of every
    class chosen by ``seed``. shape: what the images are resized to (`fitted`, cropped before or not); without it they
    must all have one size.
    """
    title = name or str(root)
    if split != "all" and (root / split).is_dir():
        root, split = root / split, "all"
    folders = sorted(p for p in root.iterdir() if p.is_dir() and p.name not in leave_out and not p.name.startswith("."))
    classes = [folder for folder in folders if _images_in(folder)]
    files: list[Path] = []
    labels: list[int] = []
    if not classes:  # a flat folder: images without labels
        files = split_files(_images_in(root), split, seed)
        labels = [-1] * len(files)
    for label, folder in enumerate(classes):
        chosen = split_files(_images_in(folder), split, seed)
        files += chosen
        labels += [label] * len(chosen)
    if not files:
        raise IntrsError(f"{root}: no PNG or JPEG image in it or in its class folders; name a folder that holds some")
    return Source(
        f"{title}:{split}" if split != "all" else title,
        np.array(labels, np.int64),
        tuple(folder.name for folder in classes),
        lambda indices: read_images([files[i] for i in indices], shape, crop),
        lambda: _listing(files, labels, root),
        tuple(str(file.relative_to(root)) for file in files),
    )


def _listing(files: Sequence[Path], labels: Sequence[int], root: Path) -> str:
    """The digest of a folder by what it lists: names, sizes and classes."""
    lines = (
        repr((os.fsencode(file.relative_to(root)), file.stat().st_size, label)).encode()
        for file, label in zip(files, labels, strict=True)
    )
    return hex_digest(lines)


def caltech101(split: str, data_dir: Path, shape: Shape | None, seed: int, crop: bool = False) -> Source:
    """Caltech-101 without its background class; 80/20 by ``seed`` within every class."""
    for folder in (data_dir / "caltech101", data_dir / "caltech-101", data_dir):
        root = folder / "101_ObjectCategories"
        if root.is_dir():
            return image_folder(root, split, shape, seed, "caltech101", (_BACKGROUND,), crop)
    raise missing("Caltech-101: the folder 101_ObjectCategories", [data_dir / "caltech101"], CALTECH101)


def image_file(path: Path, shape: Shape | None, crop: bool = False) -> Source:
    """One PNG or JPEG image, label unknown."""
    return Source(
        str(path),
        np.array([-1], np.int64),
        (),
        lambda indices: read_images([path] * len(indices), shape, crop),
        lambda: _listing([path], [-1], path.parent),
        (path.name,),
    )


def split_files(files: list[Path], split: str, seed: int) -> list[Path]:
    """The ``train`` (80 %, rounded) or ``test`` share of one class.

    The order is that of SHA-256 over seed and name, so that no generator's version decides the split.
    """
    if split == "all":
        return files
    order = sorted(files, key=lambda f: hashlib.sha256(f"{seed}/{f.parent.name}/{f.name}".encode()).digest())
    train = (len(order) * 4 + 2) // 5
    return sorted(order[:train] if split == "train" else order[train:])


def _images_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def read_images(files: Sequence[Path], shape: Shape | None, crop: bool = False) -> npt.NDArray[np.uint8]:
    """Decodes ``files`` to uint8 ``[N, H, W, C]``, `fitted` to ``shape``.

    Raises IntrsError for a damaged file or, without a shape, unequal sizes.
    """
    images: list[npt.NDArray[np.uint8]] = []
    for file in files:
        image = _decode(file, shape[2] if shape else None)
        if shape:
            image = fitted(image, shape[0], shape[1], crop)
        elif images and image.shape != images[0].shape:
            raise IntrsError(
                f"{file}: {image.shape[0]}x{image.shape[1]}x{image.shape[2]} beside images of another size; "
                "a folder of mixed sizes needs a model, whose input shape they are resized to"
            )
        elif image.size * len(files) > MAX_SET_BYTES:
            raise IntrsError(
                f"{file}: {len(files)} images of its {image.shape[0]}x{image.shape[1]} pass {MAX_SET_BYTES} bytes; "
                "scale them down, or choose fewer"
            )
        images.append(image)
    return np.stack(images)


def _decode(file: Path, channels: int | None) -> npt.NDArray[np.uint8]:
    if channels is not None and channels not in _MODES:
        raise IntrsError(f"{file}: the model takes {channels} channels; image files give 1 (grey) or 3 (RGB); use .npy")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is the lower one
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                _check_cost(file, image)
                mode = _MODES[channels] if channels else ("L" if image.mode in ("1", "L", "LA", "I", "I;16") else "RGB")
                return _pixels(image, mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise IntrsError(f"{file}: not a readable PNG or JPEG image ({error})") from None


def _check_cost(file: Path, image: Image.Image) -> None:
    """Refuses, from the header, what would take a decoder gigabytes or minutes."""
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise IntrsError(f"{file}: {image.width}x{image.height} pixels, the limit is {MAX_PIXELS}; scale it down first")
    if image.format == "JPEG":
        scans = file.read_bytes().count(b"\xff\xda")  # within the compressed data 0xff is always followed by 0
        if pixels * scans > _PIXELS_OF_ALL_SCANS:
            raise IntrsError(
                f"{file}: {scans} scans of {pixels} pixels, the limit is {_PIXELS_OF_ALL_SCANS} in all; "
                "save it as a plain JPEG"
            )


def _pixels(image: Image.Image, mode: str) -> npt.NDArray[np.uint8]:
    """uint8 ``[H, W, C]``, converted tile by tile: Pillow's own conversion holds several copies of an image."""
    out = np.empty((image.height, image.width, len(mode)), np.uint8)
    wide = min(image.width, _TILE)
    high = max(1, _TILE // wide)
    for top in range(0, image.height, high):
        for left in range(0, image.width, wide):
            box = (left, top, min(left + wide, image.width), min(top + high, image.height))
            tile = out[box[1] : box[3], box[0] : box[2]]
            tile[...] = np.asarray(image.crop(box).convert(mode)).reshape(tile.shape)
    return out
