"""The resize is the exact area average: compared with rational arithmetic, pixel by pixel."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.datasets.resize import fitted, resize_area


def exact_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The definition, with fractions: the mean of the input over the rectangle of each output pixel."""
    in_h, in_w, channels = image.shape
    out = np.zeros((height, width, channels), np.uint8)
    for i in range(height):
        for j in range(width):
            top, bottom = Fraction(i * in_h, height), Fraction((i + 1) * in_h, height)
            left, right = Fraction(j * in_w, width), Fraction((j + 1) * in_w, width)
            for c in range(channels):
                total = Fraction(0)
                for y in range(floor(top), min(in_h, floor(bottom) + 1)):
                    for x in range(floor(left), min(in_w, floor(right) + 1)):
                        rows = max(min(bottom, y + 1) - max(top, y), Fraction(0))
                        cols = max(min(right, x + 1) - max(left, x), Fraction(0))
                        total += rows * cols * int(image[y, x, c])
                out[i, j, c] = floor(total / ((bottom - top) * (right - left)) + Fraction(1, 2))
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_equals_the_definition(in_h, in_w, out_h, out_w, seed):
    image = np.random.default_rng(seed).integers(0, 256, (in_h, in_w, 2), np.uint8)
    assert np.array_equal(resize_area(image, out_h, out_w), exact_average(image, out_h, out_w))


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_flat_image_stays_flat_at_any_size(value):
    image = np.full((301, 211, 3), value, np.uint8)
    assert np.array_equal(resize_area(image, 224, 224), np.full((224, 224, 3), value, np.uint8))


def test_half_rounds_up():
    assert resize_area(np.array([[[1], [2]]], np.uint8), 1, 1).tolist() == [[[2]]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_a_crop_is_the_largest_part_in_the_middle(in_h, in_w, out_h, out_w, seed):
    image = np.random.default_rng(seed).integers(0, 256, (in_h, in_w, 2), np.uint8)
    parts = [
        (h, w)
        for h in range(1, in_h + 1)
        for w in range(1, in_w + 1)
        if (w == in_w and h == max(1, w * out_h // out_w)) or (h == in_h and w == max(1, h * out_w // out_h))
    ]
    height, width = min(parts, key=lambda p: p[0] * p[1])
    top, left = (in_h - height) // 2, (in_w - width) // 2
    part = image[top : top + height, left : left + width]
    assert np.array_equal(fitted(image, out_h, out_w, crop=True), resize_area(part, out_h, out_w))
    assert np.array_equal(fitted(image, out_h, out_w), resize_area(image, out_h, out_w))
    if in_h * out_w == in_w * out_h:
        assert part.shape == image.shape
