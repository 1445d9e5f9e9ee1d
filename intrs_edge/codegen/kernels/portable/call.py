# SPDX-License-Identifier: Apache-2.0
"""What every call of a portable kernel has: its file. Structs have the plain name: other kernels take them too."""

from __future__ import annotations

from collections.abc import Mapping

from intrs_edge.codegen.kernels.common.base import Emit, Value

FOLDER = "kernels/portable"


def call(
    function: str,
    struct: str,
    fields: Mapping[str, Value],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    scratch_bytes: int | None = None,
    inplace: tuple[int, ...] = (),
) -> Emit:
    """Once an image."""
    return Emit(function, struct, fields, inputs, outputs, (f"{FOLDER}/{function}.c",), scratch_bytes, inplace=inplace)
