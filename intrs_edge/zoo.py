# SPDX-License-Identifier: Apache-2.0
"""The shipped networks (``models/zoo.toml``): by name, and no other bytes than those that were measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.typed import from_table, read_toml

PREFIX = "zoo:"
_MOST_BYTES = 1 << 18


@dataclass(frozen=True)
class OnBoard:
    """A network on a board. fits: the setting of ``--optimize`` that it fits with, "" for none; flash, ram: bytes of
    the whole image. inference, sample: instructions of an inference and of a noisy sample, counted in an emulator of
    the core; seconds: an ESTIMATE from them of a certificate of 100 + 1000 samples, 0 where none was made.
    """

    board: str
    fits: str
    flash: int = 0
    ram: int = 0
    inference: float = 0.0
    sample: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Certified:
    """Certified accuracy at a radius ([0,1] pixels) on some test images, and its exact 95 % band; n at most."""

    radius: float
    accuracy: float
    low: float
    high: float
    images: int
    n: int


@dataclass(frozen=True)
class Entry:
    """A network of the zoo. onnx, tflite: SHA-256 of the files NAME.onnx and NAME.tflite; noisy: the share of test
    images of which one noisy copy is answered rightly; recipe: of `train --recipe`; note: what else is to be known.
    """

    name: str
    about: str
    data: str
    network: str
    sigma: float
    recipe: str
    onnx: str
    tflite: str
    macs: int
    weights: int
    clean: float
    noisy: float
    note: str = ""
    certified: tuple[Certified, ...] = ()
    boards: tuple[OnBoard, ...] = ()

    @property
    def path(self) -> Path:
        """The QDQ ONNX file."""
        return shipped("models") / f"{self.name}.onnx"

    @property
    def tflite_path(self) -> Path:
        """The int8 TFLite file."""
        return shipped("models") / f"{self.name}.tflite"


@dataclass(frozen=True)
class _Zoo:
    model: tuple[Entry, ...]


def entries() -> tuple[Entry, ...]:
    """All networks, as the file lists them. Raises IntrsError when it is damaged."""
    path = shipped("models") / "zoo.toml"
    zoo: _Zoo = from_table(_Zoo, read_toml(path, "zoo", _MOST_BYTES), f"zoo {path}")
    return zoo.model


def entry(name: str) -> Entry:
    """The network of that name, its files checked. Raises IntrsError when there is none, or a file is another than the
    one that was measured.
    """
    known = {e.name: e for e in entries()}
    if name not in known:
        raise IntrsError(f"{PREFIX}{name}: no such model; known: {', '.join(known)}")
    found = known[name]
    for path, digest in ((found.path, found.onnx), (found.tflite_path, found.tflite)):
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise IntrsError(f"{path} is not the file that the zoo lists (SHA-256 {digest[:16]}..); install it again")
    return found


def model_file(text: str) -> Path:
    """A file's path, or that of a network of the zoo, zoo:NAME. Raises IntrsError for a name that there is not."""
    return entry(text.removeprefix(PREFIX)).path if text.startswith(PREFIX) else Path(text)
