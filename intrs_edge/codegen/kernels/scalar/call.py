# SPDX-License-Identifier: Apache-2.0
"""Where the kernels for cores without SIMD are, and which cores those are. Costs in this folder are instructions
counted under emulation (docs/performance.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels.common.base import Emit, Site
from intrs_edge.codegen.kernels.common.filters import Filters, stream_fields
from intrs_edge.graph.geometry import Window
from intrs_edge.graph.quantize import Requant

FOLDER = "kernels/scalar"
HEADERS = (f"{FOLDER}/intrs_scalar.h",)
THUMB1 = frozenset({"thumb1"})
THUMB2 = frozenset({"armv6m", "armv7m"})  # both, and so without DSP
RV32 = frozenset({"rv32"})


def files(*functions: str) -> tuple[str, ...]:
    """Where functions are."""
    return tuple(f"{FOLDER}/{name}.c" for name in functions)


def call(
    function: str,
    site: Site,
    window: tuple[Window, Requant, Filters],
    stream: npt.NDArray[np.int32],
    scratch: int,
    inplace: tuple[int, ...] = (),
) -> Emit:
    """A call of a function whose struct has its name. window: as `filters_of` gives it."""
    return Emit(
        function,
        function,
        stream_fields(*window, stream),
        site.op.inputs[:1],
        site.op.outputs,
        files(function),
        scratch_bytes=scratch,
        inplace=inplace,
        headers=HEADERS,
    )
