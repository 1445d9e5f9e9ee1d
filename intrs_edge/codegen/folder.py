"""The output folder: replaced whole, or left as it was."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from intrs_edge.errors import IntrsError


def check_replaceable(target: Path) -> None:
    """Raises IntrsError unless the path is free, an empty folder or an earlier generated project."""
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise IntrsError(f"{target} exists and is not a folder: give another output folder")
    if any(target.iterdir()):
        try:
            content = json.loads((target / "project.json").read_text(encoding="utf-8"))
            generated = isinstance(content, dict) and "format" in content and "model_hash" in content
        except (OSError, ValueError):
            generated = False
        if not generated:
            raise IntrsError(
                f"{target} is not empty and not a generated project: give another output folder, or empty it"
            )


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Writes beside the target, then renames; a failure leaves what was there."""
    target = target.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise IntrsError(f"{target} cannot be written ({error.strerror}): give another output folder") from error
    try:
        fresh = draft / "new"
        for name, content in sorted(files.items()):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if target.exists():
            target.rename(draft / "old")
        fresh.rename(target)
    except OSError as error:
        if (draft / "old").exists() and not target.exists():
            (draft / "old").rename(target)
        raise IntrsError(
            f"{target} cannot be written ({error.strerror}): free some space or give another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
