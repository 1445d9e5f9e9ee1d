"""The certificate's tables as C: the text holds the numbers, and nothing is written for what certifies nothing."""

from __future__ import annotations

import re

import pytest

from intrs_edge.codegen.tables import render_tables, table_bytes
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Smoothing

FULL = Smoothing(shape=(8, 8, 1), sigma="0.25", n=1000, target_radius="0.25", precision="0.2")
COMPACT = Smoothing(shape=(8, 8, 1), sigma="1", n=10_000, rng="lfsr113")


def array(text: str, name: str) -> list[int]:
    body = re.search(rf"\b{name}\[[^\]]+\] = {{(.*?)\n}};", text, re.DOTALL)
    assert body, name
    return [int(v) for v in re.findall(r"(\d+)u", body[1])]


def define(text: str, name: str) -> int:
    found = re.search(rf"#define {name} (\d+)u?", text)
    assert found, name
    return int(found[1])


@pytest.mark.parametrize("smoothing", [FULL, COMPACT], ids=["full", "compact"])
def test_the_text_holds_the_numbers(smoothing):
    files = render_tables(smoothing)
    assert set(files) == {"common/intrs_tables.c", "include/intrs_tables_config.h"}
    tables, config = files["common/intrs_tables.c"], files["include/intrs_tables_config.h"]
    noise = smoothing.distribution
    assert array(tables, "intrs_noise_hi") == noise.hi.tolist()
    assert array(tables, "intrs_noise_lo") == noise.lo.tolist()
    assert array(tables, "intrs_noise_guide") == noise.guide.tolist()
    assert array(tables, "intrs_radius_values") == list(smoothing.radius.values)
    assert array(tables, "intrs_predict_values") == list(smoothing.predict.totals)
    assert define(config, "INTRS_RNG") == smoothing.generator.code
    assert define(config, "INTRS_NOISE_LAST") == noise.last
    assert define(config, "INTRS_GUIDE_BITS") == noise.guide_bits
    assert define(config, "INTRS_RADIUS_FIRST") == smoothing.radius.first
    assert define(config, "INTRS_RADIUS_VALUES") == len(smoothing.radius.values)
    assert smoothing.table_hash in tables
    assert max(map(len, (tables + config).splitlines())) <= 140


def test_plans():
    text = render_tables(FULL)["common/intrs_tables.c"]
    counts = array(text, "intrs_plan_counts")
    for name, plan in (("target", FULL.target_plan), ("precision", FULL.precision_plan)):
        values = array(text, f"intrs_{name}_plan")
        rows = [values[i : i + 6] for i in range(0, len(values), 6)]
        assert len(rows) == len(plan.looks)
        for (samples, reject, ceiling, squared, first, levels), look in zip(rows, plan.looks, strict=True):
            assert (samples, reject, ceiling, squared) == (look.samples, look.reject, look.ceiling, look.squared)
            assert counts[first : first + levels] == list(look.accept)


def test_same_input_same_text():
    again = Smoothing(shape=(8, 8, 1), sigma=0.25, n=1000, target_radius=0.25, precision=0.2, seed=5)
    assert render_tables(again) == render_tables(FULL)


def test_sizes():
    sizes = table_bytes(FULL)
    assert sizes["noise"] == 6 * (FULL.distribution.last + 1) + 256
    assert sizes["radius"] <= 1800
    assert sizes["jump"] == 1024
    assert table_bytes(COMPACT)["sequential"] == 0


def test_the_paper_certificate_says_what_it_is():
    text = render_tables(Smoothing(shape=(8, 8, 1), sigma="0.25", n=1000, certificate="paper"))["common/intrs_tables.c"]
    assert "NOT SOUND" in text
    assert "NOT SOUND" not in render_tables(FULL)["common/intrs_tables.c"]


def test_too_few_samples():
    with pytest.raises(IntrsError, match="9 samples certify nothing"):
        render_tables(Smoothing(shape=(8, 8, 1), sigma="0.25", n=9))
