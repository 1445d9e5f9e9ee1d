"""The instruction counter: exact on code whose length is known, and honest about what it cannot count."""

from __future__ import annotations

from pathlib import Path

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.targets.counting import count_function
from tests.kernels.harness import M4, build, needs_emulator, qemu

SOURCE = """
#include "start.h"
void leaf(void);
void caller(void);
int main(void);
/* movs, twice subs and bne, bx: 6 instructions */
__attribute__((naked, noinline)) void leaf(void) { __asm__("movs r0, #2\\n 1: subs r0, #1\\n bne 1b\\n bx lr"); }
/* push, two bl and pop: 4, and twice 6 below it */
__attribute__((naked, noinline)) void caller(void) { __asm__("push {r3, lr}\\n bl leaf\\n bl leaf\\n pop {r3, pc}"); }
int main(void) { caller(); caller(); return 0; }
"""


@needs_emulator
def test_counts_are_exact(tmp_path: Path) -> None:
    elf = build(tmp_path, M4, SOURCE, [])
    leaf = count_function(qemu(M4, elf), elf, "leaf")
    assert leaf.calls == (6, 6, 6, 6)
    caller = count_function(qemu(M4, elf), elf, "caller", within="caller")
    assert caller.calls == (16, 16)
    assert sum(site.instructions for site in caller.sites) == 16
    assert {site.callee for site in caller.sites if site.instructions > 4} == {"leaf"}
    assert caller.functions == {"leaf": 12.0, "caller": 4.0}


@needs_emulator
def test_what_never_runs_is_an_error(tmp_path: Path) -> None:
    elf = build(tmp_path, M4, SOURCE, [])
    with pytest.raises(IntrsError, match="no function nothing_of_the_kind"):
        count_function(qemu(M4, elf), elf, "nothing_of_the_kind")
    with pytest.raises(IntrsError, match="never returned from fault"):
        count_function(qemu(M4, elf), elf, "fault")
