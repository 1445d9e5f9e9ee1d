# SPDX-License-Identifier: Apache-2.0
"""The part of a project's ``project.json`` that targets need."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from intrs_edge import __version__
from intrs_edge.codegen.manifest import check_unchanged, made_by, smoothing_of
from intrs_edge.codegen.tables import check_certifies, claim
from intrs_edge.errors import IntrsError
from intrs_edge.graph.words import ASK
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.settings import ANY_TIME
from intrs_edge.targets.base import Ends


@dataclass(frozen=True)
class Manifest:
    """Hashes are 32-bit prefixes; ``image_shape`` is (H, W, C); ``board`` an id, "host" when none was named; n0, n:
    samples of the two phases; ``classes``: how many; ``ends``: how codes and images go in. ``tables``: those that were
    made at run time, for other settings than the project's, which are then those of ``generated``.
    """

    directory: Path
    board: str
    model_hash: int
    table_hash: int
    image_shape: tuple[int, int, int]
    n0: int
    n: int
    classes: int
    ends: Ends
    raw: dict[str, Any]
    tables: Smoothing | None = None
    generated: Manifest | None = None

    @property
    def built(self) -> Manifest:
        """What the project's library and firmware were generated with."""
        return self.generated or self

    def revised(self, **asked: int | Decimal | None) -> Manifest:
        """As if the project had been generated with these settings of `ANY_TIME`; None: as it was. Their tables are
        made here, and the library counts as before. Raises IntrsError for what is no certificate's setting, or
        certifies nothing; TypeError for another name.
        """
        if unknown := set(asked) - set(ANY_TIME):
            raise TypeError(f"{', '.join(sorted(unknown))}: of a project's settings only {', '.join(ANY_TIME)} change")
        settings = self.raw["settings"]
        changed = {
            name: value if isinstance(value, int) else str(value)
            for name, value in asked.items()
            if value is not None and (settings[name] is None or Decimal(str(settings[name])) != value)
        }
        if not changed:
            return self
        raw = {**self.raw, "settings": {**settings, **changed}}
        tables = smoothing_of(raw)
        check_certifies(tables)
        raw |= {"table_hash": tables.table_hash, "tables": tables.tables_digest, "certificate": claim(tables)}
        return replace(
            self, table_hash=_prefix(tables.table_hash), n0=tables.n0, n=tables.n, raw=raw, tables=tables,
            generated=self.built,
        )  # fmt: skip

    def check_burned(self, where: str) -> None:
        """Raises IntrsError where tables were made at run time, for who has those of the project."""
        ours, theirs = self.raw["settings"], self.built.raw["settings"]
        for name, value in theirs.items():
            if ours[name] != value:
                option = f"--{name.replace('_', '-')}"
                had = f"without {option}" if value is None else f"with {option} {value}, not {ours[name]}"
                raise IntrsError(
                    f"this project was generated {had}, and {where} has its tables burned in: generate it again with "
                    f"{option} {ours[name]}, or use --target host"
                )

    def check(self, model_hash: int, table_hash: int, where: str) -> None:
        """Raises IntrsError when what runs there is not this project's model and tables."""
        for what, here, there in (("model", self.model_hash, model_hash), ("tables", self.table_hash, table_hash)):
            if here != there:
                raise IntrsError(
                    f"{where}: {what} {there:08x}, but {self.directory} has {here:08x}; "
                    "build it (intrs-edge build) and flash it again"
                )

    @property
    def prefix(self) -> str:
        """What the project's functions are named by."""
        return str(self.raw.get("prefix", "intrs"))

    @property
    def resize(self) -> str | None:
        """How images of another size come to the model's (`datasets.load_images`)."""
        resize: str | None = (self.raw["reads"] or {}).get("resize")
        return resize

    def check_images(self) -> None:
        """Raises IntrsError where the project takes no images, before any is loaded."""
        if self.ends.refused:
            raise IntrsError(self.ends.refused)


_TOLD: set[Path] = set()  # projects whose other version was said


def read_manifest(directory: Path) -> Manifest:
    """Reads DIR/project.json; raises IntrsError when it is not a generated project, is of another format or was
    changed. A project of another version of the generator, but of this format, is said on stderr, once.
    """
    path = directory / "project.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        check_unchanged(raw, str(path))
        if made_by(raw) != __version__ and directory not in _TOLD:
            _TOLD.add(directory)
            told = f"{directory} was made by intrs-edge {made_by(raw)}, this is {__version__}"
            print(f"intrs-edge: warning: {told}: generate it again to be sure of both", file=sys.stderr)
        height, width, channels = raw["image_shape"]
        return Manifest(
            directory, str(raw["board"]), _prefix(raw["model_hash"]), _prefix(raw["table_hash"]),
            (int(height), int(width), int(channels)), int(raw["settings"]["n0"]), int(raw["settings"]["n"]),
            len(raw["classes"]), _ends(raw, directory), raw,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise IntrsError(
            f"{directory} is not a generated project (no project.json); make one: intrs-edge generate"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntrsError(f"{path} is damaged ({type(error).__name__}: {error}); generate the project again") from error


def _ends(raw: dict[str, Any], directory: Path) -> Ends:
    reads = raw["reads"]
    refused = "" if reads is not None else (
        f"{directory}: it is not known what a pixel means to this model, so it takes no images (infer takes codes): "
        f"generate it again and say how the model was trained with {ASK}"
    )  # fmt: skip
    bgr = reads is not None and reads["channels"] == "BGR"
    source = raw["input"]
    return Ends(source["dtype"], raw["output"]["dtype"], tuple(map(int, source["shape"])), bgr, refused)


def _prefix(value: str) -> int:
    """The first 32 bits of a SHA-256 in hexadecimal."""
    return int(value[:8], 16)
