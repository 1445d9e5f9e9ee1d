# SPDX-License-Identifier: Apache-2.0
"""Vector variants of the noise sampler: which instruction set has one.

The runtime's `intrs_noise_fill` asks the CPU before it uses one (a microcontroller's is known); every variant gives the
same inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from intrs_edge.codegen.isa import Level


@dataclass(frozen=True)
class Sampler:
    """A variant: the feature it needs, its source below firmware/, lanes, and the announcing macro."""

    feature: str
    source: str
    lanes: int
    macro: str


SAMPLERS = (
    Sampler("avx2", "smoothing/x86/intrs_noise_fill_x86.c", 8, "INTRS_NOISE_X86"),
    Sampler("dsp", "smoothing/arm_dsp/intrs_noise_blocks_arm_dsp.c", 1, "INTRS_NOISE_ARM_DSP"),
)  # fmt: skip


def samplers(levels: Iterable[Level], batch: int) -> tuple[Sampler, ...]:
    """The variants that a target with these levels can use on batches of this size."""
    features = frozenset[str]().union(*(level.features for level in levels))
    return tuple(s for s in SAMPLERS if s.feature in features and batch % s.lanes == 0)


def map_macros(input_map: Mapping[str, Any]) -> dict[str, str]:
    """The manifest's input map as constants for the samplers, where it is one map for all channels."""
    mul, add = set(input_map["mul"]), set(input_map["add"])
    if len(mul) > 1 or len(add) > 1:
        return {}
    values = {"MUL": mul.pop(), "ADD": add.pop(), "SHIFT": input_map["shift"]}
    return {f"INTRS_MAP_{name}": f"({value})" for name, value in values.items()}
