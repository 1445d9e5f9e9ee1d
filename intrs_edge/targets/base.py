"""One interface to everything that runs a generated project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Prediction, Stop, Stream

Image = npt.NDArray[np.uint8]
Votes = npt.NDArray[np.int64]
_Self = TypeVar("_Self", bound="ContextMixin")


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


class Target(Protocol):
    """A context manager. Images are uint8 [H, W, C]; every method raises IntrsError when the target fails."""

    info: TargetInfo

    def infer(self, inputs: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """Noiseless logits int8 [K, classes] of int8 inputs [K, H, W, C]."""

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


def full_certificate(selected: int, counted: Votes, radius_squared: Callable[[int], int]) -> Certificate:
    """The certificate of a whole counting phase, from its votes [classes]."""
    count = int(counted[selected])
    squared = radius_squared(count)
    label = selected if squared else ABSTAIN
    return Certificate(label, selected, count, int(counted.sum()), squared, Stop.FULL, tuple(counted.tolist()))


def check_image(image: npt.NDArray[np.generic], info: TargetInfo) -> bytes:
    """The bytes of an image; raises IntrsError unless it is uint8 [H, W, C] of the model's shape."""
    if image.dtype != np.uint8 or image.shape != info.image_shape:
        raise IntrsError(
            f"image is {image.dtype} {list(image.shape)}; this model takes uint8 {list(info.image_shape)} (H, W, C)"
        )
    return np.ascontiguousarray(image).tobytes()


def check_inputs(inputs: npt.NDArray[np.generic], info: TargetInfo) -> npt.NDArray[np.int8]:
    """Contiguous int8 inputs [K, H, W, C]; raises IntrsError for any other type or shape."""
    if inputs.dtype != np.int8 or inputs.shape[1:] != info.image_shape or inputs.ndim != 4:
        raise IntrsError(
            f"input is {inputs.dtype} {list(inputs.shape)}; this model takes int8 [K, "
            f"{', '.join(map(str, info.image_shape))}] (K, H, W, C)"
        )
    return np.ascontiguousarray(inputs, dtype=np.int8)


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
