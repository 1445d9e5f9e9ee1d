"""Radii in a log are those that its counts prove, in every mode; settings that make no tables are one line."""

from __future__ import annotations

import dataclasses

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import SETTINGS, certificate_row
from intrs_edge.evaluate.proof import check_radii, wrong_radii
from intrs_edge.smoothing import Certificate, Smoothing, Stop

REAL = {**dict.fromkeys(SETTINGS, "1"), "method": "intrs", "n0": "100", "n": "1000", "alpha": "0.001", "sigma": "0.25"}
REAL |= {"noise": "discrete", "certificate": "one-sided", "mode": "fixed", "shape": "32x32x3"}


def row(count, samples, squared, stop=Stop.FULL, idx=0, **settings):
    label = 1 if squared else -1
    result = Certificate(label, 1, count, samples, squared, stop, (samples - count, count))
    return certificate_row(idx, 1, result, 1, REAL | settings)


@pytest.mark.parametrize("settings", [{}, {"noise": "rounded"}, {"certificate": "paper"}, {"n": "10000"}])
def test_fixed(settings):
    n = int(settings.get("n", 1000))
    table = Smoothing((32, 32, 3), sigma="0.25", n=n, noise=settings.get("noise", "discrete"),
                      certificate=settings.get("certificate", "one-sided")).radius  # fmt: skip
    good = [row(count, n, table.lookup(count), idx=count, **settings) for count in range(0, n + 1, n // 97)]
    check_radii(good)
    assert any(r.squared for r in good)
    for count in (n // 2, n * 7 // 10, n):
        for wrong in {table.lookup(count) + 1, max(0, table.lookup(count) - 1)} - {table.lookup(count)}:
            with pytest.raises(IntrsError, match=f"image 7: L {wrong} and stop full, but {count} votes of {n} prove L"):
                check_radii([*good, row(count, n, wrong, idx=7, **settings)])


@pytest.mark.parametrize(
    ("mode", "name", "value"), [("target-radius", "target_radius", "0.25"), ("precision",) * 2 + ("0.1",)]
)
def test_sequential(mode, name, value):
    plan = getattr(Smoothing((32, 32, 3), sigma="0.25", **{name: value}), name.removesuffix("_radius") + "_plan")
    asked = {"mode": f"{mode}={value}"}
    good = []
    for k, look in enumerate(plan.looks):
        for count in range(0, look.samples + 1, max(1, look.samples // 20)):
            decision = plan.decide(k, count)
            if decision is not None:
                good.append(row(count, look.samples, decision[1], decision[0], idx=len(good), **asked))
            else:
                with pytest.raises(IntrsError, match=f"{count} votes? of {look.samples} samples? end no certification"):
                    check_radii([row(count, look.samples, 0, Stop.REJECT, **asked)])
    check_radii(good)
    assert {r.extra["stop"] for r in good} == {"full", "accept", "reject"}
    accepted = next(r for r in good if r.extra["stop"] == "accept")
    for change in ({"L": str(accepted.squared + 1)}, {"stop": "reject"}):
        with pytest.raises(IntrsError, match=r"image .*: L .* prove L"):
            check_radii([dataclasses.replace(accepted, extra={**accepted.extra, **change})])
    with pytest.raises(IntrsError, match="51 samples end no certification"):
        check_radii([row(51, 51, 0, Stop.REJECT, **asked)])


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma": "0"}, {"sigma": "x"}, {"sigma": "9" * 400}, {"alpha": "1"}, {"alpha": "1e-99999999"}, {"n": "0"},
        {"n": "9" * 30}, {"n0": "-1"}, {"shape": "32x32"}, {"shape": "99999999x99999999x3"}, {"shape": ""},
        {"noise": "none"}, {"certificate": "mine"}, {"mode": "best"}, {"mode": "target-radius=9"},
        {"mode": "precision"}, {"mode": "target-radius=1/0"},
    ],
)  # fmt: skip
def test_settings_that_make_no_tables_are_one_line(settings):
    with pytest.raises(IntrsError):
        check_radii([dataclasses.replace(one := row(990, 1000, 0), extra={**one.extra, **settings})])


def test_rows_of_the_community_hold_nothing_to_check():
    check_radii([])
    check_radii([dataclasses.replace(row(990, 1000, 1), extra={})])


def test_a_two_sided_line_is_judged_by_its_rivals_too():
    """The same count proves more where the votes against it are spread; `sound` is what one-sided was called."""
    smoothing = Smoothing((32, 32, 3), sigma="0.25", n0=100, certificate="two-sided")
    votes = (900, 60, 40)
    squared = smoothing.radius.lookup(900, 60)
    assert squared > Smoothing((32, 32, 3), sigma="0.25", n0=100).radius.lookup(900)
    for name, claimed, wrong in (("two-sided", squared, 0), ("two-sided", squared + 1, 1), ("sound", squared, 1)):
        result = Certificate(0, 0, 900, 1000, claimed, Stop.FULL, votes)
        row = certificate_row(0, 1, result, 1, REAL | {"certificate": name})
        assert len(list(wrong_radii([row]))) == wrong
