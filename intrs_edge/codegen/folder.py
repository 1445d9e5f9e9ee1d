# SPDX-License-Identifier: Apache-2.0
"""What may be replaced by a generated project."""

from __future__ import annotations

from pathlib import Path

from intrs_edge.budget import parse_json
from intrs_edge.errors import IntrsError


def check_replaceable(target: Path) -> None:
    """Raises IntrsError unless the path is free, an empty folder or an earlier generated project."""
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise IntrsError(f"{target} exists and is not a folder: give another output folder")
    if any(target.iterdir()):
        try:
            content = parse_json((target / "project.json").read_text(encoding="utf-8"), "project.json")
            generated = isinstance(content, dict) and "format" in content and "model_hash" in content
        except (OSError, ValueError, IntrsError):
            generated = False
        if not generated:
            raise IntrsError(
                f"{target} is not empty and not a generated project: give another output folder, or empty it"
            )
