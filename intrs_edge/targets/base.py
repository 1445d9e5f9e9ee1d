# SPDX-License-Identifier: Apache-2.0
"""One interface to everything that runs a generated project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Prediction, Stop, Stream

Image = npt.NDArray[np.uint8]
Votes = npt.NDArray[np.int64]
Codes = Union[npt.NDArray[np.int8], npt.NDArray[np.uint8]]
_Self = TypeVar("_Self", bound="ContextMixin")


@dataclass(frozen=True)
class Ends:
    """How the model's ends look from outside: types "int8" or "uint8", the input's own shape, batch first; the order
    of its channels; ``refused``: why it takes no images, "" where it does."""

    input_dtype: str = "int8"
    output_dtype: str = "int8"
    input_shape: tuple[int, ...] = ()
    bgr: bool = False
    refused: str = ""


@dataclass(frozen=True)
class TargetInfo:
    """What runs there. Hashes are the 32-bit prefixes of the manifest's SHA-256; ``image_shape`` is (H, W, C)."""

    board: str
    where: str
    model_hash: int
    table_hash: int
    classes: int
    image_shape: tuple[int, int, int]
    n0: int
    n: int
    arena_bytes: int
    ends: Ends = Ends()


class Target(Protocol):
    """A context manager. Images are uint8 [H, W, C], colours R, G, B; every method raises IntrsError when the target
    fails, and those that take images where it is not known what a pixel means to the model."""

    info: TargetInfo

    def infer(self, inputs: Codes) -> Codes:
        """Noiseless logits [K, classes] of inputs [K, H, W, C], or of the model's own shape; both int8 or uint8, as
        the model has them."""

    def votes(self, image: Image, stream: Stream, first: int, count: int) -> Votes:
        """Votes [classes] of samples first .. first+count-1."""

    def predict(self, image: Image, stream: Stream) -> Prediction:
        """The smoothed prediction."""

    def certify(self, image: Image, stream: Stream, mode: Mode = Mode.FIXED) -> Certificate:
        """The certificate, by the firmware's own loop."""

    def entropy(self) -> int:
        """A 64-bit seed from its random source; IntrsError where it has none."""

    def close(self) -> None:
        """Ends it; may be called twice."""

    def __enter__(self) -> Target:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""


class ContextMixin:
    """`with` for whatever has close()."""

    def close(self) -> None:
        """Nothing to end by default."""

    def __enter__(self: _Self) -> _Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


class Judge(Protocol):
    """What counts prove, by the host's own tables: whoever counted, this decides."""

    def next_look(self, mode: Mode, samples: int) -> int:
        """The next checkpoint after ``samples`` of the counting phase; 0 when there is none."""

    def judge(self, mode: Mode, samples: int, count: int, other: int) -> tuple[int, Stop] | None:
        """(squared radius, why it stops) for ``count`` votes of the first ``samples`` and ``other`` at most for any
        other class; None when the mode goes on.
        """

    def proved(self, mode: Mode, samples: int, count: int, other: int) -> int:
        """The squared radius that such votes of any first ``samples`` prove, for a caller who stops there."""

    def decides(self, top: int, second: int) -> bool:
        """Whether PREDICT answers with these votes of the two leading classes."""


def certificate_of(judge: Judge, mode: Mode, selected: int | None, counted: Votes) -> Certificate | None:
    """The certificate that the votes [classes] of a counting phase up to a checkpoint prove; None when it goes on.

    selected: the class that other samples chose; None: the leader of these, the lowest where several lead.
    """
    votes = counted.tolist()  # of few classes, which plain Python is faster with
    selected = votes.index(max(votes)) if selected is None else selected
    count, samples = votes[selected], sum(votes)
    decision = judge.judge(mode, samples, count, max(votes[:selected] + votes[selected + 1 :], default=0))
    if decision is None:
        return None
    squared, stop = decision
    label = selected if squared else ABSTAIN
    return Certificate(label, selected, count, samples, squared, stop, tuple(votes))


