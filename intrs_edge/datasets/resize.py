"""Resizing that is the same everywhere: exact area averaging with one rounding.

Output pixel (i, j) covers the rectangle of the input that it maps to; its value is the mean of the input pixels
weighted by the area of each that lies inside. In units of 1/out the overlaps are integers that sum to ``in``, so the
mean is a fraction with integer numerator S and denominator D = in_h * in_w, and the result is
floor((2 S + D) / 2 D): round half up, once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def resize_area(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Resizes uint8 ``[H, W, C]`` to ``[height, width, C]``; the aspect ratio is not kept and nothing is cropped."""
    in_h, in_w, _ = image.shape
    if (in_h, in_w) == (height, width):
        return image
    # float64 holds these integers exactly: every sum is at most 255 * in_h * in_w < 2**53
    rows, cols = _overlaps(in_h, height), _overlaps(in_w, width)
    tall = np.tensordot(rows, image.astype(np.float64), (1, 0))
    total = np.tensordot(tall, cols, (1, 1)).transpose(0, 2, 1).astype(np.int64)
    area = in_h * in_w
    result: npt.NDArray[np.uint8] = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return result


def _overlaps(size: int, out: int) -> npt.NDArray[np.float64]:
    """``[out, size]``: how much of input pixel k lies in output pixel j, in units of 1/out of an input pixel."""
    start = np.arange(out)[:, None] * size
    pixel = np.arange(size)[None, :] * out
    overlap = np.minimum(start + size, pixel + out) - np.maximum(start, pixel)
    result: npt.NDArray[np.float64] = np.maximum(overlap, 0).astype(np.float64)
    return result
