# SPDX-License-Identifier: Apache-2.0
"""Tensors of an ONNX model whose values lie in a file beside it, as exporters write them by default."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import onnx
from onnx import TensorProto

from intrs_edge.errors import IntrsError, shown

MAX_BYTES = 512 << 20
SHARED = 2  # how often the bytes of a file may be used on average: tied weights


def read(model: onnx.ModelProto, path: Path) -> None:
    """Puts the values of every such tensor into the model, which then is self-contained.

    Only plain names of regular files in the model's own folder are followed, and no link. Raises IntrsError for any
    other, and where an offset, a length or all of them together do not fit the files.
    """
    sizes: dict[str, int] = {}
    held = 0
    for tensor in (
        *model.graph.initializer,
        *(t for n in model.graph.node for a in n.attribute for t in (a.t, *a.tensors)),
    ):
        if tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data:
            continue
        entries = {str(e.key): str(e.value) for e in tensor.external_data}  # bytes where they are no UTF-8
        where = f"{path}: tensor {tensor.name!r}"
        location = entries.get("location", "")
        if location in ("", ".", "..") or "/" in location or "\\" in location or not location.isprintable():
            raise IntrsError(
                f"{where} lies in {shown(location)}, and only a file in the model's own folder is read; "
                "save the model as a single .onnx file"
            )
        numbers = [entries.get(key, "0") or "0" for key in ("offset", "length")]
        if any(not n.isascii() or not n.isdigit() or len(n) > 12 for n in numbers):
            raise IntrsError(f"{where} has the offset and length {numbers}; the file is damaged")
        offset, length = (int(n) for n in numbers)
        data, size = _bytes(path.parent / location, offset, length, where)
        sizes[location] = size
        held += len(data)
        if held > min(MAX_BYTES, SHARED * sum(sizes.values())):
            raise IntrsError(f"{where}: the tensors take more bytes than the files beside the model hold; save it anew")
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = data


def _bytes(file: Path, offset: int, length: int, where: str) -> tuple[bytes, int]:
    """(the bytes of a tensor, the file's size); length 0: all from the offset on."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as opened:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise IntrsError(f"{where} lies in {file.name!r}, which is no regular file")
            size = found.st_size
            length = length or max(0, size - offset)
            if offset + length > size or length > MAX_BYTES:
                raise IntrsError(
                    f"{where} takes bytes {offset} to {offset + length} of {file.name!r}, which has {size}; "
                    "copy the data file beside the model again"
                )
            opened.seek(offset)
            return opened.read(length), size
    except OSError as error:
        raise IntrsError(
            f"{where} lies in {file.name!r}, which cannot be read ({error.strerror}); copy it beside the model"
        ) from error
