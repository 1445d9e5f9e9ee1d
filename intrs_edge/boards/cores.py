# SPDX-License-Identifier: Apache-2.0
"""What each core may have beside its base instructions: the words of a board's ``isa``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """may: words that ``isa`` may have. optional: those of them that a chip can be without although the compiler uses
    them unless told ``+no...``.
    """

    may: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_HELIUM = Core(("dsp", "mve"), ("mve",))
CORES = {
    "cortex-m0": Core(),
    "cortex-m0plus": Core(),
    "cortex-m23": Core(),
    "cortex-m3": Core(),
    "cortex-m4": Core(("dsp",)),
    "cortex-m7": Core(("dsp",)),
    "cortex-m33": Core(("dsp",), ("dsp",)),
    "cortex-m35p": Core(("dsp",), ("dsp",)),
    "cortex-m52": _HELIUM,
    "cortex-m55": _HELIUM,
    "cortex-m85": _HELIUM,
    "rv32imc": Core(),
    "rv32imac": Core(),
    "generic": Core(),
    "aarch64": Core(("neon", "dotprod")),
    "armhf": Core(("neon",)),
}


def trouble(cpu: str, isa: Sequence[str], cflags: Sequence[str]) -> str:
    """What is wrong with the instruction sets of a core in one line; empty when nothing is. A core that is not in
    `CORES` is left to those who generate for it.
    """
    core = CORES.get(cpu)
    if core is None:
        return ""
    for word in isa:
        if word not in core.may:
            return f"isa: a {cpu} cannot have {word!r}; it may have {', '.join(core.may) or 'none'}"
    if "mve" in isa and "dsp" not in isa:
        return "isa: mve needs dsp beside it"
    selected = [flag for flag in cflags if flag.startswith(("-mcpu=", "-march="))]
    without = {word for word in core.may for flag in selected if f"no{word}" in flag.split("+")}
    for word in core.may:
        if word in isa and word in without:
            return f"isa has {word}, but cflags turn it off: take one of them out"
        by_name = any(flag.startswith("-mcpu=") for flag in selected)
        if word in core.optional and word not in isa and by_name and word not in without:
            return f"isa: a {cpu} without {word} needs -mcpu={cpu}+no{word} in cflags, or the compiler uses it"
    return ""
