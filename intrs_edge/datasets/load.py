# SPDX-License-Identifier: Apache-2.0
"""The one image syntax: ``NAME[:SPLIT][SLICE]``, a folder or a file, the latter two with a slice as well.

``digits:test[0:20]``, ``cifar10:test[::100]``, ``photos[3]``, ``photos:test``, ``cat.png``, ``images.npy[0,5,9]``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from intrs_edge.datasets.array import array_file
from intrs_edge.datasets.cifar10 import cifar10
from intrs_edge.datasets.digits import digits
from intrs_edge.datasets.fashion_mnist import fashion_mnist
from intrs_edge.datasets.folder import SUFFIXES, caltech101, image_file, image_folder
from intrs_edge.datasets.imageset import ImageSet, Origin, Shape, Source
from intrs_edge.datasets.names import NAMES, SYNTAX
from intrs_edge.datasets.resize import fitted
from intrs_edge.errors import IntrsError, several

_SPEC = re.compile(r"(?P<name>.+?)(?::(?P<split>[a-z]+))?(?P<select>\[[^\[\]]*\])?", re.DOTALL)


@dataclass(frozen=True)
class Spec:
    """A parsed image argument: ``select`` is the text between the brackets, or None for everything."""

    name: str
    split: str | None
    select: str | None


def parse_spec(text: str) -> Spec:
    """Takes ``NAME[:SPLIT][SLICE]`` apart; a path that exists as it stands is a path."""
    if text and Path(text).exists() and text not in NAMES:
        return Spec(text, None, None)
    match = _SPEC.fullmatch(text)
    if not match:
        raise IntrsError(f"images {text!r}: expected {SYNTAX}")
    select = match["select"]
    return Spec(match["name"], match["split"], select[1:-1] if select is not None else None)


def chosen(select: str | None, count: int, what: str, shard: str = "1/1") -> range | list[int]:
    """The indices that ``0:20``, ``::100``, ``7`` or ``1,5,9`` (None: all) choose out of ``count``; of those, every
    eighth from the second on for shard ``2/8``, so that every shard has about as many of each class. Raises IntrsError
    for none.
    """
    everything = range(count)
    found: range | list[int]
    try:
        if select is not None and ":" not in select:
            found = [everything[int(part)] for part in select.split(",")]
        else:
            bounds = [int(part) if part.strip() else None for part in (":" if select is None else select).split(":")]
            found = everything[slice(*bounds)]
    except (ValueError, TypeError):
        raise IntrsError(f"{what}: [{select}] is not a slice; write [0:20], [::100], [7] or [1,5,9]") from None
    except IndexError:
        raise IntrsError(f"{what}: [{select}] is outside its {several(count, 'image')} (0..{count - 1})") from None
    if isinstance(found, list) and len(set(found)) < len(found):  # an image has one line in a log
        raise IntrsError(f"{what}: [{select}] names an image twice")
    if not found:
        raise IntrsError(f"{what}: [{select}] chooses none of its {several(count, 'image')}")
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", shard)
    number, shards = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= shards:
        raise IntrsError(f"{what}: shard {shard!r} is not K/M with 1 <= K <= M, such as 2/8")
    part = found[number - 1 :: shards]
    if not part:
        raise IntrsError(
            f"{what}: shard {shard} of {several(len(found), 'image')} is empty; make at most "
            f"{several(len(found), 'shard')}"
        )
    return part


def data_folder(data_dir: str | Path | None) -> Path:
    """``--data-dir``, else the environment's INTRS_EDGE_DATA, else ``data`` in the working directory."""
    return Path(data_dir or os.environ.get("INTRS_EDGE_DATA") or "data")


def open_source(
    spec: Spec,
    data_dir: str | Path | None = None,
    shape: Shape | None = None,
    split_seed: int = 0,
    crop: bool = False,
) -> Source:
    """The split or file that a spec names, nothing decoded yet where that can be put off."""
    folder = data_folder(data_dir)
    if spec.name in NAMES:
        split = spec.split or "test"
        if split not in ("train", "test"):
            raise IntrsError(f"{spec.name}:{split}: its splits are train and test")
        if spec.name == "digits":
            return digits(split)
        if spec.name == "fashion-mnist":
            return fashion_mnist(split, folder)
        if spec.name == "cifar10":
            return cifar10(split, folder)
        return caltech101(split, folder, shape, split_seed, crop)
    path = Path(spec.name)
    if path.is_dir():
        split = spec.split or "all"
        if split not in ("train", "test", "all"):
            raise IntrsError(f"{spec.name}:{split}: the splits of a folder are train, test and all")
        return image_folder(path, split, shape, split_seed, crop=crop)
    if not path.is_file():
        raise IntrsError(f"images {spec.name!r}: no such data set, folder or file; expected {SYNTAX}")
    if spec.split:
        raise IntrsError(f"images {spec.name}:{spec.split}: a file has no splits")
    if path.suffix.lower() == ".npy":
        return array_file(path)
    if path.suffix.lower() in SUFFIXES:
        return image_file(path, shape, crop)
    raise IntrsError(f"{path}: images come as .npy, .png, .jpg or .jpeg")


def load_images(
    spec: str,
    data_dir: str | Path | None = None,
    shape: Shape | None = None,
    split_seed: int = 0,
    shard: str = "1/1",
    resize: str | None = None,
) -> ImageSet:
    """Loads ``spec`` as uint8 NHWC.

    shape: (H, W, C) of the model. resize: how images of another size come to it (`fitted`): "stretch", "crop"; None:
    PNG and JPEG images are stretched, images of a fixed size must already have it. split_seed: chooses the 80/20 split
    of a folder that comes without one. Raises IntrsError for anything that is missing, damaged or of the wrong shape.
    """
    parsed = parse_spec(spec)
    source = open_source(parsed, data_dir, shape, split_seed, resize == "crop")
    indices = np.array(chosen(parsed.select, len(source.labels), source.name, shard), np.int64)
    whole = parsed.name + (f":{parsed.split}" if parsed.split else "")
    origin = Origin(whole, parsed.select or "", shard, len(source.labels), source.digest())
    images = replace(source.take(indices), origin=origin)
    if shape and resize and images.shape[2] == shape[2]:
        pixels = [fitted(image, shape[0], shape[1], resize == "crop") for image in images.images]
        images = replace(images, images=np.stack(pixels))
    if shape and images.shape != tuple(shape):
        raise IntrsError(
            f"{source.name}: its images are {_by(images.shape)}, the model takes {_by(shape)}; use images of that shape"
            + (", or convert or generate it with --resize" if resize is None and images.shape[2] == shape[2] else "")
        )
    return images


def _by(shape: Shape) -> str:
    return "x".join(str(n) for n in shape)
