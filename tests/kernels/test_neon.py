"""The NEON kernels equal the numpy reference under qemu-user, on CPUs with and without SDOT and on 32-bit ARM."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from intrs_edge.codegen.choose import choose
from intrs_edge.codegen.isa import Level, levels
from intrs_edge.codegen.kernels import registered
from intrs_edge.graph import reference
from intrs_edge.graph.ir import Graph
from intrs_edge.targets.counting import count_function
from tests.kernels.host import model_of, program, run_program
from tests.kernels.layers import conv, inputs_for, layer_cases, rng

BATCH = 3


@dataclass(frozen=True)
class Arm:
    """An architecture, as the compiler and QEMU know it."""

    level: Level
    compiler: str
    options: tuple[str, ...]
    runner: tuple[str, ...]

    def skip(self) -> None:
        """Skips the test without the tools."""
        for tool in (self.compiler, self.runner[0]):
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool}")


A64 = levels("aarch64")
SDOT = Arm(A64[0], "aarch64-linux-gnu-gcc", (), ("qemu-aarch64", "-cpu", "max"))
A53 = Arm(A64[1], "aarch64-linux-gnu-gcc", (), ("qemu-aarch64", "-cpu", "cortex-a53"))
_A32 = ("-march=armv7-a+neon-vfpv4", "-mfloat-abi=hard")
ARMHF = Arm(levels("armhf")[0], "arm-linux-gnueabihf-gcc", _A32, ("qemu-arm", "-cpu", "cortex-a7"))


# every kernel of the folder, where the core has what it requires; those with SDOT on such a core alone
VARIANTS = [
    (arm, name.partition(".")[0], name)
    for name, kernel in registered().items()
    if "neon" in kernel.requires
    for arm in ((SDOT,) if "dotprod" in kernel.requires else (A53, ARMHF))
]


@pytest.mark.parametrize(("arm", "op", "kernel"), VARIANTS, ids=lambda v: getattr(v, "runner", (v,))[-1])
def test_equals_the_reference(tmp_path: Path, arm: Arm, op: str, kernel: str) -> None:
    arm.skip()
    names = {kernel, *(name for name in registered() if name.endswith(".portable"))}
    ran = 0
    for name, make in layer_cases().items():
        if name.split(".")[0] != op:
            continue
        graph = make()
        if registered()[kernel].reject(_site(graph)) is not None:
            continue
        model = model_of(graph, arm.level, BATCH, names)
        assert kernel in [c.kernel.name for c in model.levels[0].choices]
        elf = program(tmp_path, graph, model, arm.compiler, arm.options)
        x = inputs_for(graph, np.random.default_rng(0), BATCH)
        got = run_program(elf, model, x, arm.runner)
        assert np.array_equal(got, reference.run(graph, x).reshape(BATCH, -1)), name
        ran += 1
    assert ran >= 2


def _site(graph: Graph) -> object:
    from intrs_edge.codegen.kernels import Site

    return Site(graph, (len(graph.ops) - 1,))


def test_sdot_traps_without_it(tmp_path: Path) -> None:
    """The control: the program really holds SDOT, so that asking the CPU first matters."""
    SDOT.skip()
    graph = conv(4, 4, 16, 16, 1, rng=rng())
    model = model_of(graph, SDOT.level, 1, {"conv2d.neon_sdot"})
    elf = program(tmp_path, graph, model, SDOT.compiler, SDOT.options)
    with pytest.raises(AssertionError, match=r"exit code (-4|132)"):
        run_program(elf, model, np.zeros((1, 4, 4, 16), np.int8), A53.runner)


def test_the_chooser_takes_sdot_where_it_may_and_winograd_elsewhere() -> None:
    graph = conv(16, 16, 32, 32, 3, rng=rng())
    assert [c.kernel.name for c in choose(graph, A64[0], "speed")] == ["conv2d.neon_sdot"]
    assert [c.kernel.name for c in choose(graph, A64[1], "speed")] == ["conv2d.neon_winograd4"]


@pytest.mark.parametrize(("arm", "limit"), [(SDOT, 0.16), (A53, 0.22)], ids=["sdot", "neon"])
def test_instructions_of_a_convolution(tmp_path: Path, arm: Arm, limit: float) -> None:
    arm.skip()
    graph = conv(16, 16, 32, 32, 3, rng=rng())
    model = model_of(graph, arm.level, 1)
    elf = program(tmp_path, graph, model, arm.compiler, arm.options)
    counts = count_function([*arm.runner, str(elf)], elf, "intrs_model_run")
    assert counts.per_call / (256 * 9 * 32 * 32) < limit
