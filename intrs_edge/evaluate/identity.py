# SPDX-License-Identifier: Apache-2.0
"""Which images a log speaks of: digests of each and of all, those that are missing, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets import ImageSet
from intrs_edge.datasets.imageset import hex_digest
from intrs_edge.datasets.load import chosen
from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate.log import Row
from intrs_edge.evaluate.methods import INTRS
from intrs_edge.smoothing.results import Mode
from intrs_edge.smoothing.settings import COLUMNS as CERTIFIED
from intrs_edge.targets.manifest import Manifest


def image_digest(image: npt.NDArray[np.uint8]) -> str:
    """Names one image ``[H, W, C]``: 16 hexadecimal digits of SHA-256 over shape and pixels."""
    return hex_digest((repr(image.shape).encode(), np.ascontiguousarray(image).data))


def images_digest(images: ImageSet) -> str:
    """Names a selection, whatever its order: idx, label and digest of every image."""
    named = zip(images.ids.tolist(), images.labels.tolist(), images.images, strict=True)
    return _digest_of((idx, label, image_digest(image)) for idx, label, image in named)


def rows_digest(rows: Iterable[Row]) -> str:
    """The `images_digest` of the images that these rows speak of."""
    return _digest_of((row.idx, row.label, row.extra["pixels"]) for row in rows)


def _digest_of(named: Iterable[tuple[int, int, str]]) -> str:
    return hex_digest(f"{idx} {label} {pixels}\n".encode() for idx, label, pixels in sorted(named))


def expected(settings: Mapping[str, str]) -> range | list[int]:
    """The ``idx`` of all images that a run with these settings certifies. Raises IntrsError for senseless ones."""
    if not re.fullmatch("[0-9]{1,9}", settings["size"]):
        raise IntrsError(f"a set of {settings['size'][:20]!r} images: that is no number of images")
    return chosen(settings["select"] or None, int(settings["size"]), settings["source"], settings["shard"])


def image_settings(images: ImageSet) -> dict[str, str]:
    """The columns of a log that say which images it is about."""
    assert images.origin is not None, "images that load_images gave"
    origin = images.origin
    return {
        "shape": "x".join(map(str, images.shape)),
        "source": origin.spec,
        "set": origin.digest,
        "size": str(origin.size),
        "select": origin.select,
        "shard": origin.shard,
        "images": images_digest(images),
    }


def log_settings(manifest: Mapping[str, Any], seed: int, mode: str, images: ImageSet) -> dict[str, str]:
    """The setting columns of the log, from a project's manifest and the images."""
    return project_settings(manifest, mode) | {"mode": mode, "seed": str(seed)} | image_settings(images)


def project_settings(manifest: Mapping[str, Any], mode: str) -> dict[str, str]:
    """The columns that a project decides, in the log of a mode."""
    settings = manifest["settings"]
    certificate = str(settings["certificate"])
    if certificate == "two-sided" and any(m.one_sided and mode.startswith(m.word) for m in Mode):
        certificate = "one-sided"  # which is what the plans of that mode prove
    return {
        "method": INTRS,
        **{name: str(settings[name]) for name in CERTIFIED},
        "certificate": certificate,
        "model": manifest["model_hash"][:16],
        "tables": manifest["table_hash"][:16],
    }


def as_logged(manifest: Manifest, rows: Sequence[Row]) -> Manifest:
    """A project with the n0, n, alpha and mode of a log, whose tables may have been made at run time; as it is where
    the log is not one of its model, or no certificate has such settings.
    """
    said = rows[0].extra if rows else {}
    if said.get("method") != INTRS or said["model"] != manifest.raw["model_hash"][:16]:
        return manifest
    asked = {name: said[name] for name in ("n0", "n", "alpha")}
    asked |= {mode.setting: said["mode"][len(mode.word) + 1 :] for mode in Mode
              if mode.setting and said["mode"].startswith(f"{mode.word}=")}  # fmt: skip
    if not all(re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,20})?(E-[0-9]{1,2})?", text) for text in asked.values()):
        return manifest
    try:
        settings: dict[str, Any] = {k: int(v) if k in ("n0", "n") else Decimal(v) for k, v in asked.items()}
        return manifest.revised(**settings)
    except (IntrsError, ValueError):
        return manifest


def warnings_of(images: ImageSet, classes: Sequence[str]) -> list[str]:
    """What somebody should know before certifying these: other class names than the network's, a slice of few
    classes. Raises IntrsError for a label that the network has no class for.
    """
    labels = images.labels[images.labels >= 0]
    if not labels.size:
        return []
    if labels.max() >= len(classes):
        raise IntrsError(
            f"{images.name}: label {labels.max()}, but the network has "
            f"{several(len(classes), 'class', 'classes')} (0..{len(classes) - 1}); "
            "these are images of another task"
        )
    found = []
    others = [(a, b) for a, b in zip(images.classes, classes, strict=False) if a != b]
    if others and not all(name.isdigit() for name in classes):
        found.append(
            f"class names differ: {others[0][0]!r} of the images is {others[0][1]!r} of the network; same order?"
        )
    present, all_of_them = len(np.unique(labels)), len(images.classes or classes)
    if present < min(all_of_them, len(labels)) and (present == 1 or (np.diff(images.labels) >= 0).all()):
        step = max(2, (images.origin.size if images.origin else 0) // len(labels))
        found.append(
            f"these {len(labels)} images are of {present} of "
            f"{several(all_of_them, 'class', 'classes')}: [::{step}] takes some of each"
        )
    return found
