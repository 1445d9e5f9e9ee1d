# SPDX-License-Identifier: Apache-2.0
"""What every call of a NEON kernel has: its file and header, a batch, and requantisation by a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Array, Emit, Site, Value
from intrs_edge.graph.quantize import Requant

FOLDER = "kernels/neon"
HEADERS = (f"{FOLDER}/intrs_neon.h",)
NEON = frozenset({"neon"})
DOTPROD = frozenset({"neon", "dotprod"})
PER_REQUANT = 3.0  # instructions an output


def files(function: str) -> tuple[str, ...]:
    """Where a function is."""
    return (f"{FOLDER}/{function}.c",)


def requant_fields(table: npt.NDArray[np.int32], q: Requant) -> dict[str, Value]:
    """``struct intrs_neon_requant``."""
    return {"table": Array(table, align=16), "zero_point": q.zero_point, "min": q.min, "max": q.max}


def call(function: str, struct: str, fields: dict[str, Value], site: Site, scratch: int) -> Emit:
    """A batched call."""
    inputs, outputs = site.op.inputs[:1], site.op.outputs[:1]
    return Emit(function, struct, fields, inputs, outputs, files(function), scratch, batched=True, headers=HEADERS)
