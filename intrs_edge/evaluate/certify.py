"""Images through a target into a log: certified one by one, resumable."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.log import LogWriter, Row, certificate_row, in_order
from intrs_edge.evaluate.progress import Progress
from intrs_edge.smoothing.results import Certificate, Mode, Stream


class Certifier(Protocol):
    """The part of a target that this needs."""

    def certify(self, image: npt.NDArray[np.uint8], stream: Stream, mode: Mode) -> Certificate:
        """Certifies one uint8 ``[H, W, C]`` image."""


def images_digest(images: ImageSet) -> str:
    """Names the whole selection: 16 hexadecimal digits of SHA-256 over shape, ids, labels and pixels."""
    digest = hashlib.sha256(repr(images.images.shape).encode())
    for part in (images.ids.astype("<u4"), images.labels.astype("<i8"), images.images):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def certify_images(
    images: ImageSet,
    target: Certifier,
    log: Path,
    settings: Mapping[str, str],
    *,
    seed: int,
    mode: Mode = Mode.FIXED,
    show: bool = True,
) -> list[Row]:
    """Certifies every image that the log does not hold yet; gives all rows, by ``idx``.

    The image with id m uses the noise streams of (seed, m), so an interrupted run that is resumed writes the same
    lines. settings: the columns of ``log.SETTINGS``. show: a progress line on stderr. Raises IntrsError when the log
    belongs to other settings, and whatever the target raises; the lines written so far stay.
    """
    with LogWriter(log, settings) as writer, Progress(len(images), show) as progress:
        done = writer.done
        progress.skip(sum(int(idx) in done for idx in images.ids))
        for image, label, idx in zip(images.images, images.labels, images.ids, strict=True):
            if int(idx) in done:
                continue
            start = time.monotonic()
            result = target.certify(image, Stream(seed, int(idx)), mode)
            writer.append(certificate_row(int(idx), int(label), result, time.monotonic() - start, settings))
            progress.step()
        return in_order(writer.rows)
