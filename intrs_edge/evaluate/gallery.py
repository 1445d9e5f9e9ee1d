# SPDX-License-Identifier: Apache-2.0
"""The images of a log worth looking at, out of images given again and checked against the digests in the log."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from intrs_edge.datasets import ImageSet, load_images
from intrs_edge.datasets.load import parse_spec
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.identity import image_digest
from intrs_edge.evaluate.log import Row

EACH = 6  # images of a kind
_LEAST = 96  # pixels a picture is enlarged to at least, by whole factors


@dataclass(frozen=True)
class Picture:
    """One row with its image as a ``data:`` URI (PNG)."""

    row: Row
    uri: str


def picked(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The strongest, the weakest, the wrong with the largest certificates, and those abstained on: EACH at most."""
    answered = sorted((row for row in rows if not row.abstained), key=lambda row: (-row.radius, row.idx))
    right = [row for row in answered if row.correct or row.label < 0]
    strongest = right[:EACH]
    chosen = {
        "strongest": strongest,
        "weakest": right[len(strongest) :][: -EACH - 1 : -1],
        "wrong": [row for row in answered if row.label >= 0 and not row.correct][:EACH],
        "abstained": [row for row in rows if row.abstained][:EACH],
    }
    return {kind: some for kind, some in chosen.items() if some}


def gallery(
    rows: Sequence[Row], spec: str, data_dir: Path | None = None, split_seed: int = 0
) -> dict[str, list[Picture]]:
    """The `picked` rows with their images out of ``spec``; of a spec without a slice, only those are decoded.

    Raises IntrsError when an image is not there or is not the one that was certified, and for a log without digests.
    """
    chosen = picked(rows)
    wanted = sorted({row.idx for some in chosen.values() for row in some})
    if not wanted or "pixels" not in rows[0].extra:
        raise IntrsError("a gallery needs a log of certify, which holds the digest of every image")
    found: dict[int, str] = {}
    for resize in (None, "crop"):  # the digest says which of them it was
        images = _load(rows[0], spec, wanted, data_dir, split_seed, resize)
        places = {int(idx): k for k, idx in enumerate(images.ids)}
        digests = {row.idx: row.extra["pixels"] for some in chosen.values() for row in some}
        for idx in wanted:
            if idx in places and image_digest(images.images[places[idx]]) == digests[idx]:
                found[idx] = _uri(images, places[idx])
        if len(found) == len(wanted):
            break
    lacking = [idx for idx in wanted if idx not in found]
    if lacking:
        raise IntrsError(
            f"images {spec}: image {lacking[0]} is not the one that was certified (its digest differs, or it is not "
            f"there), {len(lacking)} of {len(wanted)} such; name the images that the log is about"
        )
    return {kind: [Picture(row, found[row.idx]) for row in some] for kind, some in chosen.items()}


def _load(
    row: Row, spec: str, wanted: Sequence[int], data_dir: Path | None, split_seed: int, resize: str | None
) -> ImageSet:
    height, width, channels = map(int, row.extra["shape"].split("x"))
    whole = spec if parse_spec(spec).select is not None else f"{spec}[{','.join(map(str, wanted))}]"
    return load_images(whole, data_dir, (height, width, channels), split_seed, resize=resize)


def _uri(images: ImageSet, k: int) -> str:
    pixels = images.images[k]
    if pixels.shape[2] not in (1, 3):
        pixels = pixels[..., :1]
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    factor = max(1, _LEAST // max(image.width, 1))
    if factor > 1:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
