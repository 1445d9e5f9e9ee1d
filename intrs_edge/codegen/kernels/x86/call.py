# SPDX-License-Identifier: Apache-2.0
"""What every call of an x86 kernel has: its file and header, a batch, and requantisation by a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Array, Emit, Site, Value
from intrs_edge.codegen.kernels.x86.pack import requant_table
from intrs_edge.graph.quantize import Requant

FOLDER = "kernels/x86"
HEADERS = (f"{FOLDER}/intrs_x86.h",)
AVX2 = frozenset({"avx2"})
VNNI = frozenset({"avx512vnni"})
PER_REQUANT = 2.5  # instructions an output


def files(function: str) -> tuple[str, ...]:
    """Where a function is."""
    return (f"{FOLDER}/{function}.c",)


def requant_fields(bias: npt.NDArray[np.int32], q: Requant, gain: int = 1) -> dict[str, Value]:
    """``struct intrs_x86_requant``."""
    table = Array(requant_table(bias, q, gain), align=32)
    return {"table": table, "zero_point": q.zero_point, "min": q.min, "max": q.max}


def call(
    function: str, struct: str, fields: dict[str, Value], site: Site, scratch: int, skip: tuple[int, ...] = ()
) -> Emit:
    """A batched call; the output may take over the skip, the tensor that a fused sum adds."""
    return Emit(
        function,
        struct,
        fields,
        (site.op.inputs[0], *skip),
        site.last.outputs[:1],
        files(function),
        scratch_bytes=scratch,
        batched=True,
        inplace=(1,) if skip else (),
        headers=HEADERS,
    )
