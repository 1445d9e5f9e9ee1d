"""The generated text of one small model, kept in tests/golden: a change of output is seen in review.

After a change that is meant: INTRS_UPDATE_GOLDEN=1 pytest tests/codegen/test_golden.py, then read the diff.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from networks import tiny

from intrs_edge.codegen import GenerateOptions, generate

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny"
KEPT = ("CMakeLists.txt", "board/intrs_model.c", "host/intrs_config.h", "host/intrs_model.c", "memory.svg")


@pytest.mark.parametrize("name", KEPT)
def test_generated_text(name: str, tmp_path: Path) -> None:
    # an M3, and an unknown machine's host library, which is portable
    options = GenerateOptions(board="mps2-an385", n0=10, n=100, sigma=Decimal("0.1"), machine="none")
    generate(tiny(), options, tmp_path / "p")
    text = (tmp_path / "p" / name).read_text()
    kept = GOLDEN / name
    if os.environ.get("INTRS_UPDATE_GOLDEN"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text)
    assert text == kept.read_text()
