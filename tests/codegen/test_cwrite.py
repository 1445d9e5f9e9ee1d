"""Constants as C text: the numbers come back."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.codegen.cwrite import Pool, array_body
from intrs_edge.codegen.kernels import Array

LITERALS = {"INT32_MIN": -(2**31), "INT64_MIN": -(2**63)}


def parsed(text: str) -> list[int]:
    assert all(line.startswith("    ") for line in text.splitlines())
    numbers = [
        re.sub(r"U?INT64_C\((-?\d+)\)|(\d)u$", r"\1\2", item.strip()) for item in text.split(",") if item.strip()
    ]
    return [LITERALS[n] if n in LITERALS else int(n) for n in numbers]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_numbers_come_back(dtype: str) -> None:
    limits = np.iinfo(dtype)
    anything = st.integers(int(limits.min), int(limits.max))
    some = st.one_of(anything, st.sampled_from([int(limits.min), int(limits.max), 0, 1, 9, 10, 99, 100]))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(some, max_size=60))
    def check(values: list[int]) -> None:
        assert parsed(array_body(np.array(values, dtype))) == values

    check()


def test_long_arrays_have_no_seam() -> None:
    values = np.random.default_rng(0).integers(-128, 128, 24 * 4096 + 5).astype(np.int8)
    text = array_body(values)
    assert parsed(text) == values.tolist()
    assert {line.count(",") for line in text.splitlines()[:-1]} == {24}


def test_zeros_keep_the_size_alone() -> None:
    pool = Pool()
    pool.array(Array(np.arange(100, dtype=np.int16), 16), "conv3_weights")
    (whole,), (bare,) = pool.declarations(), pool.declarations(zeros=True)
    assert (
        whole.split(" = ")[0]
        == bare.split(" = ")[0]
        == "static INTRS_WEIGHTS const _Alignas(16) int16_t conv3_weights[100]"
    )
    assert bare.endswith("= {0};")
