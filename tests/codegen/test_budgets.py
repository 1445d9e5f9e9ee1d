"""What a project may take of its board, and what each choice of kernels would take."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from networks import resnet, tiny

from intrs_edge.boards import Board, load_board
from intrs_edge.codegen import GenerateOptions, Report, generate
from intrs_edge.codegen.alternatives import alternative_lines, alternatives
from intrs_edge.codegen.budgets import Limits
from intrs_edge.codegen.choose import OPTIMIZE
from intrs_edge.errors import IntrsError
from intrs_edge.graph.tflite_writer import write_tflite

M4 = load_board("mps2-an386")
needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


def made(folder: Path, board: Board = M4, **options: str) -> Report:
    given = {"sigma": Decimal("0.1"), "n": 100, "machine": "generic", **options}
    return generate(resnet(1), GenerateOptions(board=board, **given), folder / "p")


def with_flash(size: int) -> Board:
    flash, *others = M4.memory
    return dataclasses.replace(M4, memory=(dataclasses.replace(flash, size=size), *others))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, 3 << 20),
        ("60%", (4 << 20) * 60 // 100),
        ("100%", 4 << 20),
        ("100000", 100000),
        ("96k", 98304),
        ("2M", 2 << 20),
    ],
)
def test_amounts(asked: str | None, expected: int) -> None:
    limits = Limits.of(M4, asked, asked)
    assert limits is not None
    assert (limits.flash.bytes, limits.ram.bytes) == (expected, expected)
    relaxed = limits.relaxed(M4)
    assert (relaxed.flash.bytes == 4 << 20) == (asked in (None, "100%"))


@pytest.mark.parametrize("asked", ["", "0", "0%", "101%", "-5", "1e5", "75 %", "5M", "9" * 40, "1.5M", "½%"])
def test_what_is_no_amount_is_refused_with_the_boards(asked: str) -> None:
    with pytest.raises(IntrsError, match=r"--flash-budget .* is not an amount of at most 4194304"):
        Limits.of(M4, asked, None)
    with pytest.raises(IntrsError, match=r"--ram-budget .* is not an amount"):
        Limits.of(M4, None, asked)


def test_a_board_with_an_operating_system_has_none() -> None:
    assert Limits.of(load_board("rpi-4b"), None, None) is None
    with pytest.raises(IntrsError, match="--ram-budget is for a microcontroller, host is none"):
        Limits.of(load_board("host"), None, "75%")


@needs_arm
def test_kernels_give_way_to_a_budget_and_what_cannot_is_refused(tmp_path: Path) -> None:
    free = made(tmp_path)
    flash = made(tmp_path, flash_budget="200k")
    assert flash.sizes.flash <= 200 << 10 < free.sizes.flash
    ram = made(tmp_path, ram_budget="40k")
    assert ram.sizes.arena + ram.sizes.ram <= 40 << 10 < free.sizes.arena + free.sizes.ram
    assert "--flash-budget 200k" in flash.manifest["command"]
    for name, asked, total in (("flash", "90k", 92160), ("ram", "30k", 30720)):
        words = rf"{total} \({asked} of 4194304\): raise --{name}-budget"
        with pytest.raises(IntrsError, match=words):
            made(tmp_path / "no", **{f"{name}_budget": asked})
    assert not (tmp_path / "no").exists()


@needs_arm
def test_by_default_three_quarters_and_more_only_where_it_must_be(tmp_path: Path) -> None:
    """The same network on smaller and smaller boards: kernels give way first, then it is said, then it is refused."""
    whole = made(tmp_path).sizes.flash
    tight = made(tmp_path, with_flash(whole * 11 // 10))
    assert tight.sizes.flash <= whole * 11 // 10 * 75 // 100
    assert not [n for n in tight.notes if "more than the usual 75 %" in n]
    least = made(tmp_path, optimize="size").sizes.flash
    full = made(tmp_path, with_flash(least * 108 // 100))
    assert least * 75 // 100 < full.sizes.flash <= least * 108 // 100
    (note,) = [n for n in full.notes if "more than the usual 75 %" in n]
    assert note.startswith("note     9")
    assert "% of the board's flash is taken" in note
    with pytest.raises(IntrsError, match="is too small"):
        made(tmp_path / "no", with_flash(least * 3 // 4))
    with pytest.raises(IntrsError, match="more than the budget"):  # asked for, it is no wish
        made(tmp_path / "no", with_flash(least * 108 // 100), flash_budget="75%")


@needs_arm
def test_side_by_side_is_what_each_would_take(tmp_path: Path) -> None:
    report = made(tmp_path)
    found = alternatives(report)
    assert tuple(a.optimize for a in found) == OPTIMIZE
    assert [a.chosen for a in found] == [a.optimize == "speed" for a in found]
    for a in found:
        other = report if a.chosen else made(tmp_path / a.optimize, optimize=a.optimize)
        assert a.ram == other.sizes.arena + report.sizes.ram
        assert a.weights == other.sizes.weights
        assert abs(a.flash - other.sizes.flash) <= (0 if a.chosen else 16 << 10)
        level = other.model.levels[0]
        assert a.instructions == round(sum(c.cost.instructions for c in level.choices))
    table = alternative_lines(report)
    assert len(table) == 2 + len(OPTIMIZE)
    assert [line.split()[0] for line in table[2:]] == list(OPTIMIZE)
    assert table[2].endswith("<- this project")


def test_the_command_shows_them(tmp_path: Path, run_cli: Callable[..., tuple[int, str, str]]) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(write_tflite(tiny()))
    command = ("generate", model, "--board", "mps2-an386", "-o", tmp_path / "p", "--n", "100", "--no-progress")
    code, out, _ = run_cli(*command, "--flash-budget", "90%")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[-3:]] == list(OPTIMIZE)
    code, out, _ = run_cli(*command, "--json")
    assert [a["optimize"] for a in json.loads(out)["alternatives"]] == list(OPTIMIZE)
    code, _, err = run_cli(*command, "--flash-budget", "lots")
    assert (code, err.count("\n")) == (2, 1)
    code, out, _ = run_cli("generate", model, "-o", tmp_path / "h", "--n", "100", "--no-progress", "--json")
    assert json.loads(out)["alternatives"] == []
