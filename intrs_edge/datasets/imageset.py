"""The one form in which images travel: uint8 NHWC, labels, and each image's number in its split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ImageSet:
    """Images and what is known about them.

    images: uint8 ``[N, H, W, C]``; labels: int64 ``[N]``, -1 where unknown; ids: uint32 ``[N]``, the image's index in
    its split (the log's ``idx`` and the noise stream's image number: it does not change when a slice of the split is
    taken).
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint32]
    classes: tuple[str, ...]

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

    Labels are known before any pixel is decoded, so that a slice of a large folder decodes that slice only.
    """

    name: str
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    read: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]

    def take(self, indices: npt.NDArray[np.int64]) -> ImageSet:
        """The images at ``indices``, in that order."""
        return ImageSet(self.name, self.read(indices), self.labels[indices], indices.astype(np.uint32), self.classes)


def from_arrays(
    name: str, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> Source:
    """A source over arrays already in memory; raises IntrsError when the counts disagree or a label has no class."""
    if len(images) != len(labels):
        raise IntrsError(f"{name}: {len(images)} images but {len(labels)} labels; the files do not belong together")
    if classes and labels.size and (labels.min() < -1 or labels.max() >= len(classes)):
        raise IntrsError(f"{name}: a label lies outside 0..{len(classes) - 1}; the label file is damaged")
    return Source(name, labels, classes, lambda indices: images[indices])
