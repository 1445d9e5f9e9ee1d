# SPDX-License-Identifier: Apache-2.0
"""Images through a target into a log: certified one by one, resumable."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.identity import image_digest
from intrs_edge.evaluate.log import LogWriter, Row, certificate_row, in_order
from intrs_edge.evaluate.progress import Progress
from intrs_edge.smoothing.results import Certificate, Mode, Stream

_NAMED = 20  # images that a message names


class Certifier(Protocol):
    """The part of a target that this needs; ``take_suspects`` (targets/fleet.py) where its answers may prove wrong,
    ``on_progress`` (targets/board.py) where it can say how far it is within an image.
    """

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
    on stderr. When the target learns that answers it gave cannot be relied on, their lines leave the log at once and
    the images are certified again. Raises IntrsError when the log belongs to other settings, and whatever the target
    raises; the lines written so far stay.
    """
    with LogWriter(log, settings) as writer, Progress(len(images), show) as progress:
        places = {int(idx): k for k, idx in enumerate(images.ids)}
        done = writer.done
        todo = deque(k for idx, k in places.items() if idx not in done)
        progress.skip(len(images) - len(todo))
        if hasattr(target, "on_progress"):  # a board's: an image may take it minutes
            target.on_progress = progress.within
        names = list(image_names(images, classes))

        try:
            for stream, result, took in certified(target, _Work(images, todo, seed), mode):
                k = places[stream.image]
                suspects = _suspects(target)
                again = _withdraw(suspects, writer)
                todo.extend(places[number] for number in again)
                progress.again(len(again))
                if stream.image in suspects:  # not written yet, and in doubt already
                    todo.append(k)
                    continue
                answer = {"predict_name": classes[result.label] if 0 <= result.label < len(classes) else ""}
                idx, label = int(images.ids[k]), int(images.labels[k])
                writer.append(certificate_row(idx, label, result, took, settings, names[k] | answer))
                progress.step()
        except BaseException:
            _withdraw(_suspects(target), writer)
            raise
        return in_order(writer.rows)


class _Work:
    """The images that are to be certified, each taken once. Its end is not for good: images may come back."""

    def __init__(self, images: ImageSet, todo: deque[int], seed: int) -> None:
        self._images, self._todo, self._seed = images, todo, seed

    def __iter__(self) -> _Work:
        return self

    def __next__(self) -> tuple[npt.NDArray[np.uint8], Stream]:
        if not self._todo:
            raise StopIteration
        k = self._todo.popleft()
        return self._images.images[k], Stream(self._seed, int(self._images.ids[k]))


def certified(
    target: Certifier, work: Iterable[tuple[npt.NDArray[np.uint8], Stream]], mode: Mode
) -> Iterator[tuple[Stream, Certificate, float]]:
    """The certificates of many images, each with its stream and the seconds that it took, in their order; several at
    once where the target can do that (``certify_many`` of the host).
    """
    many: Callable[..., Iterator[tuple[Stream, Certificate, float]]] | None = getattr(target, "certify_many", None)
    if many is not None:
        yield from many(work, mode)
        return
    for image, stream in work:
        start = time.monotonic()
        yield stream, target.certify(image, stream, mode), time.monotonic() - start


def _suspects(target: Certifier) -> set[int]:
    """The images that a board had a part in which was proved wrong since the last call."""
    take_suspects: Callable[[], set[int]] = getattr(target, "take_suspects", set)
    return take_suspects()


def _withdraw(suspects: set[int], writer: LogWriter) -> list[int]:
    """Takes the lines of these images out of the log; gives their ``idx``."""
    gone = sorted(writer.withdraw(suspects))
    if gone:
        named = ", ".join(map(str, gone[:_NAMED])) + (f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else "")
        print(
            f"intrs-edge: warning: log {writer.path}: {len(gone)} line(s) withdrawn, in which a board took part that "
            f"was proved wrong: images {named}",
            file=sys.stderr,
        )
    return gone
