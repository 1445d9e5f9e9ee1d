# SPDX-License-Identifier: Apache-2.0
"""The one form in which images travel: uint8 NHWC, labels, and each image's number in its split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError, several

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Origin:
    """Of what whole a set of images is a part.

    spec: what `load_images` was given, without the slice. select: the text of the slice, "" for all; shard: "2/8",
    every eighth of those from the second on. size: images in the whole. digest: names the whole, 16 hexadecimal digits
    of SHA-256 over shape, labels and pixels; for image files over names, sizes in bytes and classes, so that none but
    the chosen ones is read.
    """

    spec: str
    select: str
    shard: str
    size: int
    digest: str


@dataclass(frozen=True)
class ImageSet:
    """Images and what is known about them.

    images: uint8 ``[N, H, W, C]``; labels: int64 ``[N]``, -1 where unknown; ids: uint32 ``[N]``, the image's index in
    its split (the log's ``idx`` and the noise stream's image number: it does not change when a slice of the split is
    taken). files: the images' file names below the folder, nothing where they have none.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint32]
    classes: tuple[str, ...]
    files: tuple[str, ...] = ()
    origin: Origin | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> Shape:
        """Height, width and channels of one image."""
        _, height, width, channels = self.images.shape
        return height, width, channels


@dataclass(frozen=True)
class Source:
    """A split that can be read in part: ``read`` takes int64 indices and gives uint8 ``[N, H, W, C]``.

    Labels are known before any pixel is decoded, so that a slice of a large folder decodes that slice only. files: as
    in `ImageSet`; digest: as in `Origin`.
    """

    name: str
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    read: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]
    digest: Callable[[], str]
    files: tuple[str, ...] = ()

    def take(self, indices: npt.NDArray[np.int64]) -> ImageSet:
        """The images at ``indices``, in that order."""
        files = tuple(self.files[i] for i in indices) if self.files else ()
        ids = indices.astype(np.uint32)
        return ImageSet(self.name, self.read(indices), self.labels[indices], ids, self.classes, files)


def hex_digest(parts: Iterable[bytes | memoryview]) -> str:
    """16 hexadecimal digits of SHA-256 over the parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def from_arrays(
    name: str, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> Source:
    """A source over arrays already in memory; raises IntrsError when the counts disagree or a label has no class."""
    if len(images) != len(labels):
        raise IntrsError(
            f"{name}: {several(len(images), 'image')} but {several(len(labels), 'label')}; "
            "the files do not belong together"
        )
    if classes and labels.size and (labels.min() < -1 or labels.max() >= len(classes)):
        raise IntrsError(f"{name}: a label lies outside 0..{len(classes) - 1}; the label file is damaged")

    def digest() -> str:
        return hex_digest(
            (repr(images.shape).encode(), labels.astype("<i8").tobytes(), np.ascontiguousarray(images).data)
        )

    return Source(name, labels, classes, lambda indices: images[indices], digest)
