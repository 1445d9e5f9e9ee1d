# SPDX-License-Identifier: Apache-2.0
"""Resizing that is the same everywhere: exact area averaging with one rounding.

Output pixel (i, j) covers the rectangle of the input that it maps to; its value is the mean of the input pixels
weighted by the area of each that lies inside. In units of 1/out the overlaps are integers that sum to ``in``, so the
mean is a fraction with integer numerator S and denominator D = in_h * in_w, and the result is
floor((2 S + D) / 2 D): round half up, once.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt


def resize_area(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Resizes uint8 ``[H, W, C]`` to ``[height, width, C]``; the aspect ratio is not kept and nothing is cropped.

    Besides the image it takes the memory of one that is resized along one axis, the one that shrinks more.
    """
    in_h, in_w, _ = image.shape
    if (in_h, in_w) == (height, width):
        return image
    sizes = (height, width)
    total: npt.NDArray[np.integer[Any]] = image
    for axis in sorted((0, 1), key=lambda a: sizes[a] / image.shape[a]):
        total = _sums(total, axis, sizes[axis])
    area = in_h * in_w
    result: npt.NDArray[np.uint8] = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return result


def fitted(image: npt.NDArray[np.uint8], height: int, width: int, crop: bool = False) -> npt.NDArray[np.uint8]:
    """`resize_area` of the whole image, or with ``crop`` of the largest part in its middle that has the aspect ratio
    of ``height`` to ``width`` (rounded down; an odd rest leaves one more at the bottom or right)."""
    in_h, in_w, _ = image.shape
    if crop:
        part_h, part_w = min(in_h, max(1, in_w * height // width)), min(in_w, max(1, in_h * width // height))
        top, left = (in_h - part_h) // 2, (in_w - part_w) // 2
        image = image[top : top + part_h, left : left + part_w]
    return resize_area(image, height, width)


def _sums(x: npt.NDArray[np.integer[Any]], axis: int, out: int) -> npt.NDArray[np.int64]:
    """The overlaps of ``out`` equal intervals with the values along an axis, summed, in units of 1/out of a value."""
    size = x.shape[axis]
    # interval j reaches from value at[j], after part[j] / out of it, to value at[j + 1], before part[j + 1] / out of it
    at, part = np.divmod(np.arange(out + 1, dtype=np.int64) * size, out)
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    ends = np.take(x, np.minimum(at, size - 1), axis) * part.reshape(shape)
    first, last = (np.take(ends, np.arange(out) + k, axis) for k in (0, 1))
    lines = np.moveaxis(x, axis, 0)
    whole = np.stack([lines[a:b].sum(0, np.int64) for a, b in itertools.pairwise(at.tolist())], axis)
    result: npt.NDArray[np.int64] = out * whole + last - first
    return result