def certificate_now(judge: Judge, mode: Mode, selected: int | None, counted: Votes) -> Certificate:
    """As `certificate_of`, for a caller who takes no more samples: what stands by then, at a checkpoint or between."""
    found = None
    if judge.next_look(mode, int(counted.sum()) - 1) == counted.sum():
        found = certificate_of(judge, mode, selected, counted)
    if found is not None:
        return found
    selected = int(counted.argmax()) if selected is None else selected
    count, samples = int(counted[selected]), int(counted.sum())
    squared = judge.proved(mode, samples, count, most_of_others(counted, selected))
    label = selected if squared else ABSTAIN
    return Certificate(label, selected, count, samples, squared, Stop.CALLER, tuple(counted.tolist()))


def most_of_others(counted: Votes, selected: int) -> int:
    """The most votes of any class but ``selected``."""
    return int(np.delete(counted, selected).max(initial=0))


def certify_by_votes(judge: Judge, n0: int, mode: Mode, votes: Callable[[int, int], Votes]) -> Certificate:
    """The loop of ``intrs_certify`` for those who count elsewhere. votes(first, count): of a range of samples.

    Raises IntrsError when the mode's tables were not generated.
    """
    samples = first_look(judge, mode)
    # the lowest class of those with most votes, as the firmware
    selected = int(votes(0, n0).argmax()) if n0 else None
    counted = votes(n0, samples)
    while (found := certificate_of(judge, mode, selected, counted)) is None:
        samples = int(counted.sum())
        counted = counted + votes(n0 + samples, judge.next_look(mode, samples) - samples)
    return found


def first_look(judge: Judge, mode: Mode) -> int:
    """The first checkpoint of a mode; raises IntrsError when its tables were not generated."""
    look = judge.next_look(mode, 0)
    if not look:
        raise IntrsError(f"this project was generated without the tables of mode {mode.name.lower()}: generate it anew")
    return look


def prediction_of(judge: Judge, counted: Votes) -> Prediction:
    """PREDICT from the votes [classes] of all n samples."""
    order = np.argsort(-counted, kind="stable")
    top, first = int(order[0]), int(counted[order[0]])
    second = int(counted[order[1]]) if order.size > 1 else 0
    label = top if judge.decides(first, second) else ABSTAIN
    return Prediction(label, top, (first, second), int(counted.sum()))


def check_image(image: npt.NDArray[np.generic], info: TargetInfo) -> bytes:
    """The bytes of an image, its channels in the model's order; raises IntrsError unless it is uint8 [H, W, C] of the
    model's shape, and where the model takes no images."""
    if info.ends.refused:
        raise IntrsError(info.ends.refused)
    if image.dtype != np.uint8 or image.shape != info.image_shape:
        raise IntrsError(
            f"image is {image.dtype} {list(image.shape)}; this model takes uint8 {list(info.image_shape)} (H, W, C)"
        )
    return np.ascontiguousarray(image[..., ::-1] if info.ends.bgr else image).tobytes()


def check_inputs(inputs: npt.NDArray[np.generic], info: TargetInfo, what: str = "input") -> Codes:
    """Contiguous inputs [K, H, W, C] of the model's type; raises IntrsError for any other type or shape than that or
    the model's own. what: their name in the message."""
    shapes = list(dict.fromkeys((info.image_shape, info.ends.input_shape[1:] or info.image_shape)))
    if inputs.dtype != np.dtype(info.ends.input_dtype) or inputs.ndim < 1 or inputs.shape[1:] not in shapes:
        takes = " or ".join(f"[K, {', '.join(map(str, shape))}]" for shape in shapes)
        raise IntrsError(
            f"{what}: {inputs.dtype} {list(inputs.shape)}; this model takes {info.ends.input_dtype} {takes}"
        )
    codes: Codes = np.ascontiguousarray(inputs).reshape(len(inputs), *info.image_shape)  # type: ignore[assignment]
    return codes


def check_stream(stream: Stream) -> None:
    """Raises IntrsError unless the seed has 64 bits and the image number 32."""
    if not 0 <= stream.seed < 1 << 64:
        raise IntrsError(f"seed {stream.seed} must be within 0..2^64-1")
    if not 0 <= stream.image < 1 << 32:
        raise IntrsError(f"image number {stream.image} must be within 0..2^32-1")


def check_range(first: int, count: int) -> None:
    """Raises IntrsError unless samples first .. first+count-1 are numbered below 2^32."""
    if first < 0 or count < 0 or first + count >= 1 << 32:
        raise IntrsError(f"samples {first}..{first + count - 1} must lie within 0..2^32-2")
