"""Shipped folders are found in the checkout; what is missing is named; an error is always one line."""

from __future__ import annotations

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped


@pytest.mark.parametrize("folder", ["templates", "firmware", "boards", "models", "recipes", "studies"])
def test_shipped(folder):
    assert any(shipped(folder).iterdir())


def test_missing():
    with pytest.raises(IntrsError, match="no-such-folder"):
        shipped("no-such-folder")


def test_one_line():
    assert str(IntrsError("a\n  b\tc ")) == "a b c"
