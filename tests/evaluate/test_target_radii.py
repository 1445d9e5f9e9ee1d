"""An image that is certified for a target radius is counted by the report at that radius, whatever the radius."""

from __future__ import annotations

from fractions import Fraction

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import COLUMNS, SETTINGS, certificate_row, format_row, read_log
from intrs_edge.evaluate.metrics import certified_accuracy
from intrs_edge.smoothing import Certificate, Stop
from intrs_edge.smoothing.radius import SoundRule
from intrs_edge.smoothing.results import lattice_squared, linf, linf_target, radius_text
from intrs_edge.smoothing.sequential import target_plan

# in millionths: every .001 of the range that is asked for, and radii that use all six digits
TARGETS = [*range(50_000, 2_000_001, 1_000), *range(50_001, 2_000_000, 997)]


def text(micro: int) -> str:
    return f"{micro // 10**6}.{micro % 10**6:06d}"


def test_the_printed_radius_is_at_least_the_target():
    for micro in TARGETS:
        printed = radius_text(lattice_squared(Fraction(micro, 10**6)))
        assert float(printed) >= float(text(micro))
        # and no more than what is proved
        assert lattice_squared(Fraction(printed)) == lattice_squared(Fraction(micro, 10**6))


@pytest.mark.parametrize("columns", [6, None], ids=["the community's columns", "all columns"])
def test_the_report_counts_it(tmp_path, columns):
    """Through the file: every target's own L, and one less."""
    settings = {**dict.fromkeys(SETTINGS, "1"), "certificate": "one-sided", "n": "1000", "mode": "fixed"}
    path = tmp_path / "log.tsv"
    for micro in TARGETS[::7]:
        squared = lattice_squared(Fraction(micro, 10**6))
        lines = ["\t".join(COLUMNS) + "\n"]
        for idx, proved in enumerate((squared, squared - 1)):
            result = Certificate(3, 3, 990, 1000, proved, Stop.FULL, (0, 0, 10, 990))
            lines.append(format_row(certificate_row(idx, 3, result, 1.0, settings)))
        path.write_text("\n".join("\t".join(line.split("\t")[:columns]).strip("\n") for line in lines) + "\n")
        rows = read_log(path)
        assert certified_accuracy(rows, float(text(micro))) == 0.5
        assert certified_accuracy(rows[:1], float(text(micro))) == 1


def test_a_target_with_more_digits_than_are_printed():
    """The exact L decides where the log has it."""
    settings = {**dict.fromkeys(SETTINGS, "1"), "certificate": "one-sided", "n": "1000", "mode": "fixed"}
    radius = (4065**0.5 - 1e-9) / 255
    row = certificate_row(0, 3, Certificate(3, 3, 990, 1000, 4064, Stop.ACCEPT), 1.0, settings)
    assert row.radius < radius
    assert certified_accuracy([row], radius) == 1
    assert certified_accuracy([row], 4065**0.5 / 255 + 1e-9) == 0


@pytest.mark.parametrize("target", ["0.05", "0.25", "0.5", "1", "2"])
def test_the_plans_squared_radius_is_the_one_that_is_printed(target):
    rule = SoundRule(Fraction(255))
    plan = target_plan(5000, Fraction(1, 1000), rule, Fraction(target), Fraction(255), selected=False)
    assert {look.squared for look in plan.looks} == {lattice_squared(Fraction(target))}


@pytest.mark.parametrize("values", [1, 2, 3, 64, 784, 3072, 150_528, 1 << 24])
def test_a_target_in_linf_is_its_squared_radius_exactly(values):
    for steps in (1, 2, 3, 7, 8, 100, 255):
        assert lattice_squared(Fraction(linf_target(values, steps))) == values * steps**2
        assert linf(values * steps**2, values) == steps > linf(values * steps**2 - 1, values)
    for steps in (0, 256, -1):
        with pytest.raises(IntrsError, match=r"outside 1 \.\. 255"):
            linf_target(values, steps)
