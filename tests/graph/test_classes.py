"""What is a classifier's output, and what is not."""

from __future__ import annotations

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder
from intrs_edge.graph.classes import class_count


def with_output(*shape: int) -> int:
    b = GraphBuilder()
    return class_count(b.build(b.unary("RELU", b.input(shape, scale=0.1))))


def test_scores_along_one_axis() -> None:
    assert with_output(1, 10) == 10
    assert with_output(1, 1, 1, 2) == 2
    assert with_output(1, 7, 1) == 7


def test_one_score_has_no_largest_class() -> None:
    with pytest.raises(IntrsError, match="is one value, and one score has no largest class"):
        with_output(1, 1)


def test_a_map_is_not_so_many_classes() -> None:
    with pytest.raises(IntrsError, match=r"is a map of shape \[1, 6, 6, 2\], not one score a class"):
        with_output(1, 6, 6, 2)
