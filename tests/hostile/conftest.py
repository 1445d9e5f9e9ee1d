"""One server of limited calls for this folder's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from limited import Limited


@pytest.fixture(scope="session")
def limited() -> Iterator[Limited]:
    with Limited() as server:
        yield server
