"""Images through a target into a log: certified one by one, resumable."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.identity import image_digest
from intrs_edge.evaluate.log import LogWriter, Row, certificate_row, in_order
from intrs_edge.evaluate.progress import Progress
from intrs_edge.smoothing.results import Certificate, Mode, Stream


class Certifier(Protocol):
    """The part of a target that this needs."""

    def certify(self, image: npt.NDArray[np.uint8], stream: Stream, mode: Mode) -> Certificate:
        """Certifies one uint8 ``[H, W, C]`` image."""


def image_names(images: ImageSet, classes: Sequence[str]) -> list[dict[str, str]]:
    """What the columns ``log.NAMES`` say of each image but the answer's name; ``classes``: the network's, which name a
    label where the images' do not.
    """
    known = images.classes or classes
    return [
        {
            "file": images.files[k] if images.files else "",
            "label_name": known[label] if 0 <= label < len(known) else "",
            "pixels": image_digest(images.images[k]),
        }
        for k, label in enumerate(images.labels.tolist())
    ]


def certify_images(
    images: ImageSet,
    target: Certifier,
    log: Path,
    settings: Mapping[str, str],
    *,
    seed: int,
    mode: Mode = Mode.FIXED,
    classes: Sequence[str] = (),
    show: bool = True,
) -> list[Row]:
    """Certifies every image that the log does not hold yet; gives all rows, by ``idx``.

    The image with id m uses the noise streams of (seed, m), so an interrupted run that is resumed writes the same
    lines. settings: the columns of ``log.SETTINGS``. classes: the network's names, for the log. show: a progress line
    on stderr. Raises IntrsError when the log belongs to other settings, and whatever the target raises; the lines
    written so far stay.
    """
    with LogWriter(log, settings) as writer, Progress(len(images), show) as progress:
        done = writer.done
        progress.skip(sum(int(idx) in done for idx in images.ids))
        named = zip(images.images, images.labels, images.ids, image_names(images, classes), strict=True)
        for image, label, idx, names in named:
            if int(idx) in done:
                continue
            start = time.monotonic()
            result = target.certify(image, Stream(seed, int(idx)), mode)
            answer = {"predict_name": classes[result.label] if 0 <= result.label < len(classes) else ""}
            took = time.monotonic() - start
            writer.append(certificate_row(int(idx), int(label), result, took, settings, names | answer))
            progress.step()
        return in_order(writer.rows)
