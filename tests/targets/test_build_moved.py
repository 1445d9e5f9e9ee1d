"""A project that was built and then moved or copied is built again where it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intrs_edge.targets.build import build_project

LISTS = """
cmake_minimum_required(VERSION 3.16)
project(p NONE)
file(WRITE ${CMAKE_BINARY_DIR}/host/intrs "${CMAKE_SOURCE_DIR}")
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_a_copy_is_built_where_it_is(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "CMakeLists.txt").write_text(LISTS)
    (first / "project.json").write_text("{}")
    (built,) = build_project(first)
    assert built.read_text() == str(first)
    (first / "build" / "notes.txt").write_text("mine")
    shutil.copytree(first, second)
    (built,) = build_project(second)
    assert built.read_text() == str(second)
    assert (second / "build" / "notes.txt").read_text() == "mine"
    cache = second / "build" / "CMakeCache.txt"
    kept = cache.read_text()
    build_project(second)
    assert cache.read_text() == kept
    (tmp_path / "there").mkdir()
    first.rename(tmp_path / "there" / "first")
    (built,) = build_project(tmp_path / "there" / "first")
    assert built.read_text() == str(tmp_path / "there" / "first")
