# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/c that a project takes along."""

from __future__ import annotations

from intrs_edge.paths import shipped


def example_files() -> dict[str, bytes]:
    """Path in the project -> text."""
    folder = shipped("examples") / "c"
    return {f"examples/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.c*"))}
